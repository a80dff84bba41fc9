#include "lowshot/error.h"

namespace lowshot {
namespace {

std::string sentence(const std::string& what, const std::string& where, const std::string& advice) {
  std::string text = what;
  if (!where.empty()) text += "; " + where;
  if (!advice.empty()) text += "; " + advice;
  return text;
}

}  // namespace

Error::Error(ErrorKind kind, const std::string& what, const std::string& where, const std::string& advice)
    : std::runtime_error(sentence(what, where, advice)), kind_(kind) {}

}  // namespace lowshot
