#pragma once
// The one exception type of the library: a sentence for the person who can act.

#include <stdexcept>
#include <string>

namespace lowshot {

/// Who can mend it. The command line maps the kind to its exit code (docs/files.md, "Exit codes").
enum class ErrorKind {
  usage,      ///< options that make no sense together; exit code 2
  input,      ///< a file or a value in it is not what it must be; exit code 3
  resources,  ///< not enough memory or disk, a file that cannot be written; exit code 4
  device,     ///< a GPU was asked for and cannot be used; exit code 4
};

/// Bad data throws an Error; a bug in the program trips an assertion instead.
class Error : public std::runtime_error {
 public:
  /// `what`: what was expected and what was found. `where`: file and byte, row or option (may be empty).
  /// `advice`: what to do (may be empty). `std::exception::what()` is "what; where; advice", the empty parts left out.
  Error(ErrorKind kind, const std::string& what, const std::string& where = {}, const std::string& advice = {});

  ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

}  // namespace lowshot
