#pragma once
// The low-shot experiment (reference protocol, sections 2 to 6): split -> descriptors -> graph -> diffusion ->
// accuracy. What does not change between experiments (descriptors, background graph, base rows) is prepared once; each
// (nlabeled, seed) extends it by its few labelled novel rows.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lowshot/context.h"
#include "lowshot/data_directory.h"
#include "lowshot/diffusion.h"
#include "lowshot/evaluation.h"
#include "lowshot/graph.h"
#include "lowshot/knn.h"
#include "lowshot/knn_table.h"
#include "lowshot/lda.h"
#include "lowshot/memory.h"
#include "lowshot/raw_rows.h"
#include "lowshot/recipe.h"
#include "lowshot/sparse_matrix.h"
#include "lowshot/split.h"
#include "lowshot/three_part.h"
#include "lowshot/time_plan.h"
#include "lowshot/variant.h"

namespace lowshot {

/// Which linear map the descriptors go through before they are normalised.
struct PcaChoice {
  enum class Kind {
    directory,  ///< features/PCAR256.vt of the data directory or --work; made from block 0 (else from train) if absent
    none,       ///< descriptors as they are
    file,       ///< a .vt file
    dim,        ///< trained as for `directory`, with `dim` directions
  };
  Kind kind = Kind::directory;
  std::filesystem::path file = {};
  std::uint32_t dim = 256;
};

struct ExperimentOptions {
  std::filesystem::path data;       ///< the data directory
  std::filesystem::path work = {};  ///< derived files; empty: the data directory, if it can be written
  std::optional<std::filesystem::path> label_idx = {};  ///< instead of the data directory's label_idx.json
  int class_set = 1;                                    ///< 1: validation classes, 2: test classes
  std::uint64_t background_rows = 0;                    ///< the first N background images (--nbg)
  std::vector<std::filesystem::path> background = {};   ///< descriptor files instead of the data directory's background
  bool in_domain = false;                               ///< the unlabelled novel training images become background too
  KnnOptions knn = {};  ///< of the graph; rows are normalised, the metric stays the inner product
  PcaChoice pca = {};
  DiffusionOptions diffusion = {};
  Recipe recipe = Recipe::paper;               ///< set by `use_recipe`
  Smoothing smoothing = Smoothing::automatic;  ///< of the recipe full
  Variant variant = {};                        ///< of the recipe paper
};

/// Sets the recipe and what belongs to it: k, PCA and iterations.
void use_recipe(ExperimentOptions& options, Recipe recipe);

/// What a recipe needs: the base classes' fit, and raw rows.
struct RecipePart {
  Recipe recipe = Recipe::small;            ///< small or full
  BasePath base;                            ///< what `automatic` was settled by
  LdaFit lda;                               ///< small
  ThreePartFit three;                       ///< full
  LinearMap map;                            ///< which descriptors go through; full: S^(-1/4); without rows: none
  LinearMap back;                           ///< full: S^(1/4)
  RawRows novel, test;                      ///< the novel classes' training rows, in file order; the test rows
  std::vector<std::uint32_t> row_of_train;  ///< row of the train file -> row of `novel`
};

/// What all experiments of one (data, class set, background, k, PCA) share.
/// Rows are kept in the order background, base (class by class), novel (class by class); `static_rows` of them are in
/// the static table: all of them in the in-domain setting, else those before the novel ones.
struct StaticPart {
  ClassSet classes;
  std::uint64_t background = 0, base = 0, novel = 0, static_rows = 0;
  Matrix<float> rows;  ///< normalised descriptors
  Matrix<float> test;
  std::vector<std::int32_t> static_labels;  ///< one a static row; -1 for background and in-domain novel rows
  std::vector<std::uint64_t> row_of_train;  ///< train row -> row above (novel and base rows of the class set)
  KnnTable table;                           ///< static rows among themselves
  KnnTable test_table;                      ///< test rows among the static rows
  std::vector<NodeId> order;                ///< in which graphs keep the static rows (graph_order); empty: as they are
  std::optional<Graph> graph;               ///< in-domain: the graph of every experiment
  std::optional<RecipePart> recipe;         ///< with a recipe other than the paper's
  std::optional<SparseMatrix> given;        ///< in the place of rows, tables and order (Variant::graph)
};

/// `options` with as many classes a slice of the diffusion as fit `limit` bytes, if they leave it open: 64 down to 16.
ExperimentOptions with_fitting_slice(const ExperimentOptions& options, std::uint32_t most_labelled,
                                     std::uint64_t limit);

/// Reads, maps and joins everything static; makes and keeps PCA, background graph and the tables of what is joined to
/// it where they are absent.
/// `most_labelled`: the largest nlabeled that will be run. Throws Error for bad input (too few images for it among
/// them), and before any heavy work when the plan exceeds context.memory_limit.
StaticPart prepare(Context& context, const ExperimentOptions& options, std::uint32_t most_labelled = 0);

/// The plan of `prepare` and `run` from the headers and labels of the files alone, and in words what would be read and
/// made. Throws Error (input) when a novel class has fewer than `most_labelled` images.
struct ExperimentPlan {
  MemoryPlan memory;
  std::uint64_t nodes = 0, test_rows = 0;
  std::uint64_t background = 0, base = 0, labelled_novel = 0;  ///< of the nodes
  bool background_graph_stored = false;
  bool static_tables_kept = false;  ///< the background's graph is not needed
  std::uint32_t dim = 0, classes = 0;
  Recipe recipe = Recipe::paper;  ///< `automatic` settled
  std::vector<std::string> steps;
};
/// Whether a plan counts on tables that `prepare` kept. It finds them by name; that they come from other rows is seen
/// when those have been read, and then `prepare` asks again without them.
enum class KeptTables { used, ignored };
ExperimentPlan plan(const ExperimentOptions& options, std::uint32_t most_labelled, KeptTables kept = KeptTables::used);

/// How long `prepare` and the runs of all `nlabeled` with `seeds` seeds each will take on this machine. Takes a few
/// seconds: it reads samples of the descriptors and does the same work on them. Nothing is said of a given graph.
TimePlan experiment_seconds(Context& context, const ExperimentOptions& options,
                            const std::vector<std::uint32_t>& nlabeled, std::size_t seeds);

struct IterationResult {
  std::uint32_t iteration = 0;
  std::string recipe = {};  ///< "small", "full": its answer, with the read-out of this iteration; empty: that alone
  Accuracy accuracy;
  bool limit = false;        ///< of all iterations, solved; `iteration` is 0
  double seconds = 0;        ///< since the start of the run
  std::uint64_t memory = 0;  ///< resident bytes when the iteration was complete
};

/// What a recipe saw and did in one experiment.
struct RecipeEvidence {
  Recipe recipe = Recipe::small;
  BasePath base;
  InDomain in_domain;  ///< small: its a alone
};

struct RunResult {
  std::uint32_t nlabeled = 0, seed = 0;
  std::vector<IterationResult> iterations;
  std::uint64_t nodes = 0, edges = 0, test_rows = 0, unreached_test_rows = 0;  ///< edges: stored entries of B
  std::uint32_t classes = 0;
  double seconds = 0;
  std::optional<RecipeEvidence> recipe;
  std::optional<PropagationReport> propagation;  ///< of a variant
  std::optional<TopClasses> top;                 ///< of the last iteration, or of the recipe, which then comes last
};

/// Where a run's matrices go (protocol, section 5); empty: nowhere.
struct RunOutputs {
  std::filesystem::path scores = {};      ///< --storeL: npy float32 [T + 1, test rows, C]
  std::string label_matrix_pattern = {};  ///< --storeLiters: holds one %d; npy float32 [n, C] per iteration, rows in
                                          ///< the protocol's order (labelled, in-domain unlabelled, background)
};

/// One experiment. `on_iteration` is called once per iteration, in order, as soon as its accuracies are known.
RunResult run(Context& context, const StaticPart& part, const ExperimentOptions& options, std::uint32_t nlabeled,
              std::uint32_t seed, const RunOutputs& outputs = {},
              const std::function<void(const IterationResult&)>& on_iteration = {});

}  // namespace lowshot
