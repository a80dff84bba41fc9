#pragma once
// The low-shot split: which rows are labelled, which are tested (reference protocol: numpy RandomState, class order).

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace lowshot {

/// label_idx.json, ids turned to 0-based.
struct ClassSets {
  std::vector<std::string> names;
  std::vector<std::int32_t> base[2];  ///< class set 1 (validation) and 2 (test)
  std::vector<std::int32_t> novel[2];
};

/// The part of a split that depends on the class set alone.
struct ClassSet {
  int number = 1;                                      ///< 1 (validation) or 2 (test), for messages
  std::vector<std::int32_t> original_class;            ///< C entries: original id of class 0..C-1, rising
  std::vector<std::string> names;                      ///< C entries; empty where the class has no name
  std::vector<bool> is_novel;                          ///< C entries
  std::vector<std::vector<std::uint32_t>> train_rows;  ///< C entries: rows of the train file, in file order
  std::vector<std::uint32_t> test_rows;   ///< rows of the val file whose class is in the set, in file order
  std::vector<std::int32_t> test_labels;  ///< their classes, renumbered

  std::size_t classes() const { return original_class.size(); }
};

/// `set` is 1 or 2. Rows of other classes (or of none, -1) are left out. Throws Error (input) when a listed class has
/// no row in `train_labels`, a class of the lists is both base and novel, or a listed id is negative; Error (usage) for
/// another set.
ClassSet make_class_set(const ClassSets& sets, int set, std::span<const std::int32_t> train_labels,
                        std::span<const std::int32_t> val_labels);

/// One (nlabeled, seed): which of the novel rows are labelled. Rows of the train file, class by class in class order.
struct Split {
  std::vector<std::uint32_t> base_rows, novel_labelled_rows, novel_unlabelled_rows;
  std::vector<std::int32_t> base_classes, novel_labelled_classes, novel_unlabelled_classes;  ///< renumbered, one a row
};

/// Equal to the original's split for every seed (tests compare with numpy). `nlabeled` 0 labels no novel row. Throws
/// Error (input) naming the class when a novel class has fewer than `nlabeled` rows.
Split make_split(const ClassSet& set, std::uint32_t nlabeled, std::uint32_t seed);

}  // namespace lowshot
