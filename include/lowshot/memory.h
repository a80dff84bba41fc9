#pragma once
// Memory: what is in use, what is free, and the plan that a job prints (--dry-run) and obeys (--memory).

#include <cstdint>
#include <string>
#include <vector>

namespace lowshot {

std::uint64_t resident_bytes();       ///< in use by this process now
std::uint64_t peak_resident_bytes();  ///< the most this process has used
std::uint64_t available_bytes();      ///< what the machine (and the cgroup, where there is one) can still give

std::string format_bytes(std::uint64_t bytes);       ///< "1.50 GiB"
std::uint64_t parse_bytes(const std::string& text);  ///< "16G", "1.5GiB", "800M", "1024"; Error (usage) otherwise

/// What a job will hold at its largest moment, item by item. Filled by the functions that do the work (each heavy
/// stage has a `..._memory` function beside it), so the estimate and the work cannot drift apart unseen.
struct MemoryPlan {
  struct Item {
    std::string name;
    std::uint64_t bytes;
  };
  std::vector<Item> items;

  void add(std::string name, std::uint64_t bytes) { items.push_back({std::move(name), bytes}); }
  std::uint64_t total() const;
  /// Throws Error (resources) naming the total, the limit and `advice` when the plan does not fit `limit`
  /// (0 = available_bytes()).
  void require(std::uint64_t limit, const std::string& advice) const;
};

}  // namespace lowshot
