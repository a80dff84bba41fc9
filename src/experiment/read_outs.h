#pragma once
// What is read out at the test rows, as it comes from the diffusion: slice by slice of classes.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "lowshot/evaluation.h"
#include "lowshot/io.h"

namespace lowshot {

/// The best classes of every test row after each iteration, and the file of all scores where one is wanted.
class ReadOuts {
 public:
  struct Sizes {
    std::uint32_t last = 0;  ///< iterations 0 .. last
    std::size_t tests = 0;
    std::uint32_t classes = 0;
  };
  /// Called for t = 0 .. last, in this order, as soon as iteration t has all its classes.
  using Complete = std::function<void(std::uint32_t t, const TopClasses& top)>;

  /// `scores`: the file, npy float32 [last + 1, tests, classes]; empty: none.
  ReadOuts(const Sizes& sizes, int threads, const std::filesystem::path& scores, Complete complete);

  /// As ScoreSink has it.
  void take(std::uint32_t t, std::uint32_t first, MatrixView<const float> scores);
  /// Gives the file its name; call it when everything has been taken.
  void commit();

  TopClasses take_last() { return std::move(top_.back()); }

 private:
  Sizes sizes_;
  int threads_;
  Complete complete_;
  std::vector<TopClasses> top_;
  std::vector<std::uint32_t> offered_;  // classes of each iteration
  std::uint32_t next_ = 0;              // iteration to be complete
  std::optional<NpyTileWriter> file_;
};

}  // namespace lowshot
