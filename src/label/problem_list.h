#pragma once
// What is wrong with a file of labels, collected over the whole of it, so that one run shows everything.

#include <cstdint>
#include <string>
#include <vector>

namespace lowshot::label {

/// One kind of problem: how often it occurs, and its first ten cases.
class ProblemList {
 public:
  /// The words behind the count, for one case and for several.
  ProblemList(std::string one, std::string several) : one_(std::move(one)), several_(std::move(several)) {}

  template <typename Describe>
  void add(const Describe& describe) {
    if (count_++ < shown_cases) first_.push_back(describe());
  }
  std::uint64_t count() const { return count_; }

  /// "12 names are ...: 'a', 'b', ... and 2 more".
  std::string text() const;

 private:
  static constexpr std::uint64_t shown_cases = 10;

  std::string one_, several_;
  std::uint64_t count_ = 0;
  std::vector<std::string> first_;
};

}  // namespace lowshot::label
