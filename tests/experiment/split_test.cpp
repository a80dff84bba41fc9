// Splits: made-up labels against numpy, the full data set against the splits stored beside it, and bad class lists.

#include "lowshot/split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "lowshot/io.h"
#include "oracle/full_data.h"
#include "oracle/views.h"

namespace {

using lowshot::ClassSet;
using lowshot::ClassSets;
using lowshot::make_class_set;
using lowshot::make_split;
using lowshot::Split;
using oracle::error_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Rows = std::vector<std::uint32_t>;

// Classes 1 and 5 are base, 2 and 4 novel in set 2; 0 and 3 are in no list; one row has no label.
const std::vector<std::int32_t> train_labels = {4, 0, 2, 2, 5, 4, 1, 0, 2, 4, 3, 3, 1,  2, 4, 0, 5, 1,
                                                3, 2, 4, 4, 0, 1, 2, 5, 3, 1, 0, 4, -1, 2, 5, 2, 4, 1};
const std::vector<std::int32_t> val_labels = {3, 5, 4, 4, 0, 2, -1, 1, 99, 5};

ClassSets made_up_sets() {
  ClassSets sets;
  sets.names = {"ant", "bee", "cat", "dog", "eel"};  // class 5 has no name
  sets.base[0] = {0};
  sets.novel[0] = {3};
  sets.base[1] = {5, 1};
  sets.novel[1] = {4, 2};
  return sets;
}

TEST(Split, ClassSetRenumbersByRisingOriginalId) {
  const ClassSet set = make_class_set(made_up_sets(), 2, train_labels, val_labels);
  EXPECT_THAT(set.original_class, ElementsAre(1, 2, 4, 5));
  EXPECT_THAT(set.is_novel, ElementsAre(false, true, true, false));
  EXPECT_THAT(set.names, ElementsAre("bee", "cat", "eel", ""));
  EXPECT_THAT(set.train_rows[0], ElementsAre(6, 12, 17, 23, 27, 35));
  EXPECT_THAT(set.train_rows[3], ElementsAre(4, 16, 25, 32));
  EXPECT_THAT(set.test_rows, ElementsAre(1, 2, 3, 5, 7, 9));
  EXPECT_THAT(set.test_labels, ElementsAre(3, 2, 2, 1, 0, 3));
}

TEST(Split, MadeUpLabelsAsNumpyDraws) {
  // rs = numpy.random.RandomState(seed); for c in (1, 2, 4, 5): rows = numpy.nonzero(labels == c)[0]; base classes:
  // base += rows; novel ones: rs.shuffle(rows); labelled += rows[:nl]; unlabelled += rows[nl:]
  struct Case {
    std::uint32_t nlabeled, seed;
    Rows labelled, unlabelled;
  };
  const Case cases[] = {
      {1, 1, {33, 9}, {8, 3, 31, 2, 19, 13, 24, 14, 20, 34, 5, 29, 0, 21}},
      {2, 1, {33, 8, 9, 14}, {3, 31, 2, 19, 13, 24, 20, 34, 5, 29, 0, 21}},
      {3, 7, {8, 24, 2, 14, 21, 34}, {31, 13, 3, 19, 33, 20, 9, 5, 0, 29}},
      {0, 2, {}, {19, 3, 31, 8, 13, 33, 24, 2, 29, 20, 21, 0, 34, 14, 5, 9}},
  };
  const ClassSet set = make_class_set(made_up_sets(), 2, train_labels, val_labels);
  for (const Case& one : cases) {
    SCOPED_TRACE(testing::Message() << "nlabeled " << one.nlabeled << " seed " << one.seed);
    const Split split = make_split(set, one.nlabeled, one.seed);
    EXPECT_EQ(split.base_rows, (Rows{6, 12, 17, 23, 27, 35, 4, 16, 25, 32}));
    EXPECT_THAT(split.base_classes, ElementsAre(0, 0, 0, 0, 0, 0, 3, 3, 3, 3));
    EXPECT_EQ(split.novel_labelled_rows, one.labelled);
    EXPECT_EQ(split.novel_unlabelled_rows, one.unlabelled);
    for (std::size_t i = 0; i < split.novel_labelled_rows.size(); ++i) {
      EXPECT_EQ(set.original_class[split.novel_labelled_classes[i]], train_labels[split.novel_labelled_rows[i]]);
    }
    for (std::size_t i = 0; i < split.novel_unlabelled_rows.size(); ++i) {
      EXPECT_EQ(set.original_class[split.novel_unlabelled_classes[i]], train_labels[split.novel_unlabelled_rows[i]]);
    }
  }
}

TEST(Split, AllRowsOfANovelClassCanBeLabelled) {
  const ClassSet set = make_class_set(made_up_sets(), 2, train_labels, val_labels);  // 8 rows in each novel class
  const Split split = make_split(set, 8, 3);
  EXPECT_EQ(split.novel_labelled_rows.size(), 16u);
  EXPECT_THAT(split.novel_unlabelled_rows, IsEmpty());
}

TEST(Split, TooFewRowsNameTheClass) {
  ClassSet set = make_class_set(made_up_sets(), 2, train_labels, val_labels);
  EXPECT_THAT(
      error_of([&] { make_split(set, 9, 1); }),
      HasSubstr("input: class 'cat' (id 2) of novel_classes_2 has 8 training rows, --nlabeled 9 needs at least 9"));
  set.names.clear();
  EXPECT_THAT(error_of([&] { make_split(set, 9, 1); }), HasSubstr("class 2 of novel_classes_2 has 8 training rows"));
}

TEST(Split, BadClassListsAreRefused) {
  ClassSets sets = made_up_sets();
  sets.base[1].push_back(7);
  EXPECT_THAT(error_of([&] { make_class_set(sets, 2, train_labels, val_labels); }),
              HasSubstr("input: class 7 of base_classes_2 has no training row"));
  EXPECT_EQ(make_class_set(sets, 1, train_labels, val_labels).classes(), 2u) << "set 1 does not use the bad list";

  sets = made_up_sets();
  sets.novel[1].push_back(1);
  EXPECT_THAT(error_of([&] { make_class_set(sets, 2, train_labels, val_labels); }),
              HasSubstr("class 'bee' (id 1) stands in base_classes_2 and in novel_classes_2"));

  sets = made_up_sets();
  sets.novel[1].push_back(-1);
  EXPECT_THAT(error_of([&] { make_class_set(sets, 2, train_labels, val_labels); }),
              HasSubstr("novel_classes_2 holds the id 0"));

  EXPECT_THAT(error_of([&] { make_class_set(made_up_sets(), 3, train_labels, val_labels); }), HasSubstr("usage: "));
}

TEST(Split, EmptyListsAndLabels) {
  EXPECT_EQ(make_class_set(ClassSets{}, 1, train_labels, val_labels).classes(), 0u);
  const Split split = make_split(make_class_set(ClassSets{}, 1, {}, {}), 1, 1);
  EXPECT_THAT(split.base_rows, IsEmpty());
  EXPECT_THAT(split.novel_labelled_rows, IsEmpty());
}

TEST(Split, FullDataSetAsStored) {
  FULL_DATA_OR_SKIP(data);
  const ClassSets sets = lowshot::read_class_sets(data / "label_idx.json");
  const std::vector<std::int32_t> train = lowshot::read_hdf5_labels(data / "features/train.hdf5");
  const std::vector<std::int32_t> val = lowshot::read_hdf5_labels(data / "features/val.hdf5");
  const nlohmann::json stored = nlohmann::json::parse(std::ifstream(data / "expected/splits.json"));
  std::set<std::string> sets_seen;
  for (const auto& [key, expected] : stored.items()) {
    SCOPED_TRACE(key);
    int number = 0;
    std::uint32_t nlabeled = 0, seed = 0;
    ASSERT_EQ(std::sscanf(key.c_str(), "class_set %d nlabeled %u seed %u", &number, &nlabeled, &seed), 3);
    sets_seen.insert(key.substr(0, 11));
    const ClassSet set = make_class_set(sets, number, train, val);
    const Split split = make_split(set, nlabeled, seed);
    EXPECT_EQ(split.novel_labelled_rows, expected["labelled_novel_rows_of_train_hdf5"].get<Rows>());
    EXPECT_EQ(split.novel_labelled_classes, expected["their_classes"].get<std::vector<std::int32_t>>());
    const Rows first(split.novel_unlabelled_rows.begin(), split.novel_unlabelled_rows.begin() + 5);
    EXPECT_EQ(first, expected["first_5_unlabelled_novel_rows"].get<Rows>());
    EXPECT_EQ(split.base_rows.size() + split.novel_labelled_rows.size(), expected["labelled_rows"].get<std::size_t>());
    EXPECT_EQ(set.test_rows.size(), expected["test_rows"].get<std::size_t>());
    EXPECT_EQ(set.classes(), expected["classes"].get<std::size_t>());
    for (std::size_t i = 0; i < set.test_rows.size(); ++i) {
      ASSERT_EQ(set.original_class[set.test_labels[i]], val[set.test_rows[i]]);
    }
  }
  EXPECT_THAT(sets_seen, ElementsAre("class_set 1", "class_set 2"));
}

}  // namespace
