#include "lowshot/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "io/yaml_file.h"
#include "lowshot/sweep.h"
#include "oracle/files.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using fixtures::put;
using fixtures::TemporaryDirectory;
using oracle::error_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

Plan read(const std::string& text) {
  const TemporaryDirectory d;
  put(d / "p.yaml", text);
  return read_plan(d / "p.yaml");
}
std::vector<PlannedExperiment> experiments(const std::string& text) {
  return expand(read(text));
}
std::string refusal(const std::string& text) {
  return error_of([&] { experiments(text); });
}
/// One setting of every experiment, in order.
std::vector<std::string> values(const std::vector<PlannedExperiment>& all, const std::string& name) {
  std::vector<std::string> found;
  for (const PlannedExperiment& e : all) found.push_back(e.settings.at(name));
  return found;
}

TEST(Plan, EveryCombinationSeedsFastest) {
  const auto all = experiments("data: d\ngroups: {a: {method: diffusion, seed: '2,1', nbg: [0, 7], nlabeled: 3-4}}");
  EXPECT_THAT(values(all, "nbg"), ElementsAre("0", "0", "0", "0", "7", "7", "7", "7"));
  EXPECT_THAT(values(all, "nlabeled"), ElementsAre("3", "3", "4", "4", "3", "3", "4", "4"));
  EXPECT_THAT(values(all, "seed"), ElementsAre("2", "1", "2", "1", "2", "1", "2", "1"));
}

TEST(Plan, ARecipeDecidesItsGraphAndIterations) {
  const auto all =
      experiments("data: d\nniter: 7\nk: 20\ngroups: {a: {method: diffusion}, b: {method: diffusion, recipe: small}}");
  EXPECT_THAT(values(all, "recipe"), ElementsAre("paper", "small"));
  EXPECT_THAT(values(all, "niter"), ElementsAre("7", "4"));
  EXPECT_THAT(values(all, "k"), ElementsAre("20", "30"));
  EXPECT_THAT(values(all, "pca"), ElementsAre("default", "none"));
  EXPECT_EQ(experiments("data: d\ngroups: {a: {method: diffusion, recipe: small, k: 30, niter: 4, pca: none}}").size(),
            1U);
  for (const char* option : {"k: 20", "niter: 3", "pca: 64", "weights: selftuning"}) {
    EXPECT_THAT(refusal(std::string("data: d\ngroups:\n  a: {method: diffusion, recipe: small, ") + option + "}"),
                AllOf(HasSubstr("the recipe small has its own"), HasSubstr("line 3")));
    EXPECT_THAT(
        refusal(std::string("data: d\ngroups: {a: {method: diffusion, recipe: small, cases: [{") + option + "}]}}"),
        HasSubstr("the recipe small has its own"));
  }
}

TEST(Plan, SmoothingGoesWithTheRecipesThatDoIt) {
  const auto all = experiments(
      "data: d\ngroups: {a: {method: diffusion, recipe: [full, auto], correct-and-smooth: [auto, off]}, "
      "b: {method: diffusion}}");
  EXPECT_THAT(values(all, "correct-and-smooth"), ElementsAre("auto", "off", "auto", "off", "auto"));
  EXPECT_THAT(refusal("data: d\ngroups: {a: {method: diffusion, correct-and-smooth: on}}"),
              HasSubstr("the recipe paper does not smooth"));
}

TEST(Plan, ResultsAreNamedByWhatIsNotStandard) {
  auto e = experiments("data: d\ngroups: {a: {method: diffusion, niter: 4}}").at(0);
  const auto place = result_path("out", e);
  e.settings.erase("weights");  // as of a program that did not have the option
  EXPECT_EQ(result_path("out", e), place);
  for (const auto& [name, value] : {std::pair("weights", "selftuning"), std::pair("niter", "5")}) {
    auto other = e;
    other.settings[name] = value;
    EXPECT_NE(result_path("out", other), place) << name;
  }
}

TEST(Plan, DefaultsAreThoseOfTheCommands) {
  const auto all = experiments("data: d\ngroups:\n  a: {method: diffusion}\n  b: {method: logreg}\n");
  ASSERT_EQ(all.size(), 2U);
  const Settings diffusion = {{"background", "default"},
                              {"data", "d"},
                              {"in-domain", "false"},
                              {"k", "30"},
                              {"label-idx", "default"},
                              {"lslice", "0"},
                              {"mode", "val"},
                              {"nbg", "0"},
                              {"niter", "10"},
                              {"nlabeled", "1"},
                              {"pca", "default"},
                              {"prune", "auto"},
                              {"seed", "1"},
                              {"knn", "auto"},
                              {"recall", "0.95"},
                              {"recipe", "paper"},
                              {"weights", "unit"},
                              {"graph", "default"},
                              {"propagation", "diffusion"},
                              {"alpha", "0.99"},
                              {"solver", "iterations"},
                              {"class-mass", "false"},
                              {"correct-and-smooth", "auto"}};
  EXPECT_EQ(all[0].settings, diffusion);
  const Settings logreg = {
      {"batchsize", "128"}, {"data", "d"}, {"label-idx", "default"}, {"lr", "0.01"}, {"maxiter", "20000"},
      {"mode", "val"},      {"mom", "0"},  {"nlabeled", "1"},        {"seed", "1"},  {"wd", "0"}};
  EXPECT_EQ(all[1].settings, logreg);
}

TEST(Plan, OneSpelling) {
  const auto all =
      experiments("data: ./d//x/../\ngroups: {a: {method: logreg, lr: [1e-2, 0.0010, 1e-05, 1], wd: -0.0, seed: 007}}");
  EXPECT_THAT(values(all, "lr"), ElementsAre("0.01", "0.001", "1e-05", "1"));
  EXPECT_EQ(all[0].settings.at("wd"), "0");
  EXPECT_EQ(all[0].settings.at("seed"), "7");
  EXPECT_EQ(all[0].settings.at("data"), "d");
  const auto other = experiments(
      "data: d\ngroups: {a: {method: diffusion, in-domain: [True, false], pca: [default, 064],"
      " background: ['x.npy,./y.npy', default]}}");
  EXPECT_THAT(values(other, "in-domain"),
              ElementsAre("true", "true", "false", "false", "true", "true", "false", "false"));
  EXPECT_EQ(other[0].settings.at("background"), "x.npy,y.npy");
  EXPECT_THAT(values(other, "pca"), testing::Contains("64"));
}

TEST(Plan, CasesGoTogetherAndComeBeforeWhatHoldsForAll) {
  const auto all = experiments(
      "data: d\nnbg: 9\nniter: 5\nlr: 0.1\n"
      "groups:\n  a: {method: diffusion, niter: [1, 2], cases: [{nlabeled: 1, nbg: 3}, {nlabeled: 2}]}\n"
      "  b: {method: logreg}\n");
  EXPECT_EQ(all.size(), 5U);
  EXPECT_THAT(std::vector(all.begin(), all.begin() + 4),
              testing::ElementsAreArray(
                  {testing::Field(&PlannedExperiment::group, "a"), testing::Field(&PlannedExperiment::group, "a"),
                   testing::Field(&PlannedExperiment::group, "a"), testing::Field(&PlannedExperiment::group, "a")}));
  const std::vector diffusion(all.begin(), all.begin() + 4);
  EXPECT_THAT(values(diffusion, "nlabeled"), ElementsAre("1", "1", "2", "2"));
  EXPECT_THAT(values(diffusion, "nbg"), ElementsAre("3", "3", "9", "9"));
  EXPECT_THAT(values(diffusion, "niter"), ElementsAre("1", "2", "1", "2"));
  EXPECT_EQ(all[4].settings.at("lr"), "0.1");
}

TEST(Plan, DataOfTheCommandLineComeBeforeThoseForAll) {
  Plan plan = read("data: d\ngroups:\n  a: {method: diffusion}\n  b: {method: diffusion, data: own}\n");
  set_data(plan, "e/");
  EXPECT_THAT(values(expand(plan), "data"), ElementsAre("e", "own"));
}

TEST(Plan, WhatCannotBe) {
  EXPECT_THAT(refusal("groups: {a: {method: diffusion, nbg: 5}}"),
              AllOf(HasSubstr("the group a has no data directory"), HasSubstr("line 1")));
  const auto in_group = [](const std::string& rest) {
    return refusal("data: d\ngroups:\n  a:\n    method: diffusion\n    " + rest + "\n");
  };
  EXPECT_EQ(in_group("nbg: 5"), "nothing was thrown");
  EXPECT_THAT(in_group("nbgs: 5"), AllOf(HasSubstr("'nbgs' of a is not known"), HasSubstr("p.yaml, line 5"),
                                         HasSubstr("did you mean nbg?")));
  EXPECT_THAT(in_group("in_domain: true"), HasSubstr("did you mean in-domain?"));
  EXPECT_THAT(in_group("lr: 1"), HasSubstr("lr is no option of diffusion (group a)"));
  EXPECT_THAT(in_group("work: w"), HasSubstr("'work' of a is not known"));
  EXPECT_THAT(in_group("seed: 1,1"), HasSubstr("seed holds 1 twice"));
  EXPECT_THAT(in_group("nbg: [0, 00]"), HasSubstr("nbg holds 0 twice"));
  EXPECT_THAT(in_group("seed: []"), HasSubstr("seed is an empty list"));
  EXPECT_THAT(in_group("seed: [[1]]"), HasSubstr("seed must be a word"));
  EXPECT_THAT(in_group("seed:"), HasSubstr("seed must be a word"));
  EXPECT_THAT(in_group("seed: -1"), HasSubstr("is not a list of numbers"));
  EXPECT_THAT(in_group("seed: 4294967296"), HasSubstr("is not a list of numbers"));
  EXPECT_THAT(in_group("niter: 65001"), HasSubstr("niter must be from 0 to 65000"));
  EXPECT_THAT(in_group("prune: yes"), HasSubstr("prune must be auto, on, off and is 'yes'"));
  EXPECT_THAT(in_group("knn: best"), HasSubstr("knn must be auto, exact, join and is 'best'"));
  for (const char* recall : {"0", "1", "-0.5", ".nan", "much"})
    EXPECT_THAT(in_group(std::string("recall: ") + recall), HasSubstr("recall must be a number between 0 and 1"));
  EXPECT_THAT(in_group("recall: [0.9, 0.90]"), HasSubstr("recall holds 0.9 twice"));
  EXPECT_THAT(in_group("in-domain: 1"), HasSubstr("in-domain must be true or false"));
  EXPECT_THAT(in_group("background: 'a,,b'"), HasSubstr("background must be files with commas between them"));
  EXPECT_THAT(in_group("cases: []"), HasSubstr("cases of a must be a list"));
  EXPECT_THAT(in_group("cases: [{seed: 1-2}]"), HasSubstr("seed of a case must be one value"));
  EXPECT_THAT(in_group("seed: 1\n    cases: [{seed: 2}]"),
              AllOf(HasSubstr("seed is a key of a and of its cases"), HasSubstr("line 6")));
  EXPECT_THAT(in_group("cases: [{seed: 1}, {seed: 2}, {seed: 01}]"),
              HasSubstr("the group a holds an experiment twice"));
  EXPECT_THAT(in_group("seed: 1-90000\n    nlabeled: 1-90000"), HasSubstr("more than 1000000 experiments"));
  std::string ranges = "0-100000";
  for (int i = 1; i < 100; ++i) ranges += ",0-100000";
  EXPECT_THAT(in_group("seed: " + ranges), HasSubstr("more than 1000000 numbers"));
  EXPECT_THAT(refusal("data: d\ngroups: {a: {method: logreg, lr: -1}}"),
              HasSubstr("lr must be a number of at least 0"));
  EXPECT_THAT(refusal("data: d\ngroups: {a: {method: logreg, lr: .nan}}"), HasSubstr("lr must be a number"));
  EXPECT_THAT(refusal("data: d\nlr: 1\ngroups: {a: {method: diffusion}}"), HasSubstr("no group's method has it"));
  EXPECT_THAT(refusal("data: d\ngroups: {../a: {method: diffusion}}"), HasSubstr("cannot name a group"));
  EXPECT_THAT(refusal("data: d\ngroups: {a: {seed: 1}}"), HasSubstr("the group a has no method"));
  EXPECT_THAT(refusal("data: d\ngroups: {a: {method: diffusion}, a: {method: logreg}}"), HasSubstr("there twice"));
  for (const char* none : {"name: x", "groups:", "groups: []", "groups: {}", "groups: 3"})
    EXPECT_THAT(refusal(none), HasSubstr("the plan has no groups")) << none;
}

TEST(Plan, CombinationsMeetByLabelsAndSeed) {
  const std::string parts =
      "data: d\nseed: 1-2\ngroups:\n"
      "  d: {method: diffusion, mode: [val, test], nbg: [0, 5], nlabeled: [1, 2]}\n"
      "  l: {method: logreg, mode: [val, test], cases: [{nlabeled: 1, lr: 0.5}, {nlabeled: 2, lr: 0.1}, {nlabeled: "
      "3}]}\n";
  const auto all = experiments(parts + "  c: {method: combine, of: [d, l]}\n");
  ASSERT_EQ(all.size(), 16U + 12U + 8U);
  std::set<Settings> seen;
  for (std::size_t i = 28; i < all.size(); ++i) {
    const PlannedExperiment& c = all[i];
    EXPECT_EQ(c.group, "c");
    EXPECT_EQ(c.settings.at("mode"), "test");
    EXPECT_EQ(c.settings.at("of"), "d+l");
    seen.insert(c.settings);
    const auto& [first, second] = c.test;
    for (const char* name : {"mode", "nlabeled", "seed"}) {
      EXPECT_EQ(all[first].settings.at(name), c.settings.at(name));
      EXPECT_EQ(all[second].settings.at(name), c.settings.at(name));
    }
    EXPECT_EQ(all[first].settings.at("nbg"), c.settings.at("nbg"));
    ASSERT_EQ(c.validation.size(), 2U);
    for (const auto& pair : c.validation) {
      EXPECT_EQ(all[pair.first].settings.at("mode"), "val");
      EXPECT_EQ(all[pair.first].settings.at("nbg"), c.settings.at("nbg"));
      EXPECT_EQ(all[pair.second].settings.at("nlabeled"), c.settings.at("nlabeled"));
      EXPECT_EQ(all[pair.first].settings.at("seed"), all[pair.second].settings.at("seed"));
    }
  }
  EXPECT_EQ(seen.size(), 8U);
  // Three labels have no partner, so their scores are not kept.
  for (std::size_t i = 0; i < 28; ++i) EXPECT_EQ(all[i].keep_scores, all[i].settings.at("nlabeled") != "3");

  EXPECT_THAT(refusal(parts + "  c: {method: combine}\n"), HasSubstr("the group c combines nothing"));
  EXPECT_THAT(refusal(parts + "  c: {method: combine, of: [d]}\n"), HasSubstr("must name two groups"));
  EXPECT_THAT(refusal(parts + "  c: {method: combine, of: [d, ll]}\n"), HasSubstr("did you mean l?"));
  EXPECT_THAT(refusal(parts + "  c: {method: combine, of: [d, l]}\n  e: {method: combine, of: [c, l]}\n"),
              HasSubstr("e combines a combination, c"));
  EXPECT_THAT(refusal("data: d\ngroups:\n  d: {method: diffusion, mode: test}\n  l: {method: logreg, mode: test}\n"
                      "  c: {method: combine, of: [d, l]}\n"),
              HasSubstr("c has nothing to choose its weight with"));
  EXPECT_THAT(refusal("data: d\ngroups:\n  d: {method: diffusion, mode: test}\n  l: {method: logreg}\n"
                      "  c: {method: combine, of: [d, l]}\n"),
              HasSubstr("c has nothing to combine"));
}

TEST(Sweep, UnitsShareWhatIsPrepared) {
  const Plan plan = read(
      "data: d\nseed: 1-3\ngroups:\n"
      "  a: {method: diffusion, nbg: [0, 5], niter: [1, 2], nlabeled: [1, 2], mode: [val, test]}\n"
      "  b: {method: diffusion, nbg: 5, niter: 9, mode: [val, test]}\n"
      "  l: {method: logreg, lr: [0.1, 0.2], nlabeled: [1, 2], mode: [val, test]}\n"
      "  c: {method: combine, of: [b, l]}\n");
  const Sweep sweep = make_sweep(plan, "out");
  std::size_t count = 0;
  for (const Unit& unit : sweep.units) count += unit.experiments.size();
  EXPECT_EQ(count, sweep.experiments.size());
  ASSERT_GE(sweep.units.size(), 4U);
  std::multiset<std::size_t> sizes;
  for (std::size_t u = 0; u < 4; ++u) sizes.insert(sweep.units[u].experiments.size());
  EXPECT_EQ(sizes, (std::multiset<std::size_t>{12, 12, 15, 15}));  // b joins two of a's
  EXPECT_EQ(sweep.units.back().method, "combine");
  // A group brings what it combines.
  std::set<std::string> groups;
  for (const PlannedExperiment& e : make_sweep(plan, "out", {"c"}).experiments) groups.insert(e.group);
  EXPECT_EQ(groups, (std::set<std::string>{"b", "c", "l"}));
}

TEST(NearestWord, OneOrNone) {
  EXPECT_EQ(io::nearest_word("sacle", "mean, scale, std"), "scale");
  EXPECT_EQ(io::nearest_word("std", "mean, scale, std"), "std");
  EXPECT_EQ(io::nearest_word("jitter", "mean, scale, std"), "");
  EXPECT_EQ(io::nearest_word("", "mean"), "");
  EXPECT_EQ(io::nearest_word("x", ""), "");
  EXPECT_EQ(io::nearest_word(std::string(1 << 20, 'a'), "mean"), "");
}

}  // namespace
}  // namespace lowshot
