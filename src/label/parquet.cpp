#include "label/parquet.h"

#include <fmt/format.h>

#include <string>

#include "lowshot/error.h"

namespace lowshot::label {
namespace {

/// A Python literal.
std::string python(const std::filesystem::path& path) {
  std::string literal = "'";
  for (const char c : path.string()) {
    if (c == '\'' || c == '\\') literal.push_back('\\');
    literal.push_back(c);
  }
  return literal + "'";
}

std::string conversion(const std::filesystem::path& path, ParquetUse use) {
  const auto renamed = [&](const char* ending) {
    return python(std::filesystem::path(path).replace_extension(ending));
  };
  const std::string from = python(path);
  switch (use) {
    case ParquetUse::descriptors:
      return fmt::format(
          "convert it in Python (embedding: the column that holds the descriptors): import numpy, pandas; "
          "numpy.save({}, numpy.stack(pandas.read_parquet({})['embedding']).astype('float32'))",
          renamed(".npy"), from);
    case ParquetUse::ids:
      return fmt::format(
          "convert it in Python (id: the column that holds the names): import pandas; "
          "pandas.read_parquet({})['id'].to_csv({}, index=False)",
          from, renamed(".csv"));
    case ParquetUse::labels:
      return fmt::format(
          "convert it in Python (it needs the columns id or row, and label): import pandas; "
          "pandas.read_parquet({}).to_csv({}, index=False)",
          from, renamed(".csv"));
  }
  return {};
}

}  // namespace

void refuse_parquet(const std::filesystem::path& path, ParquetUse use) {
  if (path.extension() != ".parquet") return;
  throw Error(ErrorKind::input, "Parquet files are not read", path.string(), conversion(path, use));
}

}  // namespace lowshot::label
