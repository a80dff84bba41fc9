// Tables of results: cells against sums done by hand, missing cells and seeds, variants, text, CSV, the paper beside.

#include "report/result_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "oracle/results.h"
#include "oracle/views.h"
#include "report/html.h"
#include "report/paper_table.h"
#include "report/plot.h"
#include "report/result_page.h"
#include "report/table_text.h"

namespace {

using lowshot::Cell;
using lowshot::ExperimentResult;
using lowshot::IterationChoice;
using lowshot::make_table;
using lowshot::ResultTable;
using lowshot::Settings;
using oracle::error_of;
using oracle::run_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Kind = IterationChoice::Kind;

Settings diffusion(const std::string& nbg, const std::string& niter = "2") {
  return {{"nbg", nbg}, {"in-domain", "false"}, {"k", "30"}, {"niter", niter}};
}

std::vector<ExperimentResult> two_columns() {
  return {run_of("diffusion", "test", 1, 1, diffusion("1000000"), {{.1, .1}, {.60, .40}, {.61, .44}}),
          run_of("diffusion", "test", 1, 2, diffusion("1000000"), {{.1, .1}, {.70, .40}, {.63, .46}}),
          run_of("logreg", "test", 1, 1, {{"lr", "0.01"}}, {{.5, .3}}),
          run_of("logreg", "test", 5, 1, {{"lr", "0.1"}}, {{.75, .65}}),
          run_of("diffusion", "val", 1, 1, diffusion("1000000"), {{.9, .9}})};
}

TEST(ResultTable, CellsAreMeansOverSeedsOfTheLastIteration) {
  const ResultTable t = make_table(two_columns(), {});
  EXPECT_THAT(t.nlabeled, ElementsAre(1u, 5u));
  ASSERT_THAT(t.columns, SizeIs(2));
  EXPECT_EQ(name(t.columns[0]), "1M");
  EXPECT_EQ(name(t.columns[1]), "logreg");
  const Cell& cell = *t.cells[0][0];
  EXPECT_NEAR(cell.all.mean, 62, 1e-9);
  EXPECT_NEAR(cell.all.std, 1, 1e-9);  // population: 61 and 63
  EXPECT_NEAR(cell.novel.mean, 45, 1e-9);
  EXPECT_NEAR(cell.top1_all.mean, 31, 1e-9);
  EXPECT_THAT(cell.seeds, ElementsAre(1u, 2u));
  EXPECT_EQ(cell.first_iteration, 2u);
  EXPECT_FALSE(t.cells[1][0]);
  EXPECT_NEAR(t.cells[1][1]->all.mean, 75, 1e-9);
  EXPECT_THAT(t.notes, ElementsAre("nl=1, logreg: 1 of 2 seeds; missing: 2", "nl=5, logreg: 1 of 2 seeds; missing: 2"));
  EXPECT_NEAR(t.costs[0].phase_seconds.at("k-NN graph"), 8, 1e-12);
  EXPECT_NEAR(t.costs[0].run_seconds, 2, 1e-12);
}

TEST(ResultTable, OtherIterations) {
  const auto results = two_columns();
  EXPECT_NEAR(make_table(results, {"test", {Kind::best, 0}}).cells[0][0]->all.mean, 65, 1e-9);
  EXPECT_EQ(make_table(results, {"test", {Kind::best, 0}}).cells[0][0]->last_iteration, 1u);
  const ResultTable zero = make_table(results, {"test", {Kind::number, 1}});
  EXPECT_NEAR(zero.cells[0][0]->all.mean, 65, 1e-9);
  EXPECT_FALSE(zero.cells[0][1]);  // logreg has no iteration 1
  EXPECT_THAT(error_of([&] { make_table(results, {"test", {Kind::number, 9}}); }), HasSubstr("iteration 9"));
}

TEST(ResultTable, ValidationShowsTheBestOfAGrid) {
  const std::vector<ExperimentResult> results = {
      run_of("logreg", "val", 1, 1, {{"lr", "0.01"}}, {{.2, .1}, {.5, .1}, {.3, .1}}, 500),
      run_of("logreg", "val", 1, 1, {{"lr", "0.1"}}, {{.2, .1}, {.4, .1}, {.6, .1}}, 500)};
  const ResultTable t = make_table(results, {"val", {}});
  ASSERT_THAT(t.columns, SizeIs(1));
  EXPECT_NEAR(t.cells[0][0]->all.mean, 60, 1e-9);
  EXPECT_EQ(t.cells[0][0]->settings.at("lr"), "0.1");
  EXPECT_THAT(t.curves[0][0], SizeIs(3));
  EXPECT_NEAR(t.curves[0][0][1].all, 40, 1e-9);
}

TEST(ResultTable, TestRunsThatDifferWithinACellGetColumnsOfTheirOwn) {
  Settings few = diffusion("0");
  few["k"] = "10";
  few["prune"] = "off";  // cannot change an accuracy
  const std::vector<ExperimentResult> results = {run_of("diffusion", "test", 1, 1, few, {{.2, .1}}),
                                                 run_of("diffusion", "test", 1, 1, diffusion("0"), {{.3, .1}}),
                                                 run_of("diffusion", "test", 2, 1, diffusion("0", "1"), {{.4, .1}})};
  const ResultTable t = make_table(results, {});
  ASSERT_THAT(t.columns, SizeIs(2));
  EXPECT_EQ(name(t.columns[0]), "none [k=10]");
  EXPECT_EQ(name(t.columns[1]), "none [k=30]");
  EXPECT_NEAR(t.cells[0][0]->all.mean, 20, 1e-9);
  EXPECT_FALSE(t.cells[1][0]);
  EXPECT_NEAR(t.cells[1][1]->all.mean, 40, 1e-9);  // another niter for another number of labels is no variant
}

TEST(ResultTable, TheSameExperimentTwiceCountsOnce) {
  std::vector<ExperimentResult> results = two_columns();
  results.push_back(results[0]);
  const ResultTable t = make_table(results, {});
  EXPECT_THAT(t.cells[0][0]->seeds, SizeIs(2));
  EXPECT_THAT(t.notes, testing::Contains(HasSubstr("1 results repeat")));
}

TEST(ResultTable, NothingOfTheModeIsAnError) {
  EXPECT_THAT(error_of([] { make_table(std::vector<ExperimentResult>(), {}); }), HasSubstr("none of 0 results"));
}

TEST(TableText, TheOriginalsLinesAndAlignedTables) {
  const ResultTable t = make_table(two_columns(), {});
  EXPECT_EQ(original_lines(t),
            "1M:\nnl=1: 62.00 +/- 1.000, novel 45.00 +/- 1.000\nnl=5: -\n"
            "logreg:\nnl=1: 50.00 +/- 0.000, novel 30.00 +/- 0.000\nnl=5: 75.00 +/- 0.000, novel 65.00 +/- 0.000\n");
  EXPECT_THAT(aligned_tables(t), HasSubstr("nl               1M           logreg\n"
                                           " 1  62.00 +/- 1.000  50.00 +/- 0.000\n"
                                           " 5                -  75.00 +/- 0.000\n"));
}

TEST(TableText, Csv) {
  const ResultTable t = make_table(two_columns(), {});
  const std::string csv = csv_of(t);
  EXPECT_THAT(csv, HasSubstr("\ntest,1,1M,diffusion,1000000,0,2,2,62.0000,1.0000,45.0000,1.0000,31.0000,0.5000,"));
  EXPECT_THAT(csv, HasSubstr("\ntest,5,1M,diffusion,1000000,0,0,,,,,,,,,\n"));
  ResultTable odd = t;
  odd.columns[0].variant = "pca=a,\"b\"";
  EXPECT_THAT(csv_of(odd), HasSubstr("test,1,\"1M [pca=a,\"\"b\"\"]\",diffusion"));
}

TEST(PaperTable, AgreesWithItself) {
  std::vector<ExperimentResult> results;
  for (const auto& row : lowshot::paper_rows()) {
    const bool logreg = row.background_rows == 0;
    results.push_back(run_of(logreg ? "logreg" : "diffusion", "test", row.nlabeled, 1,
                             logreg ? Settings() : diffusion(std::to_string(row.background_rows)),
                             {{row.all / 100, row.novel / 100}}));
  }
  const auto comparisons = compare_with_paper(make_table(results, {}));
  ASSERT_THAT(comparisons, SizeIs(40));
  for (const auto& c : comparisons) {
    EXPECT_NEAR(c.difference(), 0, 1e-9);
    EXPECT_TRUE(c.inside());
  }
}

TEST(PaperTable, InsideIsHalfAPointAndOneStandardDeviation) {
  // The paper has 61.24 and 43.54. Ours: 62.24 +/- .4 is 1.0 above .5 + .4; novel 44.34 +/- .4 is .8 within.
  const std::vector<ExperimentResult> results = {
      run_of("diffusion", "test", 1, 1, diffusion("1000000"), {{.6184, .4394}}),
      run_of("diffusion", "test", 1, 2, diffusion("1000000"), {{.6264, .4474}}),
      run_of("diffusion", "test", 1, 1, diffusion("0"), {{.5, .5}}),
      run_of("diffusion", "test", 3, 1, diffusion("1000000"), {{.5, .5}})};
  const auto comparisons = compare_with_paper(make_table(results, {}));
  ASSERT_THAT(comparisons, SizeIs(2));
  EXPECT_NEAR(comparisons[0].difference(), 1.0, 1e-9);
  EXPECT_FALSE(comparisons[0].inside());
  EXPECT_TRUE(comparisons[1].novel);
  EXPECT_TRUE(comparisons[1].inside());
  EXPECT_THAT(comparison_text(comparisons, 50), HasSubstr("1 of 2 inside"));
  EXPECT_THAT(comparison_text(comparisons, 50), HasSubstr("another data set"));
}

TEST(ResultPage, EscapesWhatComesFromFiles) {
  std::vector<ExperimentResult> results = two_columns();
  for (auto& r : results) r.device = "<script>alert(1)</script>", r.settings["background"] = "<b>&";
  const ResultTable t = make_table(results, {});
  const std::string page = lowshot::result_page({"<i>", {t}, {}});
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, Not(HasSubstr("<b>&")));
  EXPECT_THAT(page, HasSubstr("<td>-</td>"));
}

TEST(Plot, EveryPointIsInsideAndTicksAreRound) {
  const std::string svg = lowshot::html::line_plot(
      "t", {{"a", {{0, 61.2, .5}, {1e5, 62.4, .1}, {1e6, 63.9, 0}}, 0}, {"b", {{1e8, 70, 2}}, 9}}, {"x", true}, "y");
  const std::regex lines("points=\"([^\"]*)\"");
  std::size_t points = 0;
  for (std::sregex_iterator l(svg.begin(), svg.end(), lines), end; l != end; ++l) {
    const std::string text = (*l)[1];
    const std::regex pair("([0-9.]+),([0-9.]+) ");
    for (std::sregex_iterator p(text.begin(), text.end(), pair); p != end; ++p, ++points) {
      EXPECT_GE(std::stod((*p)[1]), 52);
      EXPECT_LE(std::stod((*p)[1]), 52 + 420);
      EXPECT_GE(std::stod((*p)[2]), 26);
      EXPECT_LE(std::stod((*p)[2]), 26 + 260);
    }
  }
  EXPECT_EQ(points, 4u);
  EXPECT_THAT(svg, HasSubstr(">60<"));
  EXPECT_THAT(svg, HasSubstr("class=\"series s1\""));  // look 9 is the second again
  EXPECT_EQ(lowshot::html::line_plot("t", {}, {"x"}, "y"), "");
}

}  // namespace
