#include "lowshot/variant.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "oracle/views.h"

namespace lowshot {
namespace {

using oracle::error_of;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::UnorderedElementsAre;

std::vector<std::string> unused(const Variant& variant) {
  std::vector<std::string> names;
  for (const UnusedOption& option : unused_options(variant)) names.push_back(option.name);
  return names;
}

TEST(Variant, SaysWhatItHasNoUseFor) {
  EXPECT_TRUE(Variant{}.standard());
  EXPECT_THAT(unused({}), UnorderedElementsAre("alpha"));
  Variant limit;
  limit.propagation.method = Propagation::restart;
  EXPECT_THAT(unused(limit), UnorderedElementsAre("prune", "storage"));
  limit.propagation.solver = Solver::conjugate_gradients;
  EXPECT_THAT(unused(limit), UnorderedElementsAre("prune", "storage", "niter", "iterations"));
  EXPECT_FALSE(limit.standard());
  Variant given;
  given.graph = "g.npz";
  EXPECT_THAT(unused(given), IsSupersetOf({"k", "weights", "pca", "alpha", "prune"}));
  EXPECT_THAT(unused_options(given).front().reason, HasSubstr("a graph that is given has no weights"));
}

TEST(Variant, RefusesContradictions) {
  Variant variant;
  variant.graph = "g.npz";
  variant.weighting.kind = Weighting::Kind::self_tuning;
  EXPECT_THAT(error_of([&] { require_consistent(variant); }), HasSubstr("has its own weights"));
  variant.weighting = {};
  require_consistent(variant);
  variant.propagation.alpha = 1;
  EXPECT_THAT(error_of([&] { require_consistent(variant); }), HasSubstr("alpha must be"));
}

TEST(Variant, IsDescribed) {
  Variant variant;
  variant.propagation.method = Propagation::restart;
  variant.propagation.class_mass = true;
  variant.weighting = weighting_of("cosine:2");
  EXPECT_EQ(describe(variant), "restart (alpha 0.99) with class masses on edges of weight cosine:2");
}

}  // namespace
}  // namespace lowshot
