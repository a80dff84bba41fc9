#include "lowshot/memory.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <fstream>

#include "lowshot/error.h"

namespace lowshot {
namespace {

// One number of a kernel file; `fallback` where the file is absent or holds "max".
std::uint64_t read_number(const char* path, std::uint64_t fallback) {
  std::ifstream file(path);
  std::uint64_t value = 0;
  return file >> value ? value : fallback;
}

}  // namespace

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t size = 0, resident = 0;
  statm >> size >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::uint64_t peak_resident_bytes() {
  // Not getrusage: its figure survives exec, so it would be that of a large process which started this one.
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmHWM:", 0) == 0) return std::strtoull(line.c_str() + 6, nullptr, 10) * 1024;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

std::uint64_t available_bytes() {
  std::uint64_t available = UINT64_MAX;
  std::ifstream meminfo("/proc/meminfo");
  std::string key;
  std::uint64_t kib = 0;
  while (meminfo >> key >> kib) {
    if (key == "MemAvailable:") available = kib * 1024;
    meminfo.ignore(256, '\n');
  }
  const std::uint64_t cap = read_number("/sys/fs/cgroup/memory.max", UINT64_MAX);
  const std::uint64_t used = read_number("/sys/fs/cgroup/memory.current", 0);
  if (cap != UINT64_MAX) available = std::min(available, cap > used ? cap - used : 0);
  return available;
}

std::string format_bytes(std::uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  static constexpr const char* units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  int unit = 0;
  while (value >= 1024 && unit < 5) value /= 1024, ++unit;
  return fmt::format("{:.{}f} {}", value, unit < 2 ? 0 : 2, units[unit]);
}

std::uint64_t parse_bytes(const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  std::string unit(rest, end);
  std::transform(unit.begin(), unit.end(), unit.begin(), [](unsigned char c) { return std::tolower(c); });
  static constexpr const char* letters = "kmgtp";
  double factor = 1;
  bool known = unit.empty() || unit == "b";
  if (!known && (unit.size() == 1 || unit.substr(1) == "b" || unit.substr(1) == "ib"))
    for (int i = 0; letters[i] != 0; ++i)
      if (unit[0] == letters[i]) factor = std::pow(1024.0, i + 1), known = true;
  if (error != std::errc() || !known || !(value > 0) || value * factor > 9e18)
    throw Error(ErrorKind::usage, fmt::format("'{}' is not an amount of memory", text), "",
                "write it like 16G, 1.5GiB or 800M");
  return static_cast<std::uint64_t>(value * factor);
}

std::uint64_t MemoryPlan::total() const {
  std::uint64_t sum = 0;
  for (const Item& item : items) sum += item.bytes;
  return sum;
}

void MemoryPlan::require(std::uint64_t limit, const std::string& advice) const {
  const std::uint64_t most = limit != 0 ? limit : available_bytes();
  if (total() <= most) return;
  throw Error(ErrorKind::resources,
              fmt::format("this job needs {} and {} {}", format_bytes(total()), format_bytes(most),
                          limit != 0 ? "is the limit (--memory)" : "is free"),
              "", advice);
}

}  // namespace lowshot
