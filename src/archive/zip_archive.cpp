// Members of zip files through libzip, with every size checked before it is allocated.
#include "archive/zip_archive.h"

#include <fmt/format.h>
#include <zip.h>

#include <algorithm>
#include <mutex>
#include <new>

#include "io/input_file.h"
#include "io/text_table.h"

namespace lowshot::archive {
namespace {

// Deflate packs at most 258 bytes into two bits: 1,032 to 1. The rest is for the few bytes around them.
constexpr std::uint64_t max_deflate_ratio = 1100;

}  // namespace

struct ZipArchive::State {
  explicit State(const std::filesystem::path& path) : file(path) {}
  ~State() {
    if (zip != nullptr) zip_discard(zip);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  zip_stat_t stat(std::uint64_t i) const {
    zip_stat_t result;
    zip_stat_init(&result);
    constexpr zip_uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_CRC |
                                    ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    if (zip_stat_index(zip, i, ZIP_FL_ENC_RAW, &result) != 0 || (result.valid & needed) != needed) {
      file.fail(fmt::format("the entry of member {} is damaged", i), "the file is damaged: make or fetch it again");
    }
    return result;
  }

  [[noreturn]] void fail(const char* name, const std::string& what, const std::string& advice) const {
    throw Error(ErrorKind::input, what, fmt::format("{}, member {}", file.name(), io::shown(name)), advice);
  }

  io::InputFile file;  // for its checks, its size and its messages; libzip opens the path anew
  mutable std::mutex mutex;
  zip_t* zip = nullptr;
};

ZipArchive::ZipArchive(const std::filesystem::path& path) : state_(std::make_unique<State>(path)) {
  // libzip takes an empty file for a zip without members.
  constexpr std::uint64_t smallest = 22;
  if (state_->file.size() < smallest) {
    state_->file.fail(fmt::format("expected a zip file and found {} bytes", state_->file.size()),
                      "make or fetch it again");
  }
  int code = 0;
  state_->zip = zip_open(path.c_str(), ZIP_RDONLY, &code);
  if (state_->zip != nullptr) return;
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  const std::string reason = zip_error_strerror(&error);
  zip_error_fini(&error);
  if (code == ZIP_ER_MEMORY) throw std::bad_alloc();
  state_->file.fail(fmt::format("expected a zip file: {}", reason),
                    "the file is damaged, cut off or of another kind: make or fetch it again");
}

ZipArchive::~ZipArchive() = default;
ZipArchive::ZipArchive(ZipArchive&&) noexcept = default;

std::uint64_t ZipArchive::size() const {
  return static_cast<std::uint64_t>(zip_get_num_entries(state_->zip, 0));
}

ZipArchive::Member ZipArchive::member(std::uint64_t i) const {
  const std::lock_guard lock(state_->mutex);
  const zip_stat_t stat = state_->stat(i);
  Member member{stat.name, stat.size, stat.crc, false};
  member.folder = !member.name.empty() && member.name.back() == '/';
  return member;
}

std::optional<std::uint64_t> ZipArchive::find(std::string_view name) const {
  const std::lock_guard lock(state_->mutex);
  const zip_int64_t i = zip_name_locate(state_->zip, std::string(name).c_str(), ZIP_FL_ENC_RAW);
  if (i < 0) return {};
  return static_cast<std::uint64_t>(i);
}

std::vector<std::byte> ZipArchive::read(std::uint64_t i, std::uint64_t limit) const {
  const State& state = *state_;
  const char* const damaged = "the file is damaged: make or fetch it again";
  const std::lock_guard lock(state.mutex);
  const zip_stat_t stat = state.stat(i);
  if (stat.encryption_method != ZIP_EM_NONE) {
    state.fail(stat.name, "the member is encrypted", "make the zip without a password");
  }
  const bool stored = stat.comp_method == ZIP_CM_STORE;
  if (!stored && stat.comp_method != ZIP_CM_DEFLATE) {
    state.fail(
        stat.name,
        fmt::format("the member is packed by method {}, and stored and deflated members are read", stat.comp_method),
        "make the zip with deflate");
  }
  if (stat.size > limit) {
    state.fail(stat.name, fmt::format("the member has {} bytes, and at most {} are read", stat.size, limit),
               "leave it out");
  }
  // The division keeps the product within 64 bits.
  const bool backed = stat.comp_size <= state.file.size() &&
                      (stored ? stat.size == stat.comp_size : stat.size / max_deflate_ratio <= stat.comp_size);
  if (!backed) {
    state.fail(stat.name,
               fmt::format("the member claims {} bytes packed into {}, in a file of {}", stat.size, stat.comp_size,
                           state.file.size()),
               damaged);
  }

  const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> member(zip_fopen_index(state.zip, i, 0), zip_fclose);
  if (!member) state.fail(stat.name, fmt::format("the member cannot be read: {}", zip_strerror(state.zip)), damaged);
  std::vector<std::byte> bytes(stat.size);
  std::uint64_t done = 0;
  // One byte more than there should be: only a read that finds the end compares the checksum.
  for (;;) {
    std::byte spare{};
    const bool whole = done == bytes.size();
    const zip_int64_t got =
        zip_fread(member.get(), whole ? &spare : bytes.data() + done, whole ? 1 : bytes.size() - done);
    if (got < 0) {
      state.fail(stat.name,
                 fmt::format("the member is damaged: {}", zip_error_strerror(zip_file_get_error(member.get()))),
                 damaged);
    }
    if (got == 0 && whole) return bytes;
    if (got == 0 || whole) {
      state.fail(
          stat.name,
          fmt::format("the member claims {} bytes and holds {}", bytes.size(), whole ? "more" : std::to_string(done)),
          damaged);
    }
    done += static_cast<std::uint64_t>(got);
  }
}

void check_member_name(std::string_view name, const std::string& where) {
  const auto refuse = [&](const char* what) {
    throw Error(ErrorKind::input, fmt::format("the member's name {} {}", io::shown(name), what), where,
                "make the zip anew with plain relative names");
  };
  if (name.empty()) refuse("is empty");
  if (name.front() == '/') refuse("begins with a slash");
  if (name.size() > 1 && name[1] == ':') refuse("begins with a drive letter");
  for (const char c : name) {
    if (c == '\\') refuse("holds a backslash");
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') refuse("holds a control character");
  }
  for (std::size_t begin = 0; begin < name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    const std::string_view part = name.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") refuse("leads out of its folder or holds empty parts");
    begin = end + 1;
  }
}

}  // namespace lowshot::archive
