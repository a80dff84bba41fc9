#include <gtest/gtest.h>

#include <string>

#include "lowshot/error.h"
#include "lowshot/io.h"
#include "oracle/files.h"

namespace lowshot {
namespace {

std::vector<std::uint64_t> listed(const std::string& text, std::uint64_t rows) {
  const fixtures::TemporaryDirectory folder;
  write_file(folder / "bad.csv", text);
  return read_row_list(folder / "bad.csv", rows);
}

TEST(RowList, ReadsTheFirstColumnSortedAndOnce) {
  using Rows = std::vector<std::uint64_t>;
  EXPECT_EQ(listed("row,name,reason\n7,a,missing\n2,\"b, c\",cut\n7,a,missing\n", 8), (Rows{2, 7}));
  EXPECT_EQ(listed("0\n3\n", 4), (Rows{0, 3}));
  EXPECT_EQ(listed("row\n", 4), Rows{});
}

TEST(RowList, RefusesWhatIsNoRow) {
  for (const char* text : {"row\n4\n", "row\n-1\n", "row\n1.5\n", "row\nrow\n", "name\n1\n", "row\n1\n\n2\n"})
    EXPECT_THROW(listed(text, 4), Error) << text;
}

}  // namespace
}  // namespace lowshot
