#include "label_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "label/label_graph.h"
#include "label/label_time.h"
#include "lowshot/graph.h"

namespace lowshot::cli {
namespace {

// The larger of two moments: the graph is made from the table of neighbours, which then goes; labels diffuse over it.
MemoryPlan labelling_memory(const LabelJob& job, const LabelOptions& options, const Variant& variant) {
  const std::uint64_t rows = job.collection.rows, k = stored_k(options.k);
  MemoryPlan making, labelling;
  if (variant.given_graph()) {
    labelling.add("given graph", given_label_graph_memory(variant.graph, rows));
  } else {
    const std::uint64_t graph = symmetrise_memory(rows, options.k);
    making.add("neighbours", rows * k * (sizeof(NodeId) + sizeof(float)));
    for (MemoryPlan* moment : {&making, &labelling}) {
      moment->add("symmetric graph", graph);
      if (!variant.standard()) moment->add("edge weights", weighted_label_graph_memory(rows, options.k));
    }
  }
  labelling.add(variant.standard() ? "diffusion and classifier" : "propagation",
                label_nodes_memory(rows, job.labelled_rows(), job.collection.dim, job.classes(), options));
  return making.total() > labelling.total() ? making : labelling;
}

std::vector<std::string> plan_steps(const LabelJob& job, const LabelCommand& o) {
  const std::string classes = fmt::format("{} labels of {} classes", job.labelled_rows(), job.classes());
  if (o.variant.given_graph())
    return {fmt::format("the graph of {} rows is read from {}", job.collection.rows, o.variant.graph.string()),
            fmt::format("{} propagate by {}", classes, describe(o.variant))};
  return {fmt::format("{} rows of {} dimensions in {} files are read", job.collection.rows, job.collection.dim,
                      job.collection.shards.size()),
          fmt::format("the {} is built, or taken from {}",
                      describe_build(job.collection.rows, stored_options(keep_options(o).knn)),
                      keep_options(o).work.string()),
          o.variant.standard() ? fmt::format("{} diffuse over it", classes)
                               : fmt::format("{} propagate by {}", classes, describe(o.variant))};
}

}  // namespace

// Classes diffused at a time, as many as fit: 16 of them fill a cache line of each row, fewer save nothing. Then rows
// in parts, each of which is a diffusion more; and where only that helps, a smaller sample for the classifier.
LabelOptions fitting_options(const LabelJob& job, const LabelOptions& options, const Variant& variant,
                             std::uint64_t limit) {
  constexpr std::uint32_t most_parts = 64;
  constexpr std::uint64_t least_sample = 1024;
  LabelOptions tried = options;
  for (; tried.sample_rows >= least_sample; tried.sample_rows /= 2)
    for (tried.parts = 1; tried.parts <= most_parts; tried.parts *= 2)
      for (tried.slice = 64; tried.slice >= 16; tried.slice -= 16)
        if (labelling_memory(job, tried, variant).total() <= limit) return tried;
  tried.sample_rows = least_sample;
  tried.parts = most_parts;
  tried.slice = 16;
  return tried;
}

MemoryPlan label_memory(const LabelJob& job, const LabelCommand& o, const std::optional<StreamedKnnPlan>& streamed) {
  const MemoryPlan build = o.variant.given_graph() ? MemoryPlan{}
                           : streamed              ? streamed->memory
                                                   : keep_graph_memory(job.collection, keep_options(o));
  const MemoryPlan label = labelling_memory(job, o.label, o.variant);
  MemoryPlan plan = build.total() > label.total() ? build : label;
  plan.add("program, names and labels", resident_bytes());
  return plan;
}

void print_label_plan(Context& context, const LabelJob& job, const LabelCommand& o, const MemoryPlan& memory,
                      const std::optional<StreamedKnnPlan>& streamed) {
  PlanText text;
  text.steps = plan_steps(job, o);
  if (streamed)
    text.steps.push_back(
        fmt::format("the descriptors do not fit memory: they are read {} times and go to about {} "
                    "overlapping cells, searched one by one; scratch files take about {}",
                    streamed->passes + 1, streamed->parts, format_bytes(streamed->scratch_bytes)));
  text.memory = memory.items;
  if (o.variant.given_graph()) return print_plan(text, o.common);
  text.time =
      label_seconds(context, job.collection, keep_options(o), job.labelled_rows(), job.classes(), o.label).items;
  for (const auto& [name, seconds] : text.time)
    if (name == "graph" && seconds > 600)
      text.steps.push_back(
          "fewer dimensions shorten the graph in proportion: lowshot pca train --dim 128, then lowshot pca apply");
  print_plan(text, o.common);
}

}  // namespace lowshot::cli
