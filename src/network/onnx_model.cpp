#include "network/onnx_model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <new>
#include <openvino/core/preprocess/pre_post_process.hpp>
#include <openvino/frontend/manager.hpp>
#include <openvino/op/constant.hpp>
#include <openvino/op/result.hpp>
#include <regex>
#include <unordered_map>

#include "io/input_file.h"
#include "io/text_table.h"
#include "lowshot/error.h"
#include "lowshot/io.h"

namespace lowshot::onnx_detail {
namespace {

namespace fs = std::filesystem;

std::string shape_text(const ov::PartialShape& shape) {
  if (shape.rank().is_dynamic()) return "of no fixed rank";
  if (shape.size() == 0) return "one value";
  std::vector<std::string> lengths;
  for (const ov::Dimension& d : shape) lengths.push_back(d.is_static() ? std::to_string(d.get_length()) : "?");
  return fmt::format("{}", fmt::join(lengths, " x "));
}

std::string name_of(const ov::Output<const ov::Node>& port) {
  return port.get_names().empty() ? std::string() : port.get_any_name();
}

// "'image' (? x 3 x 224 x 224), 'mask' (? x 1)"
std::string list(const std::vector<ov::Output<const ov::Node>>& ports) {
  constexpr std::size_t most = 8;  // a model may have hundreds
  std::vector<std::string> texts;
  for (const auto& port : ports) {
    if (texts.size() == most) {
      texts.push_back("...");
      break;
    }
    texts.push_back(fmt::format("{} ({})", io::shown(name_of(port)), shape_text(port.get_partial_shape())));
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

class Reader {
 public:
  Reader(const fs::path& path, std::uint32_t crop) : path_(path), crop_(crop) {}

  OnnxModel read(const std::string& output) {
    load();
    set_input();
    set_output(output);
    // Values go in and come out as float32; a model of float16 converts.
    ov::preprocess::PrePostProcessor both(result_.model);
    both.input().tensor().set_element_type(ov::element::f32);
    both.output().tensor().set_element_type(ov::element::f32);
    result_.model = both.build();
    estimate();
    return std::move(result_);
  }

 private:
  [[noreturn]] void fail(const std::string& what, const std::string& advice = {}) const {
    throw Error(ErrorKind::input, what, path_.string(), advice);
  }

  void load() {
    {
      const io::InputFile file(path_);  // refuses folders and pipes, which the library would wait for
      if (file.size() == 0) fail("expected an ONNX model and found an empty file", "export or fetch it again");
    }
    // Files with weights that lie beside are read, not mapped: one that shrinks meanwhile must not kill the process.
    constexpr bool map_files = false;
    ov::frontend::FrontEndManager manager;
    const auto frontend = manager.load_by_framework("onnx");
    try {
      result_.model = frontend->convert(frontend->load(path_.string(), map_files));
    } catch (const std::bad_alloc&) {
      throw;
    } catch (const std::exception& e) {
      const std::string message = plain_message(e);
      const std::string lacking = "No conversion rule found for operations: ";
      if (const std::size_t at = message.find(lacking); at != std::string::npos)
        fail(
            fmt::format("the model has operators that OpenVINO does not know: {}", message.substr(at + lacking.size())),
            "export it with ONNX's own operators, or for an earlier opset");
      fail(fmt::format("OpenVINO cannot read this as an ONNX model: {}", message), "export or fetch it again");
    }
    hash_weights();
  }

  void hash_weights() {
    std::string hashes;
    for (const auto& node : result_.model->get_ordered_ops()) {
      const auto constant = ov::as_type_ptr<ov::op::v0::Constant>(node);
      if (!constant || constant->get_element_type() == ov::element::string) continue;
      hashes += hash_text({static_cast<const char*>(constant->get_data_ptr()), constant->get_byte_size()});
    }
    result_.weights_hash = hash_text(hashes);
  }

  void set_input() {
    const std::shared_ptr<const ov::Model> model = result_.model;
    const std::string export_advice = "export the model with one input, images x 3 x height x width";
    const auto inputs = model->inputs();
    if (inputs.size() != 1)
      fail(fmt::format("expected a model with one input, the images, and found {}{}{}", inputs.size(),
                       inputs.empty() ? "" : ": ", list(inputs)),
           export_advice);
    const auto& input = inputs[0];
    const ov::PartialShape given = input.get_partial_shape();
    const ov::element::Type type = input.get_element_type();
    if (type != ov::element::f32 && type != ov::element::f16)
      fail(fmt::format("the input {} is of the type {} and must be float32 or float16", list(inputs),
                       type.get_type_name()),
           "export the model with the normalised values as input");
    if (given.rank().is_dynamic() || given.size() != 4)
      fail(fmt::format("expected an input of images x 3 x height x width and found {}", list(inputs)), export_advice);
    if (!given[1].compatible(3) || (given[3] == 3 && given[1].is_dynamic()))
      fail(fmt::format("expected an input of images x 3 x height x width and found {}{}", list(inputs),
                       given[3] == 3 ? ", with the channels last" : ""),
           export_advice);
    if (!given[2].compatible(crop_) || !given[3].compatible(crop_)) refuse_size(given);
    // A model that takes any number of images gets one at a time, so that no image depends on another.
    if (given[0].is_static()) {
      constexpr std::int64_t most = 4096;
      if (given[0].get_length() < 1 || given[0].get_length() > most)
        fail(fmt::format("the model takes {} images a call; it must be from 1 to {}", given[0].get_length(), most),
             "export it for one image, or with a dynamic first axis");
      result_.group = static_cast<std::size_t>(given[0].get_length());
    }
    const ov::PartialShape wanted{static_cast<std::int64_t>(result_.group), 3, crop_, crop_};
    if (given == wanted) return;
    try {
      result_.model->reshape({{result_.model->input(), wanted}});
    } catch (const std::exception& e) {
      fail(fmt::format("the model cannot take images of {} x {}: {}", crop_, crop_, plain_message(e)),
           "set image_size in the configuration (--cfg) to the size that it was exported for");
    }
  }

  [[noreturn]] void refuse_size(const ov::PartialShape& given) const {
    const std::string found = shape_text({given[2], given[3]});
    if (given[2].is_static() && given[2] == given[3])
      fail(fmt::format("the model takes images of {}, and the crop is {} x {}", found, crop_, crop_),
           fmt::format("set image_size: {} in the configuration (--cfg) and a scale that is at least as large",
                       given[2].get_length()));
    fail(fmt::format("the model takes images of {}, and the crop is {} x {}", found, crop_, crop_),
         "export it for square images, and set image_size in the configuration (--cfg) to their side");
  }

  void set_output(const std::string& wanted) {
    const std::shared_ptr<const ov::Model> model = result_.model;
    const auto outputs = model->outputs();
    std::size_t chosen = outputs.size();
    for (std::size_t i = 0; i < outputs.size(); ++i)
      if (!wanted.empty() && outputs[i].get_names().count(wanted) != 0) chosen = i;
    if (wanted.empty() && outputs.size() == 1) chosen = 0;
    if (outputs.empty()) fail("the model has no output", "export it again");
    if (chosen == outputs.size())
      fail(wanted.empty() ? fmt::format("the model has {} outputs: {}", outputs.size(), list(outputs))
                          : fmt::format("the model has no output {}; it has {}", io::shown(wanted), list(outputs)),
           "name one of them with --output, or with output below model in the configuration");
    const auto& output = outputs[chosen];
    if (!output.get_element_type().is_real())
      fail(fmt::format("the output {} is of the type {} and must be of floating-point numbers", list({output}),
                       output.get_element_type().get_type_name()),
           "choose another --output");
    const ov::PartialShape shape = output.get_partial_shape();
    if (shape.is_dynamic())
      fail(fmt::format("the size of the output {} depends on the values of the image", list({output})),
           "choose another --output");
    result_.shape = shape.to_shape();
    if (result_.shape.empty() || result_.shape[0] != result_.group)
      fail(fmt::format("the output {} has not one entry an image, of which {} went in", list({output}), result_.group),
           "choose another --output");
    result_.output = name_of(output);
    const ov::ResultVector results = result_.model->get_results();
    for (std::size_t i = 0; i < results.size(); ++i)
      if (i != chosen) result_.model->remove_result(results[i]);
  }

  // Values alive at once where each operation's are made in order and kept until their last use.
  void estimate() {
    const auto bytes_of = [](const ov::Output<ov::Node>& value) {
      const ov::PartialShape shape = value.get_partial_shape();
      return shape.is_static() ? ov::shape_size(shape.to_shape()) * sizeof(float) : 0;
    };
    const auto is_constant = [](const ov::Node* node) { return ov::is_type<ov::op::v0::Constant>(node); };
    std::unordered_map<const ov::Node*, std::size_t> uses;  // still to come, of a node's values
    std::uint64_t alive = 0;
    for (const auto& node : result_.model->get_ordered_ops()) {
      std::uint64_t made = 0;
      for (const auto& value : node->outputs()) {
        made += bytes_of(value);
        uses[node.get()] += value.get_target_inputs().size();
      }
      if (is_constant(node.get())) {
        result_.weight_bytes += made;
        continue;
      }
      alive += made;
      result_.activation_bytes = std::max(result_.activation_bytes, alive);
      for (const auto& source : node->input_values()) {
        const ov::Node* from = source.get_node();
        if (is_constant(from) || --uses[from] != 0) continue;
        for (const auto& value : source.get_node()->outputs()) alive -= bytes_of(value);
      }
    }
  }

  const fs::path& path_;
  std::int64_t crop_;
  OnnxModel result_;
};

}  // namespace

OnnxModel read_onnx(const fs::path& path, const std::string& output, std::uint32_t crop) {
  return Reader(path, crop).read(output);
}

std::string plain_message(const std::exception& error) {
  constexpr std::size_t longest = 300, searched = 4000;
  // "Exception from FILE:LINE:", "Check 'EXPRESSION' failed at FILE:LINE:", the names of the library's own errors.
  static const std::regex places(
      R"(Exception from \S+:\d+:|Check '[^']*' failed at \S+:\d+:|FrontEnd API failed with \w+:|^\s*\w+: )");
  static const std::regex spaces(R"([\s\x01-\x1f]+)");
  std::string text = std::regex_replace(std::string(error.what()).substr(0, searched), places, " ");
  text = std::regex_replace(text, spaces, " ");
  const std::size_t begin = text.find_first_not_of(' '), end = text.find_last_not_of(" .:");
  if (begin == std::string::npos || end == std::string::npos) return "it does not say why";
  text = text.substr(begin, end + 1 - begin);
  return text.size() > longest ? text.substr(0, longest) + "..." : text;
}

}  // namespace lowshot::onnx_detail
