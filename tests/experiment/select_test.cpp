// Selection: the best mean, ties, one standard error, seeds that are missing, and the plan of the test runs.

#include "lowshot/select.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "experiment/columns.h"
#include "lowshot/error.h"
#include "oracle/results.h"
#include "oracle/views.h"

namespace {

using lowshot::Choice;
using lowshot::Criterion;
using lowshot::ExperimentResult;
using lowshot::select;
using lowshot::Selection;
using lowshot::Settings;
using oracle::error_of;
using oracle::run_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

using Scores = std::vector<std::pair<double, double>>;

Settings diffusion(const std::string& nbg) {
  return {{"nbg", nbg}, {"in-domain", "false"}, {"k", "30"}, {"niter", "3"}, {"pca", ""}, {"lslice", "0"}};
}

Settings logreg(const std::string& lr, const std::string& wd = "0") {
  return {{"lr", lr}, {"wd", wd}, {"batchsize", "128"}, {"mom", "0"}, {"maxiter", "1500"}};
}

TEST(Select, HighestMeanOverSeedsNotTheBestSeed) {
  const std::vector<ExperimentResult> results = {
      run_of("diffusion", "val", 1, 1, diffusion("0"), {{.1, .1}, {.60, .30}, {.50, .40}, {.40, .2}}),
      run_of("diffusion", "val", 1, 2, diffusion("0"), {{.1, .1}, {.30, .30}, {.48, .38}, {.40, .2}})};
  const Selection s = select(results, Criterion::top5_all);
  ASSERT_THAT(s.choices, SizeIs(1));
  const Choice& c = s.choices[0];
  EXPECT_EQ(c.chosen.iteration, 2u);
  EXPECT_NEAR(c.chosen.mean, .49, 1e-12);
  EXPECT_NEAR(c.chosen.standard_error, .01, 1e-12);  // values .48 and .50: s = .01414, / sqrt(2)
  EXPECT_THAT(c.chosen.seeds, ElementsAre(1u, 2u));
  EXPECT_EQ(c.background, "none");
  ASSERT_TRUE(c.runner_up);
  EXPECT_EQ(c.runner_up->iteration, 1u);  // only the iteration is chosen here
  EXPECT_FALSE(c.simpler);                // .45 is below .49 - .01
  EXPECT_THAT(s.warnings, IsEmpty());
}

TEST(Select, CriteriaDiffer) {
  const std::vector<ExperimentResult> results = {
      run_of("diffusion", "val", 1, 1, diffusion("0"), {{.50, .10}, {.48, .20}, {.42, .24}, {.1, .1}})};
  EXPECT_EQ(select(results, Criterion::top5_all).choices[0].chosen.iteration, 0u);
  EXPECT_EQ(select(results, Criterion::mean).choices[0].chosen.iteration, 1u);
  EXPECT_EQ(select(results, Criterion::top5_novel).choices[0].chosen.iteration, 2u);
  EXPECT_EQ(select(results, Criterion::top1_all).choices[0].chosen.iteration, 0u);
  EXPECT_EQ(select(results, Criterion::top1_all).choices[0].chosen.mean, .25);
}

TEST(Select, TiesGoToFewerIterationsThenToTheFirst) {
  const std::vector<ExperimentResult> results = {
      run_of("logreg", "val", 1, 1, logreg("0.1"), {{.2, 0}, {.4, 0}, {.5, 0}, {.1, 0}}, 500),
      run_of("logreg", "val", 1, 1, logreg("0.01"), {{.2, 0}, {.5, 0}, {.3, 0}, {.1, 0}}, 500),
      run_of("logreg", "val", 1, 1, logreg("0.001"), {{.2, 0}, {.5, 0}, {.3, 0}, {.1, 0}}, 500)};
  const Selection s = select(results, Criterion::top5_all);
  EXPECT_EQ(s.choices[0].chosen.iteration, 500u);
  EXPECT_EQ(s.choices[0].chosen.settings.at("lr"), "0.01");
  EXPECT_EQ(s.choices[0].runner_up->settings.at("lr"), "0.001");
  EXPECT_EQ(s.choices[0].chosen.standard_error, -1);
}

TEST(Select, FewerIterationsWithinOneStandardErrorAreNamed) {
  const std::vector<ExperimentResult> results = {
      run_of("diffusion", "val", 2, 1, diffusion("0"), {{.30, 0}, {.47, 0}, {.46, 0}, {.50, 0}, {.1, 0}}),
      run_of("diffusion", "val", 2, 2, diffusion("0"), {{.30, 0}, {.43, 0}, {.40, 0}, {.42, 0}, {.1, 0}})};
  const Choice c = select(results, Criterion::top5_all).choices[0];
  EXPECT_EQ(c.chosen.iteration, 3u);  // .46 +/- .04
  ASSERT_TRUE(c.simpler);
  EXPECT_EQ(c.simpler->iteration, 1u);  // .45
}

TEST(Select, FewerSeedsDoNotTakePartAndAreSaid) {
  std::vector<ExperimentResult> results;
  for (const std::uint32_t seed : {1u, 2u, 3u})
    results.push_back(run_of("logreg", "val", 1, seed, logreg("0.01"), {{.2, 0}, {.5, 0}, {.3, 0}}, 500));
  results.push_back(run_of("logreg", "val", 1, 1, logreg("0.1"), {{.2, 0}, {.9, 0}, {.3, 0}}, 500));
  results.push_back(run_of("logreg", "val", 2, 1, logreg("0.1"), {{.2, 0}, {.9, 0}, {.3, 0}}, 500));
  const Selection s = select(results, Criterion::top5_all);
  ASSERT_THAT(s.choices, SizeIs(2));
  EXPECT_EQ(s.choices[0].chosen.settings.at("lr"), "0.01");
  EXPECT_FALSE(s.choices[0].runner_up && s.choices[0].runner_up->settings.at("lr") == "0.1");
  EXPECT_THAT(s.warnings, ElementsAre(AllOf(HasSubstr("logreg, nl=1: 1 of 2 settings"), HasSubstr("misses seed 2,3")),
                                      HasSubstr("logreg, nl=2: seed 2,3 is missing")));
}

TEST(Select, ABestValueAtTheEndIsSaid) {
  const std::vector<ExperimentResult> results = {
      run_of("diffusion", "val", 1, 1, diffusion("0"), {{.1, 0}, {.2, 0}, {.3, 0}})};
  EXPECT_THAT(select(results, Criterion::top5_all).warnings, ElementsAre(HasSubstr("the last that was scored")));
}

TEST(Select, ALongerRunOfTheSameSettingsIsTheSameRun) {
  Settings longer = diffusion("0");
  longer["niter"] = "4";
  const std::vector<ExperimentResult> results = {
      run_of("diffusion", "val", 1, 1, diffusion("0"), {{.1, 0}, {.2, 0}, {.3, 0}}),
      run_of("diffusion", "val", 1, 1, longer, {{.1, 0}, {.2, 0}, {.3, 0}, {.4, 0}, {.2, 0}})};
  const Selection s = select(results, Criterion::top5_all);
  EXPECT_EQ(s.choices[0].chosen.iteration, 3u);
  EXPECT_THAT(s.warnings, IsEmpty());
}

TEST(Select, BackgroundsAreChosenForThemselvesAndOtherResultsAreLeftAlone) {
  Settings in_domain = diffusion("0");
  in_domain["in-domain"] = "true";
  const std::vector<ExperimentResult> results = {
      run_of("diffusion", "val", 1, 1, in_domain, {{.1, 0}, {.3, 0}, {.2, 0}}),
      run_of("diffusion", "val", 1, 1, diffusion("1000000"), {{.1, 0}, {.1, 0}, {.2, 0}, {.1, 0}}),
      run_of("diffusion", "val", 1, 1, diffusion("0"), {{.4, 0}, {.3, 0}, {.2, 0}}),
      run_of("diffusion", "test", 1, 1, diffusion("0"), {{.1, 0}, {.9, 0}, {.2, 0}}),
      run_of("combine", "val", 1, 1, {}, {{.99, 0}})};
  const Selection s = select(results, Criterion::top5_all);
  ASSERT_THAT(s.choices, SizeIs(3));
  EXPECT_EQ(s.choices[0].background, "none");
  EXPECT_EQ(s.choices[0].chosen.iteration, 0u);
  EXPECT_EQ(s.choices[1].background, "1M");
  EXPECT_EQ(s.choices[1].chosen.iteration, 2u);
  EXPECT_EQ(s.choices[2].background, "in-domain");
  EXPECT_EQ(s.choices[2].chosen.iteration, 1u);
}

TEST(Select, RefusesWhatItCannotChooseFrom) {
  const auto test = run_of("diffusion", "test", 1, 1, diffusion("0"), {{.1, 0}});
  EXPECT_THAT(error_of([&] { select(std::vector{test}, Criterion::mean); }), HasSubstr("none of 1 results"));
  auto here = run_of("diffusion", "val", 1, 1, diffusion("0"), {{.1, 0}}), there = here;
  here.settings["data"] = "cifar", there.settings["data"] = "imagenet";
  EXPECT_THAT(error_of([&] { select(std::vector{here, there}, Criterion::mean); }), HasSubstr("2 data directories"));
}

TEST(Select, PlanOfTheTestRuns) {
  std::vector<ExperimentResult> results;
  for (const std::uint32_t seed : {1u, 2u}) {
    for (const std::uint32_t nl : {1u, 5u}) {
      const bool late = nl == 1;
      results.push_back(run_of("diffusion", "val", nl, seed, diffusion("1000000"),
                               late ? Scores{{.1, 0}, {.2, 0}, {.3, 0}, {.1, 0}} : Scores{{.1, 0}, {.4, 0}, {.3, 0}}));
      results.push_back(
          run_of("logreg", "val", nl, seed, logreg("0.01", "0.1"), {{0, 0}, {late ? .3 : .1, 0}, {.1, 0}}, 500));
      results.push_back(run_of("logreg", "val", nl, seed, logreg("0.01", "0"), {{0, 0}, {.2, 0}, {.1, 0}}, 500));
    }
  }
  results.push_back(run_of("diffusion", "val", 1, 7, diffusion("0"), {{.1, 0}, {.3, 0}, {.2, 0}}));
  results.back().settings["pca"] = "my pca: \"x\".vt";
  for (auto& r : results) r.settings["data"] = "/data/in", r.settings["label-idx"] = "default";
  EXPECT_EQ(plan_of(select(results, Criterion::top5_all), "imagenet-test"), R"(name: imagenet-test
data: "/data/in"
groups:
  diffusion-none:
    method: diffusion
    mode: [val, test]
    seed: [7]
    nbg: 0
    k: 30
    pca: "my pca: \"x\".vt"
    cases:
      - {nlabeled: 1, niter: 1}
  diffusion-1M:
    method: diffusion
    mode: [val, test]
    seed: [1, 2]
    nbg: 1000000
    k: 30
    cases:
      - {nlabeled: 1, niter: 2}
      - {nlabeled: 5, niter: 1}
  logreg:
    method: logreg
    mode: [val, test]
    seed: [1, 2]
    batchsize: 128
    lr: 0.01
    mom: 0
    cases:
      - {nlabeled: 1, wd: 0.1, maxiter: 500}
      - {nlabeled: 5, wd: 0, maxiter: 500}
  combine-none:
    method: combine
    of: [logreg, diffusion-none]
  combine-1M:
    method: combine
    of: [logreg, diffusion-1M]
)");
}

TEST(Select, PlanOfOneMethodRunsTestOnly) {
  const std::vector<ExperimentResult> results = {
      run_of("diffusion", "val", 1, 1, diffusion("100000"), {{.1, 0}, {.3, 0}, {.2, 0}})};
  const std::string plan = plan_of(select(results, Criterion::top5_all), "x");
  EXPECT_THAT(plan, HasSubstr("  diffusion-100k:\n    method: diffusion\n    mode: test\n"));
  EXPECT_THAT(plan, Not(HasSubstr("combine")));
}

TEST(Columns, NamesAndOrder) {
  const auto column = [](const std::string& method, Settings settings) {
    return column_of(run_of(method, "test", 1, 1, settings, {{0, 0}}));
  };
  std::vector<lowshot::Column> columns = {column("combine", {{"nbg", "100000"}}),
                                          column("logreg", {{"nbg", "5"}}),
                                          column("diffusion", {{"nbg", "1000000"}, {"in-domain", "true"}}),
                                          column("diffusion", {{"in-domain", "true"}}),
                                          column("diffusion", {{"nbg", "1000000"}}),
                                          column("diffusion", {{"nbg", "1234"}}),
                                          column("diffusion", {})};
  std::sort(columns.begin(), columns.end());
  std::vector<std::string> names;
  for (const auto& c : columns) names.push_back(name(c));
  EXPECT_THAT(names, ElementsAre("none", "1234", "1M", "in-domain", "in-domain + 1M", "logreg", "combined, 100k"));
  EXPECT_EQ(lowshot::list_text({1, 2, 3, 5, 7, 8}), "1-3,5,7,8");
}

TEST(Columns, TheSearchTellsRunsApart) {
  const auto telling = [](const std::string& knn, const std::string& recall) {
    const auto run = run_of("diffusion", "test", 1, 1, {{"nbg", "5"}, {"knn", knn}, {"recall", recall}}, {{0, 0}});
    return lowshot::telling_settings(run, false);
  };
  EXPECT_NE(telling("join", "0.95"), telling("join", "0.9"));
  EXPECT_NE(telling("exact", "0.95"), telling("join", "0.95"));
  EXPECT_EQ(telling("exact", "0.95"), telling("exact", "0.9")) << "an exact search has no recall to reach";
}

}  // namespace
