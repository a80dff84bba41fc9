#pragma once
// What a run of `lowshot label` says: on standard output, and as JSON.

#include <filesystem>
#include <string>

#include "common.h"
#include "label/kept_graph.h"
#include "label/output.h"
#include "label_job.h"

namespace lowshot::cli {

void print_label_results(const LabelJob& job, const LabelCommand& command, const LabelledRows& rows,
                         const std::filesystem::path& suspects_file);

Json label_results_json(const LabelJob& job, const LabelCommand& command, const LabelledRows& rows,
                        const KeptGraph& kept);

}  // namespace lowshot::cli
