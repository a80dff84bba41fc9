#pragma once
// A text file written line by line, whole or not at all, and fields as CSV wants them.

#include <filesystem>
#include <string>
#include <string_view>

#include "io/output_file.h"

namespace lowshot::io {

class CsvFile {
 public:
  explicit CsvFile(const std::filesystem::path& path) : file_(path), writer_(file_) {}
  /// `text` with its line end.
  void line(const std::string& text) { writer_.bytes(text.data(), text.size()); }
  void commit() {
    writer_.flush();
    file_.commit();
  }

 private:
  OutputFile file_;
  SequentialWriter writer_;
};

/// In quotes where it has to be (RFC 4180).
std::string csv_field(std::string_view field);

}  // namespace lowshot::io
