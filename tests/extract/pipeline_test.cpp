#include "extract/pipeline.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <new>
#include <set>

#include "lowshot/error.h"

namespace lowshot::extract_detail {
namespace {

// A binary PNG of one grey level would need an encoder; a set that fails in chosen ways does not.
class MadeUpSet final : public ImageSet {
 public:
  explicit MadeUpSet(std::uint64_t n) : n_(n) {}
  std::uint64_t size() const override { return n_; }
  std::string name(std::uint64_t i) const override { return std::to_string(i); }
  std::int32_t label(std::uint64_t) const override { return 0; }
  std::optional<std::vector<std::byte>> read(std::uint64_t i) const override {
    if (i % 3 == 0) return std::nullopt;
    if (i == throws_at) throw std::bad_alloc();
    return std::vector<std::byte>(i, std::byte{7});
  }
  const std::vector<std::string>& class_names() const override { return names_; }
  std::string fingerprint() const override { return {}; }
  std::string description() const override { return {}; }

  std::uint64_t throws_at = UINT64_MAX;

 private:
  std::uint64_t n_;
  std::vector<std::string> names_;
};

TEST(Pipeline, GivesEveryImageOnceAndInOrder) {
  const ImageTransform transform{.scale = 4, .crop = 4};
  for (const std::uint64_t n : {1, 7, 8, 9, 64, 100})
    for (const int decoders : {1, 2, 5}) {
      const MadeUpSet images(n + 2);
      Pipeline pipeline(images, transform, 2, n + 2, 8, decoders);
      std::uint64_t next = 2;
      while (next < n + 2) {
        const Batch& batch = pipeline.next();
        ASSERT_EQ(batch.first, next);
        ASSERT_EQ(batch.count, std::min<std::uint64_t>(8, n + 2 - next));
        for (std::size_t i = 0; i < batch.count; ++i, ++next) {
          if (next % 3 == 0)
            EXPECT_EQ(batch.reasons[i], "missing");
          else
            EXPECT_NE(batch.reasons[i], "");  // seven times over is no image
          EXPECT_TRUE(std::all_of(batch.crops.row(i), batch.crops.row(i) + 48, [](int v) { return v == 0; }));
        }
      }
    }
}

TEST(Pipeline, PassesOnWhatIsNoFaultOfAnImage) {
  MadeUpSet images(40);
  images.throws_at = 20;
  const ImageTransform transform{.scale = 4, .crop = 4};
  Pipeline pipeline(images, transform, 0, 40, 4, 3);
  EXPECT_THROW(for (int b = 0; b < 10; ++b) pipeline.next(), std::bad_alloc);
}

TEST(Pipeline, MayBeLeftEarly) {
  const MadeUpSet images(1000);
  const ImageTransform transform{.scale = 4, .crop = 4};
  Pipeline pipeline(images, transform, 0, 1000, 4, 3);
  pipeline.next();
}

}  // namespace
}  // namespace lowshot::extract_detail
