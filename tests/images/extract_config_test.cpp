#include "lowshot/extract_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "oracle/files.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using fixtures::put;
using fixtures::TemporaryDirectory;
using oracle::error_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;

ExtractConfig read(std::string_view text) {
  const TemporaryDirectory d;
  put(d / "c.yaml", text);
  return read_extract_config(d / "c.yaml");
}
std::string refusal(std::string_view text) {
  return error_of([&] { read(text); });
}

TEST(ExtractConfig, OurOwnFileHoldsTheProtocolsValues) {
  const auto config = read_extract_config(std::filesystem::path(LOWSHOT_SOURCE_DIR) / "configs/f100m_save_data.yaml");
  EXPECT_EQ(config.dataset_type, ExtractConfig::DatasetType::numbered_zips);
  EXPECT_EQ(config.dataset_path, "yfcc100m");
  EXPECT_EQ(config.transform.scale, 256U);
  EXPECT_EQ(config.transform.crop, 224U);
  EXPECT_EQ(config.transform.mean, ImageTransform().mean);
  EXPECT_EQ(config.transform.deviation, ImageTransform().deviation);
  EXPECT_EQ(config.batch_size, std::optional<std::uint32_t>(64));
}

TEST(ExtractConfig, EveryKey) {
  const auto config = read(R"(
dataset_params: {root: 'some folder', meta: train.json}
dataset_type: 'MetaDataset'
transform_params:
  transform_list: ['Scale','CenterCrop', 'ToTensor', 'Normalize']
  image_size: 64
  scale: 72
  normalize_param:
    mean: [0.5, 0.25, 1]
    std: [1, 2.0, 1e-1]
data_loader_params: {batch_size: 7, shuffle: false, num_workers: 6, pin_memory: True}
model: {output: features, pooling: class_token}
)");
  EXPECT_EQ(config.dataset_type, ExtractConfig::DatasetType::listed);
  EXPECT_EQ(config.dataset_path, "train.json");
  EXPECT_EQ(config.dataset_root, "some folder");
  EXPECT_EQ(config.transform.scale, 72U);
  EXPECT_EQ(config.transform.crop, 64U);
  EXPECT_THAT(config.transform.mean, ElementsAre(0.5F, 0.25F, 1.0F));
  EXPECT_THAT(config.transform.deviation, ElementsAre(1.0F, 2.0F, 0.1F));
  EXPECT_EQ(config.batch_size, std::optional<std::uint32_t>(7));
  EXPECT_EQ(config.output, std::optional<std::string>("features"));
  EXPECT_EQ(config.pooling, std::optional<Pooling>(Pooling::class_token));
}

TEST(ExtractConfig, WhatIsNotSaidKeepsTheOriginalsValues) {
  const auto config = read("dataset_type: ImageFolder");
  EXPECT_EQ(config.dataset_type, ExtractConfig::DatasetType::class_folder);
  EXPECT_EQ(config.transform.scale, 256U);
  EXPECT_FALSE(config.batch_size || config.output || config.pooling);
  EXPECT_EQ(read("transform_params: {scale: 300, transform_list: [CenterCrop, ToTensor, Normalize]}").transform.scale,
            0U);
  const auto plain = read("transform_params: {transform_list: [Scale, CenterCrop, ToTensor]}").transform;
  EXPECT_THAT(plain.mean, ElementsAre(0.0F, 0.0F, 0.0F));
  EXPECT_THAT(plain.deviation, ElementsAre(1.0F, 1.0F, 1.0F));
}

TEST(ExtractConfig, UnknownKeysAreNamedWithTheirLine) {
  EXPECT_THAT(refusal("dataset_type: ImageFolder\nimage_size: 224\n"),
              AllOf(HasSubstr("input: the key 'image_size' of the configuration is not known"),
                    HasSubstr("c.yaml, line 2"), HasSubstr("its keys are dataset_type")));
  EXPECT_THAT(refusal("transform_params:\n  scale: 256\n\n  jitter: 1\n"),
              AllOf(HasSubstr("'jitter' of transform_params"), HasSubstr("line 4")));
  EXPECT_THAT(refusal("data_loader_params: {drop_last: True}"), HasSubstr("'drop_last' of data_loader_params"));
  EXPECT_THAT(refusal("model: {name: x}"), HasSubstr("'name' of model"));
  EXPECT_THAT(refusal("dataset_type: ImageFolder\ndataset_params: {meta: x}"), HasSubstr("'meta' of dataset_params"));
  EXPECT_THAT(refusal("transform_params: {normalize_param: {means: [1, 1, 1]}}"),
              HasSubstr("'means' of normalize_param"));
  EXPECT_THAT(refusal("transform_params: {scale: 256, scale: 300}"),
              HasSubstr("the key 'scale' of transform_params is there twice"));
  EXPECT_THAT(refusal("{[1]: 2}"), HasSubstr("a key of the configuration is no word"));
}

TEST(ExtractConfig, WrongValues) {
  EXPECT_THAT(refusal("dataset_type: LSUN"), HasSubstr("the dataset_type 'LSUN' is not known"));
  EXPECT_THAT(refusal("dataset_type: [ImageFolder]"), HasSubstr("dataset_type must be a word"));
  EXPECT_THAT(refusal("dataset_params: {root: x}"), HasSubstr("dataset_params without a dataset_type"));
  for (const char* value : {"31", "2049", "-1", "256.5", "large", "[256]", "{}", "~", "99999999999999999999", "''"}) {
    EXPECT_THAT(refusal(std::string("transform_params:\n  scale: ") + value),
                AllOf(HasSubstr("transform_params.scale must be a whole number from 32 to 2048"), HasSubstr("line 2")))
        << value;
  }
  EXPECT_THAT(refusal("transform_params: {image_size: 300}"), HasSubstr("the image_size 300 is above the scale 256"));
  for (const char* value :
       {"1", "[1, 2]", "[1, 2, x]", "[1, 2, .nan]", "[1, 2, .inf]", "[1, 2, 3, 4]", "[1, 2, 0]", "[1, [2], 3]"}) {
    EXPECT_THAT(refusal(std::string("transform_params: {std: ") + value + "}"),
                HasSubstr("transform_params.std must be three positive numbers"))
        << value;
  }
  EXPECT_THAT(refusal("transform_params: {mean: [0, 0, 0], normalize_param: {mean: [0, 0, 0]}}"),
              HasSubstr("mean is given twice"));
  EXPECT_THAT(refusal("data_loader_params: {batch_size: 0}"), HasSubstr("batch_size must be a whole number from 1"));
  EXPECT_THAT(refusal("data_loader_params: {pin_memory: 3}"), HasSubstr("pin_memory must be True or False"));
  EXPECT_THAT(refusal("data_loader_params: {shuffle: True}"), HasSubstr("shuffle is True"));
  EXPECT_THAT(refusal("model: {pooling: sum}"), HasSubstr("the model.pooling 'sum' is not known"));
  EXPECT_THAT(refusal("transform_params: 3"), HasSubstr("transform_params must hold keys"));
}

TEST(ExtractConfig, TransformLists) {
  const auto list = [](const std::string& entries) {
    return refusal("transform_params:\n  transform_list: [" + entries + "]\n");
  };
  EXPECT_EQ(list("Scale, CenterCrop, ToTensor, Normalize"), "nothing was thrown");
  EXPECT_THAT(list("RandomSizedCrop, ToTensor"),
              AllOf(HasSubstr("RandomSizedCrop of transform_list is for training"), HasSubstr("line 2")));
  EXPECT_THAT(list("Scale, CenterCrop, ImageJitter, ToTensor"),
              HasSubstr("ImageJitter of transform_list is for training"));
  EXPECT_THAT(list("Scale, FiveCrop"), HasSubstr("the transform 'FiveCrop' is not known"));
  EXPECT_THAT(list("CenterCrop, Scale, ToTensor, Normalize"), HasSubstr("Scale is out of place"));
  EXPECT_THAT(list("Scale, Scale, CenterCrop, ToTensor"), HasSubstr("Scale is out of place"));
  EXPECT_THAT(list("Scale, ToTensor"), HasSubstr("CenterCrop is missing"));
  EXPECT_THAT(list("Scale, CenterCrop"), HasSubstr("ToTensor is missing"));
  EXPECT_THAT(list(""), HasSubstr("CenterCrop is missing"));
  EXPECT_THAT(list("[Scale]"), HasSubstr("must be a word"));
  EXPECT_THAT(refusal("transform_params: {mean: [0, 0, 0], transform_list: [CenterCrop, ToTensor]}"),
              HasSubstr("without Normalize"));
}

TEST(ExtractConfig, NoYamlAndBombs) {
  EXPECT_THAT(refusal(""), HasSubstr("found an empty file"));
  EXPECT_THAT(refusal("# nothing\n"), HasSubstr("input: "));
  EXPECT_THAT(refusal("a: b: c"), AllOf(HasSubstr("the YAML is malformed"), HasSubstr("c.yaml, line 1")));
  EXPECT_THAT(refusal("x: [1, 2"), HasSubstr("the YAML is malformed"));
  EXPECT_THAT(refusal("just words"), HasSubstr("the configuration must hold keys"));
  EXPECT_THAT(refusal("a: 1\n---\nb: 2\n"), HasSubstr("found several"));
  EXPECT_THAT(refusal(std::string((1 << 20) + 1, ' ')), HasSubstr("at most 1048576 bytes"));
  EXPECT_THAT(refusal("a: &a [1]\nb: *a\n"),
              AllOf(HasSubstr("anchors (&name) and aliases (*name) are not read"), HasSubstr("line 1")));
  std::string bomb = "a: &a [x, x]\n";
  for (char c = 'b'; c < 'z'; ++c) {
    bomb += std::string(1, c) + ": &" + c + " [*" + static_cast<char>(c - 1) + ", *" + static_cast<char>(c - 1) + "]\n";
  }
  EXPECT_THAT(refusal(bomb), HasSubstr("anchors"));
  EXPECT_THAT(refusal(std::string(100000, '[')), HasSubstr("input: "));
  EXPECT_THAT(refusal(std::string(9, '[') + std::string(9, ']')), HasSubstr("nested more than 8 deep"));
  EXPECT_THAT(refusal(std::string("dataset_type: \"a\\0b\"")), HasSubstr("zero byte"));
}

}  // namespace
}  // namespace lowshot
