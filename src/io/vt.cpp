// Faiss VectorTransform files (.vt), the kinds PCAMatrix and LinearTransform. The layout, found by looking at files
// that Faiss wrote and at which changed files it still reads (little-endian, no padding, "[]" = 64-bit count first):
//
//   PCAMatrix        "Pcam"  f32 eigen_power, f32 epsilon, u8 random_rotation, i32 balanced_bins,
//                            f32[] mean, f32[] eigenvalues, f32[] PCAMat, then as a LinearTransform
//                    "PcAm"  the same without epsilon (older); "PCAm" also without balanced_bins (oldest)
//   LinearTransform  "LTra"  u8 have_bias, f32[] A (d_out x d_in), f32[] b, i32 d_in, i32 d_out, u8 is_trained
//
// y = A x + b is all that applying needs: A holds the leading rows of PCAMat after whitening and rotation, b = -A mean.
// PCAMat is skipped here and written empty, which Faiss accepts.
#include <fmt/format.h>

#include <cmath>
#include <string_view>

#include "io/input_file.h"
#include "io/output_file.h"
#include "lowshot/io.h"

namespace lowshot {
namespace {

constexpr std::string_view newest_pca = "Pcam";
constexpr std::string_view older_pca = "PcAm";
constexpr std::string_view oldest_pca = "PCAm";
constexpr std::string_view linear = "LTra";

void require_finite(const io::InputFile& file, std::span<const float> values, const char* what) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) file.fail(fmt::format("{} holds {} at place {}", what, values[i], i));
  }
}

}  // namespace

LinearMap read_vt(const fs::path& path) {
  const io::InputFile file(path);
  io::SequentialReader reader(file);
  const std::string kind = reader.text(4, "the kind of transform");
  LinearMap map;
  if (kind == newest_pca || kind == older_pca || kind == oldest_pca) {
    reader.value<float>("eigen_power");
    if (kind == newest_pca) reader.value<float>("epsilon");
    reader.value<std::uint8_t>("random_rotation");
    if (kind != oldest_pca) reader.value<std::int32_t>("balanced_bins");
    map.mean = reader.counted<float>("mean");
    map.eigenvalues = reader.counted<float>("eigenvalues");
    reader.skip(reader.value<std::uint64_t>("PCAMat"), sizeof(float), "PCAMat");
  } else if (kind != linear) {
    file.fail("expected a Faiss PCAMatrix (Pcam) or LinearTransform (LTra) and found another kind of file",
              "write it with faiss.write_VectorTransform, or train one with lowshot pca train");
  }
  const auto have_bias = reader.value<std::uint8_t>("have_bias");
  const std::uint64_t a_count = reader.value<std::uint64_t>("A");
  const std::uint64_t a_offset = reader.skip(a_count, sizeof(float), "A");
  map.b = reader.counted<float>("b");
  const auto in = reader.value<std::int32_t>("d_in");
  const auto out = reader.value<std::int32_t>("d_out");
  const auto trained = reader.value<std::uint8_t>("is_trained");
  reader.require_end();
  if (in < 1 || out < 1) file.fail(fmt::format("a transform from {} to {} dimensions makes no sense", in, out));
  if (trained != 1) file.fail("the transform is not trained", "train it first");
  const auto rows = static_cast<std::uint64_t>(out);
  const auto cols = static_cast<std::uint64_t>(in);
  if (a_count != rows * cols) {
    file.fail(fmt::format("a transform from {} to {} dimensions has {} coefficients, expected {}", in, out, a_count,
                          rows * cols));
  }
  if (have_bias == 0) map.b.assign(rows, 0.0f);
  if (map.b.size() != rows) {
    file.fail(fmt::format("a transform to {} dimensions has an offset b of {} values", out, map.b.size()));
  }
  if (!map.mean.empty() && map.mean.size() != cols) {
    file.fail(fmt::format("a transform from {} dimensions has a mean of {} values", in, map.mean.size()));
  }
  map.a = Matrix<float>(rows, cols);
  file.read_at(a_offset, map.a.data(), a_count * sizeof(float));
  require_finite(file, {map.a.data(), map.a.size()}, "A");
  require_finite(file, map.b, "b");
  return map;
}

void write_vt(const fs::path& path, const LinearMap& map) {
  io::OutputFile file(path);
  io::SequentialWriter writer(file);
  writer.bytes(newest_pca.data(), newest_pca.size());
  writer.value(0.0f);             // eigen_power
  writer.value(0.0f);             // epsilon
  writer.value(std::uint8_t{1});  // random_rotation: a rotation may be in A, PCAMat alone does not tell
  writer.value(std::int32_t{0});  // balanced_bins
  writer.counted(map.mean.data(), map.mean.size());
  writer.counted(map.eigenvalues.data(), map.eigenvalues.size());
  writer.value(std::uint64_t{0});  // PCAMat
  writer.value(std::uint8_t{1});   // have_bias
  writer.counted(map.a.data(), map.a.size());
  writer.counted(map.b.data(), map.b.size());
  writer.value(static_cast<std::int32_t>(map.in()));
  writer.value(static_cast<std::int32_t>(map.out()));
  writer.value(std::uint8_t{1});  // is_trained
  writer.flush();
  file.commit();
}

}  // namespace lowshot
