// The low-shot split (reference protocol, "The low-shot split"): rows of a class set, classes renumbered by rising
// original id, and the labelled novel rows that numpy's RandomState(seed) draws, one generator through all classes.

#include "lowshot/split.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>

#include "lowshot/error.h"
#include "lowshot/random.h"

namespace lowshot {
namespace {

std::string class_text(const std::string& name, std::int32_t original) {
  return name.empty() ? fmt::format("class {}", original) : fmt::format("class '{}' (id {})", name, original);
}

std::string name_of(const ClassSets& sets, std::int32_t original) {
  return static_cast<std::size_t>(original) < sets.names.size() ? sets.names[original] : std::string();
}

// Original id -> novel?, of all classes that the two lists of a set name; the map keeps them in rising order.
std::map<std::int32_t, bool> listed_classes(const ClassSets& sets, int set) {
  std::map<std::int32_t, bool> novel;
  for (const bool is_novel : {false, true}) {
    for (const std::int32_t original : (is_novel ? sets.novel : sets.base)[set - 1]) {
      if (original < 0) {
        throw Error(ErrorKind::input,
                    fmt::format("the list {}_classes_{} holds the id {}, expected ids from 1 on",
                                is_novel ? "novel" : "base", set, static_cast<std::int64_t>(original) + 1),
                    "the class lists", "count classes from 1 in the lists");
      }
      const auto [place, is_new] = novel.emplace(original, is_novel);
      if (!is_new && place->second != is_novel) {
        throw Error(ErrorKind::input,
                    fmt::format("{} stands in base_classes_{} and in novel_classes_{}, expected in one of them",
                                class_text(name_of(sets, original), original), set, set),
                    "the class lists", "take it out of one list");
      }
    }
  }
  return novel;
}

void append(const std::vector<std::uint32_t>& from, std::size_t begin, std::size_t end, std::size_t new_class,
            std::vector<std::uint32_t>& rows, std::vector<std::int32_t>& classes) {
  rows.insert(rows.end(), from.begin() + static_cast<std::ptrdiff_t>(begin),
              from.begin() + static_cast<std::ptrdiff_t>(end));
  classes.insert(classes.end(), end - begin, static_cast<std::int32_t>(new_class));
}

void require_row_numbers_fit(std::span<const std::int32_t> labels, const char* what) {
  if (labels.size() > std::numeric_limits<std::uint32_t>::max()) {
    throw Error(ErrorKind::input,
                fmt::format("the {} labels have {} rows, expected fewer than 2^32", what, labels.size()));
  }
}

}  // namespace

ClassSet make_class_set(const ClassSets& sets, int set, std::span<const std::int32_t> train_labels,
                        std::span<const std::int32_t> val_labels) {
  if (set != 1 && set != 2) {
    throw Error(ErrorKind::usage, fmt::format("there is no class set {}", set), "", "use 1 (validation) or 2 (test)");
  }
  require_row_numbers_fit(train_labels, "train");
  require_row_numbers_fit(val_labels, "val");

  ClassSet result;
  result.number = set;
  std::map<std::int32_t, std::int32_t> new_class;
  for (const auto& [original, is_novel] : listed_classes(sets, set)) {
    new_class.emplace(original, static_cast<std::int32_t>(result.classes()));
    result.original_class.push_back(original);
    result.names.push_back(name_of(sets, original));
    result.is_novel.push_back(is_novel);
  }

  result.train_rows.resize(result.classes());
  for (std::size_t i = 0; i < train_labels.size(); ++i) {
    const auto found = new_class.find(train_labels[i]);
    if (found != new_class.end()) result.train_rows[found->second].push_back(static_cast<std::uint32_t>(i));
  }
  // The protocol renumbers the classes that occur among the kept rows; a listed class without rows is refused here, so
  // that these are all listed ones.
  for (std::size_t c = 0; c < result.classes(); ++c) {
    if (!result.train_rows[c].empty()) continue;
    throw Error(
        ErrorKind::input,
        fmt::format("{} of {}_classes_{} has no training row", class_text(result.names[c], result.original_class[c]),
                    result.is_novel[c] ? "novel" : "base", set),
        "the training labels", "take it out of the class lists, or add rows of it");
  }
  for (std::size_t i = 0; i < val_labels.size(); ++i) {
    const auto found = new_class.find(val_labels[i]);
    if (found == new_class.end()) continue;
    result.test_rows.push_back(static_cast<std::uint32_t>(i));
    result.test_labels.push_back(found->second);
  }
  return result;
}

Split make_split(const ClassSet& set, std::uint32_t nlabeled, std::uint32_t seed) {
  NumpyRandomState random(seed);
  Split split;
  for (std::size_t c = 0; c < set.classes(); ++c) {
    std::vector<std::uint32_t> rows = set.train_rows[c];
    if (!set.is_novel[c]) {
      append(rows, 0, rows.size(), c, split.base_rows, split.base_classes);
      continue;
    }
    if (rows.size() < nlabeled) {
      const std::string name = c < set.names.size() ? set.names[c] : std::string();
      throw Error(ErrorKind::input,
                  fmt::format("{} of novel_classes_{} has {} training rows, --nlabeled {} needs at least {}",
                              class_text(name, set.original_class[c]), set.number, rows.size(), nlabeled, nlabeled),
                  "the training labels", "lower --nlabeled or add rows of the class");
    }
    random.shuffle(std::span(rows));
    append(rows, 0, nlabeled, c, split.novel_labelled_rows, split.novel_labelled_classes);
    append(rows, nlabeled, rows.size(), c, split.novel_unlabelled_rows, split.novel_unlabelled_classes);
  }
  return split;
}

}  // namespace lowshot
