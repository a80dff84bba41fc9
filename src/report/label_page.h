#pragma once
// The page of `lowshot label --report`: what was labelled, how far to trust it, and the rows worth a look.

#include <filesystem>
#include <string>

#include "label/output.h"

namespace lowshot {

struct LabelPageOptions {
  std::string title = "Labels";
  std::filesystem::path images = {};  ///< folder that ids are paths in; empty: ids are paths themselves
};

/// Counts a class, histogram of confidence, the threshold table and its curve, the most and the least certain rows of
/// each class, the suspects; with thumbnails where an id is an image file of at most 512 KiB (40 MiB in all).
std::string label_page(const LabelledRows& rows, const LabelPageOptions& options);

}  // namespace lowshot
