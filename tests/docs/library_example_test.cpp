// The C++ example of README.md, run. tests/cli/test_readme.py compares the text between the two marks with README.md.
#include <gtest/gtest.h>

#include <filesystem>
#include <vector>

#include "lowshot/diffusion.h"
#include "lowshot/evaluation.h"
#include "lowshot/graph.h"
#include "lowshot/io.h"
#include "lowshot/knn.h"
#include "lowshot/row_source.h"

namespace {

// Two classes of 50 rows around two directions; one label each.
constexpr std::size_t rows_of_class = 50;

void write_embeddings(const std::filesystem::path& path) {
  lowshot::Matrix<float> rows(2 * rows_of_class, 4);
  for (std::size_t i = 0; i < rows.rows(); ++i)
    for (std::size_t j = 0; j < 4; ++j)
      rows(i, j) = (j / 2 == i / rows_of_class ? 1.0f : 0.0f) + 0.01f * static_cast<float>((i * (j + 3)) % 17);
  lowshot::write_npy(path, rows);
}

TEST(Readme, LibraryExample) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "lowshot_readme_example";
  std::filesystem::create_directories(folder);
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder);
  write_embeddings("embeddings.npy");
  std::vector<std::int32_t> labels(2 * rows_of_class, -1);
  labels[3] = 0;
  labels[rows_of_class + 7] = 1;
  constexpr std::uint32_t classes = 2;

  // README: begin
  lowshot::Context context;
  const auto file = lowshot::open_rows("embeddings.npy");
  lowshot::Matrix<float> rows = lowshot::read_rows(*file, 0, file->rows());
  lowshot::normalise_rows(rows);

  const lowshot::KnnTable neighbours = lowshot::build_knn(context, rows, {.k = 30});
  const lowshot::Graph graph = lowshot::symmetrise(context, neighbours);

  lowshot::TopClasses best(rows.rows());
  lowshot::diffuse(context, graph.view(), labels, classes, neighbours.ids, {.iterations = 3},
                   [&](std::uint32_t t, std::uint32_t first_class, lowshot::MatrixView<const float> scores) {
                     if (t == 3) best.offer(first_class, scores);
                   });
  const std::int32_t class_of_row_0 = best.row(0)[0];
  // README: end

  std::filesystem::current_path(before);
  std::filesystem::remove_all(folder);
  EXPECT_EQ(class_of_row_0, 0);
  for (std::size_t i = 0; i < best.rows(); ++i)
    EXPECT_EQ(best.row(i)[0], static_cast<std::int32_t>(i / rows_of_class)) << "row " << i;
}

}  // namespace
