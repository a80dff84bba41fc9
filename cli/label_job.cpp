#include "label_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "lowshot/error.h"

namespace lowshot::cli {
namespace {

// Which shard a row lies in, for messages.
std::string where(const LabelJob& job, std::uint64_t row) {
  std::uint64_t first = 0;
  for (std::size_t s = 0; s < job.collection.shards.size(); ++s) {
    if (row < first + job.collection.shard_rows[s]) {
      const std::string id = job.ids && row < job.rows ? fmt::format(", {}", (*job.ids)[row]) : "";
      return fmt::format("row {} ({} row {}{})", row, job.collection.shards[s].string(), row - first, id);
    }
    first += job.collection.shard_rows[s];
  }
  return fmt::format("row {}", row);
}

}  // namespace

std::uint64_t LabelJob::labelled_rows() const {
  return static_cast<std::uint64_t>(
      std::count_if(labels.of_row.begin(), labels.of_row.end(), [](std::int32_t c) { return c >= 0; }));
}

LabelJob open_label_job(const LabelCommand& o) {
  LabelJob job;
  std::vector<std::string> arguments = o.descriptors;
  arguments.insert(arguments.end(), o.add.begin(), o.add.end());
  std::vector<fs::path> shards = find_shards(arguments);
  const std::optional<std::uint32_t> dim = o.dim != 0 ? std::optional(o.dim) : std::nullopt;
  const std::size_t own_shards = shards.size();
  if (!o.labelled.empty()) shards.push_back(find_shards({o.labelled}).front());
  job.collection = open_collection(shards, dim);
  const std::span<const std::uint64_t> shard_rows(job.collection.shard_rows.data(), own_shards);
  for (const std::uint64_t rows : shard_rows) job.rows += rows;
  if (!o.ids.empty()) job.ids = read_ids({o.ids.begin(), o.ids.end()}, shard_rows);

  const MatchBy match = o.match == "name" ? MatchBy::name : o.match == "basename" ? MatchBy::basename : MatchBy::stem;
  const std::uint64_t labelled_rows = job.collection.rows - job.rows;
  if (o.labelled.empty()) {
    job.labels = read_labels(o.labels, job.rows, job.ids ? &*job.ids : nullptr, match);
  } else {
    job.labels = read_labels(o.labels, labelled_rows, nullptr, match);
    job.labels.of_row.insert(job.labels.of_row.begin(), job.rows, -1);
  }
  return job;
}

KeepOptions keep_options(const LabelCommand& o) {
  KeepOptions keep;
  keep.knn = o.knn;
  keep.knn.k = o.label.k;
  if (o.dim != 0) keep.raw_dim = o.dim;
  keep.work = o.work.empty() ? fs::path(o.out + ".work") : fs::path(o.work);
  return keep;
}

void require_good(const LabelJob& job, const std::vector<std::uint32_t>& bad, const std::string& on_bad) {
  if (bad.empty() || on_bad == "skip") return;
  std::string named;
  for (std::size_t i = 0; i < std::min(most_named, bad.size()); ++i) named += (i != 0 ? "; " : "") + where(job, bad[i]);
  if (bad.size() > most_named) named += fmt::format("; and {} more", bad.size() - most_named);
  throw Error(ErrorKind::input,
              fmt::format("{} of {} rows are NaN, infinite or all zero", bad.size(), job.collection.rows), named,
              "mend them, or go on without them with --on-bad skip");
}

}  // namespace lowshot::cli
