#pragma once
// Time: what a job will take, stage by stage, said before it begins (--dry-run), beside its memory (lowshot/memory.h).
//
// Each heavy stage has a `..._seconds` function, which scales counted work by what a small piece of the same work, on a
// sample of the job's own rows, took on this machine a moment ago. A calibration takes one to three seconds. What the
// machine does beside it, then or later, is not known: estimates are good to a factor of 1.5 on a quiet machine.

#include <chrono>
#include <string>
#include <vector>

namespace lowshot {

struct TimePlan {
  struct Item {
    std::string name;
    double seconds = 0;
  };
  std::vector<Item> items;

  void add(std::string name, double seconds) { items.push_back({std::move(name), seconds}); }
  double total() const {
    double sum = 0;
    for (const Item& item : items) sum += item.seconds;
    return sum;
  }
};

/// Wall time of a call.
template <typename Work>
double seconds_of(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace lowshot
