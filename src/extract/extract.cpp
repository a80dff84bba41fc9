// The extraction as a job: images in batches through the network, rows in parts on disk, parts into one file.
#include "lowshot/extract.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "extract/parts.h"
#include "extract/pipeline.h"
#include "io/csv_file.h"
#include "lowshot/error.h"
#include "lowshot/io.h"

namespace lowshot {
namespace {

namespace fs = std::filesystem;
using extract_detail::Batch;
using extract_detail::Parts;
using extract_detail::Pipeline;

bool is_hdf5(const fs::path& path) {
  return path.extension() == ".hdf5" || path.extension() == ".h5";
}

std::string_view name(OnBad on_bad) {
  switch (on_bad) {
    case OnBad::black:
      return "black";
    case OnBad::zero:
      return "zero";
    case OnBad::stop:
      return "stop";
  }
  return "";
}

// Everything that the rows depend on.
Origin origin_of(const ImageSet& images, const ImageTransform& t, const Network& network,
                 const ExtractOptions& options) {
  return {{{"images", images.fingerprint()}, {"model", options.model_hash}},
          {{"network", network.description()},
           {"transform", fmt::format("scale {}, crop {}, mean {}, deviation {}", t.scale, t.crop,
                                     fmt::join(t.mean, " "), fmt::join(t.deviation, " "))},
           {"rows", std::to_string(images.size())},
           {"on_bad", std::string(name(options.on_bad))},
           {"stored", options.half ? "float16" : "float32"},
           {"part_rows", std::to_string(options.part_rows)}}};
}

class Job {
 public:
  Job(Context& context, const ImageSet& images, const ImageTransform& transform, Network& network,
      const ExtractOptions& options, const Parts& parts)
      : context_(context),
        images_(images),
        transform_(transform),
        network_(network),
        options_(options),
        parts_(parts),
        count_((images.size() + options.part_rows - 1) / options.part_rows) {
    result.rows = images.size();
    result.dim = network.dim();
    result.decoders = static_cast<std::uint32_t>(context.thread_count());
  }

  // Finds what is finished and makes the rest, a run of unfinished parts at a time.
  void run() {
    const Phase phase(context_, "extract");
    std::vector<bool> finished(count_);
    for (std::uint64_t i = 0; i < count_; ++i) {
      finished[i] = parts_.finished(i, part_end(i) - part_begin(i), network_.dim(), result.bad);
      if (finished[i]) result.resumed += part_end(i) - part_begin(i);
    }
    if (result.resumed > 0)
      context_.info(fmt::format("{} of {} images were described by an earlier run", result.resumed, result.rows));
    for (BadImage& b : result.bad) b.name = images_.name(b.row);
    bad_ = result.bad.size();
    done_ = result.resumed;
    for (std::uint64_t i = 0; i < count_;) {
      std::uint64_t end = i;
      while (end < count_ && !finished[end]) ++end;
      if (end > i) make(i, end);
      i = std::max(end, i + 1);
    }
    result.seconds = phase.elapsed_seconds();
    std::sort(result.bad.begin(), result.bad.end(), [](const auto& a, const auto& b) { return a.row < b.row; });
  }

  void assemble(const fs::path& out) const {
    const Phase phase(context_, "assemble");
    if (is_hdf5(out)) {
      Hdf5RowWriter writer(out, result.rows, result.dim, options_.half);
      copy_parts([&](std::uint64_t first, MatrixView<const float> rows) { writer.write(first, rows); });
      std::vector<std::int32_t> labels(result.rows);
      for (std::uint64_t i = 0; i < result.rows; ++i) labels[i] = images_.label(i);
      writer.commit(labels);
    } else {
      NpyTileWriter writer(out, {result.rows, result.dim}, options_.half);
      copy_parts([&](std::uint64_t first, MatrixView<const float> rows) { writer.write(first, 0, rows); });
      writer.commit();
    }
  }

  Extraction result;

 private:
  std::uint64_t part_begin(std::uint64_t i) const { return i * options_.part_rows; }
  std::uint64_t part_end(std::uint64_t i) const { return std::min(result.rows, (i + 1) * options_.part_rows); }

  template <typename Write>
  void copy_parts(const Write& write) const {
    for (std::uint64_t i = 0; i < count_; ++i) write(part_begin(i), parts_.read(i));
  }

  void make(std::uint64_t first_part, std::uint64_t end_part) {
    const std::uint64_t begin = part_begin(first_part), end = part_end(end_part - 1);
    Pipeline pipeline(images_, transform_, begin, end, network_.batch(), static_cast<int>(result.decoders));
    Matrix<float> rows(std::min<std::uint64_t>(options_.part_rows, end - begin), network_.dim());
    Matrix<float> described(network_.batch(), network_.dim());
    std::vector<BadImage> bad;
    std::uint64_t part = first_part;
    for (std::uint64_t row = begin; row < end;) {
      const Batch& batch = pipeline.next();
      describe(batch, described.view().rows(0, batch.count), bad);
      for (std::size_t i = 0; i < batch.count; ++i) {
        std::memcpy(rows.row(row - part_begin(part)), described.row(i), network_.dim() * sizeof(float));
        if (++row < part_end(part)) continue;
        finish(part, rows.view().rows(0, row - part_begin(part)), bad);
        ++part;
      }
      done_ += batch.count;
      context_.report("extract", done_, result.rows, "images", bad_ == 0 ? std::string() : fmt::format("{} bad", bad_));
    }
    result.decode_seconds += pipeline.decode_seconds();
  }

  void describe(const Batch& batch, MatrixView<float> out, std::vector<BadImage>& bad) {
    for (std::size_t i = 0; i < batch.count; ++i) {
      if (batch.reasons[i].empty()) continue;
      const std::uint64_t row = batch.first + i;
      if (options_.on_bad == OnBad::stop)
        throw Error(ErrorKind::input, fmt::format("an image cannot be used: {}", batch.reasons[i]),
                    fmt::format("{} (row {})", images_.name(row), row),
                    "mend it, or go on without it: --on-bad black or --on-bad zero");
      bad.push_back({row, images_.name(row), batch.reasons[i]});
      ++bad_;
    }
    const auto start = std::chrono::steady_clock::now();
    network_.run(batch.crops.view().rows(0, batch.count), out);
    result.network_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (options_.on_bad != OnBad::zero) return;
    for (std::size_t i = 0; i < batch.count; ++i)
      if (!batch.reasons[i].empty()) std::memset(out.row(i), 0, out.cols() * sizeof(float));
  }

  // Bad images of a batch that reaches into the next part stay for that.
  void finish(std::uint64_t part, MatrixView<const float> rows, std::vector<BadImage>& bad) {
    require_finite(rows, network_.description(), part_begin(part));
    const auto next = std::find_if(bad.begin(), bad.end(), [&](const BadImage& b) { return b.row >= part_end(part); });
    const std::vector<BadImage> own(bad.begin(), next);
    parts_.write(part, rows, options_.half, own);
    result.bad.insert(result.bad.end(), own.begin(), own.end());
    bad.erase(bad.begin(), next);
  }

  Context& context_;
  const ImageSet& images_;
  const ImageTransform& transform_;
  Network& network_;
  const ExtractOptions& options_;
  const Parts& parts_;
  std::uint64_t count_, done_ = 0, bad_ = 0;
};

}  // namespace

fs::path bad_list_name(fs::path out) {
  return out.replace_extension(".bad.csv");
}

namespace {

void write_bad_list(const fs::path& path, const std::vector<BadImage>& bad) {
  if (bad.empty()) {
    std::error_code ignored;
    fs::remove(path, ignored);  // of an earlier run, in which images were bad
    return;
  }
  io::CsvFile file(path);
  file.line("row,name,reason\n");
  for (const BadImage& b : bad)
    file.line(fmt::format("{},{},{}\n", b.row, io::csv_field(b.name), io::csv_field(b.reason)));
  file.commit();
}

}  // namespace

std::uint64_t extract_memory(const Context& context, const ImageTransform& transform, const Network& network) {
  // A decoder's image: photographs of 12 megapixels, as bytes of the file and as pixels. Larger ones need more.
  constexpr std::uint64_t image = std::uint64_t{12} << 20;
  const std::uint64_t crop = std::uint64_t{3} * transform.crop * transform.crop;
  return Pipeline::ahead * network.batch() * crop +
         static_cast<std::uint64_t>(context.thread_count()) * (3 * image + image / 2);
}

Extraction extract(Context& context, const ImageSet& images, const ImageTransform& transform, Network& network,
                   const std::filesystem::path& out, const ExtractOptions& options) {
  if (images.size() == 0) throw Error(ErrorKind::input, "there is no image", images.description());
  const Origin origin = origin_of(images, transform, network, options);
  if (fs::exists(out) && check_origin(out, origin) == OriginState::equal) {
    Extraction result;
    result.rows = result.resumed = images.size();
    result.dim = network.dim();
    result.up_to_date = true;
    return result;
  }
  fs::path folder = out;
  folder += ".parts";
  const Parts parts(folder, origin);
  Job job(context, images, transform, network, options, parts);
  job.run();
  job.assemble(out);
  write_bad_list(bad_list_name(out), job.result.bad);
  write_origin(out, origin);
  parts.remove();
  return job.result;
}

}  // namespace lowshot
