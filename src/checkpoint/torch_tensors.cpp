#include "checkpoint/torch_tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "checkpoint/byte_source.h"
#include "checkpoint/utf8.h"

namespace lowshot::checkpoint {
namespace {

using Kind = PickleValue::Kind;

constexpr std::size_t most_dimensions = 64;  // PyTorch's own limit
constexpr const char* damaged = "the file is damaged: make or fetch it again";

std::optional<TensorType> storage_type(std::string_view global) {
  constexpr std::array<std::pair<std::string_view, TensorType>, 11> types{
      {{"torch.FloatStorage", TensorType::float32},
       {"torch.DoubleStorage", TensorType::float64},
       {"torch.HalfStorage", TensorType::float16},
       {"torch.BFloat16Storage", TensorType::bfloat16},
       {"torch.LongStorage", TensorType::int64},
       {"torch.IntStorage", TensorType::int32},
       {"torch.ShortStorage", TensorType::int16},
       {"torch.CharStorage", TensorType::int8},
       {"torch.ByteStorage", TensorType::uint8},
       {"torch.BoolStorage", TensorType::boolean},
       {"torch.storage.UntypedStorage", TensorType::uint8}}};
  for (const auto& [name, type] : types)
    if (name == global) return type;
  return {};
}

/// Overflow-checked arithmetic: `good` turns false and stays so.
struct Checked {
  std::uint64_t value = 0;
  bool good = true;
  Checked& multiply(std::uint64_t factor) {
    good = good && !__builtin_mul_overflow(value, factor, &value);
    return *this;
  }
  Checked& add(std::uint64_t term) {
    good = good && !__builtin_add_overflow(value, term, &value);
    return *this;
  }
};

class Taker {
 public:
  Taker(const io::InputFile& file, const Pickle& pickle, const Storages& storages)
      : file_(file), pickle_(pickle), storages_(storages) {}

  NamedTensors take() {
    const PickleValue& top = pickle_.root();
    if (!top.is_dict())
      fail(top, fmt::format("expected a dict of tensors and found {}", described(top)),
           "save the weights alone: torch.save(model.state_dict(), FILE)");
    const auto [dict, where] = dict_of_weights(top);
    NamedTensors tensors;
    for (std::size_t i = 0; i + 1 < dict->items.size(); i += 2) {
      const PickleValue &key = pickle_[dict->items[i]], &value = pickle_[dict->items[i + 1]];
      if (value.is_dict() && holds_tensors(value))
        fail(value, fmt::format("{}, {} is a dict of tensors itself", where, described(key)),
             "save that dict alone, or one dict with all the tensors");
      if (!value.is(Kind::tensor)) continue;
      if (!key.is(Kind::string) || !is_utf8(key.text))
        fail(key, fmt::format("{}, a tensor's name must be text and is {}", where, described(key)), damaged);
      if (tensors.count(key.text) != 0)
        fail(key, fmt::format("{}, two tensors have the name {}", where, shown(key.text)), damaged);
      tensors.emplace(key.text, tensor(key.text, value));
    }
    if (tensors.empty())
      fail(*dict, no_tensors(*dict, where), "save the weights: torch.save(model.state_dict(), FILE)");
    return tensors;
  }

 private:
  [[noreturn]] void fail(const PickleValue& at, const std::string& what, const std::string& advice = {}) const {
    fail_at(file_, at.position, what, advice);
  }

  std::pair<const PickleValue*, std::string> dict_of_weights(const PickleValue& top) const {
    for (const char* key : {"state", "state_dict", "model"}) {
      const PickleValue* value = pickle_.find(top, key);
      if (value != nullptr && value->is_dict()) return {value, fmt::format("in the dict '{}'", key)};
    }
    return {&top, "in the outermost dict"};
  }

  bool holds_tensors(const PickleValue& dict) const {
    for (std::size_t i = 1; i < dict.items.size(); i += 2)
      if (pickle_[dict.items[i]].is(Kind::tensor)) return true;
    return false;
  }

  std::string no_tensors(const PickleValue& dict, const std::string& where) const {
    std::string found;
    for (std::size_t i = 0; i + 1 < dict.items.size() && i < 16; i += 2)
      found += (i == 0 ? "" : ", ") + described(pickle_[dict.items[i]]);
    return fmt::format("{} there is no tensor (its keys: {})", where, found.empty() ? "none" : found);
  }

  std::uint64_t count(const PickleValue& value, const char* what, const std::string& name) const {
    if (!value.is(Kind::integer) || value.integer < 0)
      fail(value, fmt::format("tensor {}: {} is {}, expected a count", shown(name), what, described(value)), damaged);
    return static_cast<std::uint64_t>(value.integer);
  }

  std::vector<std::uint64_t> counts(const PickleValue& value, const char* what, const std::string& name) const {
    if (!value.is(Kind::tuple))
      fail(value, fmt::format("tensor {}: the {} are {}, expected a tuple", shown(name), what, described(value)),
           damaged);
    if (value.items.size() > most_dimensions)
      fail(value,
           fmt::format("tensor {} has {} dimensions, more than {}", shown(name), value.items.size(), most_dimensions));
    std::vector<std::uint64_t> result;
    for (const PickleId id : value.items) result.push_back(count(pickle_[id], what, name));
    return result;
  }

  /// `bytes` more are read or allocated on behalf of the tensor.
  void charge(const PickleValue& value, const std::string& name, const Checked& bytes) {
    const std::uint64_t most = file_.size() > UINT64_MAX / most_unfolded ? UINT64_MAX : most_unfolded * file_.size();
    if (!bytes.good || bytes.value > most - charged_)
      fail(value,
           fmt::format("tensor {}: the tensors up to here unfold to more than {} times the file's size", shown(name),
                       most_unfolded),
           "save copies instead of expanded views: tensor.clone().contiguous()");
    charged_ += bytes.value;
  }

  Tensor tensor(const std::string& name, const PickleValue& value);
  /// The part of the file's storage that a tensor may lie in: all of it, or a view of it (PyTorch before 0.4).
  Storage storage_of(const PickleValue& reference, const std::string& name) const;

  const io::InputFile& file_;
  const Pickle& pickle_;
  const Storages& storages_;
  std::uint64_t charged_ = 0;
};

Storage Taker::storage_of(const PickleValue& reference, const std::string& name) const {
  Storage storage = storages_.at(pickle_[reference.items[1]].text);
  if (reference.items.size() < 5 || pickle_[reference.items[4]].is(Kind::none)) return storage;
  const PickleValue& view = pickle_[reference.items[4]];  // its own key, first value, number of values
  if (!view.is(Kind::tuple) || view.items.size() != 3)
    fail(view, fmt::format("tensor {}: the view of a storage is {}", shown(name), described(view)), damaged);
  const std::uint64_t first = count(pickle_[view.items[1]], "the first value of a view", name);
  const std::uint64_t size = count(pickle_[view.items[2]], "the size of a view", name);
  if (first > storage.count || size > storage.count - first)
    fail(view,
         fmt::format("tensor {}: a view of {} values from value {} on goes beyond its storage of {}", shown(name), size,
                     first, storage.count),
         damaged);
  storage.offset += first * width(storage.type);
  storage.count = size;
  return storage;
}

/// Copies the values at all indices below `shape` out of `from`, whose value 0 is that of the index 0.
void gather(const std::vector<std::byte>& from, const std::vector<std::uint64_t>& strides, Tensor& tensor) {
  const std::size_t bytes = width(tensor.type), rank = tensor.shape.size();
  std::vector<std::uint64_t> index(rank, 0);
  std::uint64_t source = 0;
  for (std::size_t to = 0; to < tensor.bytes.size(); to += bytes) {
    std::memcpy(tensor.bytes.data() + to, from.data() + source * bytes, bytes);
    for (std::size_t d = rank; d-- > 0;) {
      source += strides[d];
      if (++index[d] < tensor.shape[d]) break;
      source -= strides[d] * tensor.shape[d];
      index[d] = 0;
    }
  }
}

bool is_row_major(const std::vector<std::uint64_t>& shape, const std::vector<std::uint64_t>& strides) {
  std::uint64_t expected = 1;
  for (std::size_t d = shape.size(); d-- > 0; expected *= shape[d])
    if (shape[d] != 1 && strides[d] != expected) return false;
  return true;
}

Tensor Taker::tensor(const std::string& name, const PickleValue& value) {
  const Storage storage = storage_of(pickle_[value.items[0]], name);
  const std::uint64_t offset = count(pickle_[value.items[1]], "its place in the storage", name);
  Tensor result{storage.type, counts(pickle_[value.items[2]], "sizes", name), {}};
  const std::vector<std::uint64_t> strides = counts(pickle_[value.items[3]], "strides", name);
  if (strides.size() != result.shape.size())
    fail(value, fmt::format("tensor {} has {} sizes and {} strides", shown(name), result.shape.size(), strides.size()),
         damaged);
  if (std::find(result.shape.begin(), result.shape.end(), 0u) != result.shape.end()) return result;

  Checked values{1}, span{1};  // span: from the first value to the last, with what lies between
  for (std::size_t d = 0; d < strides.size(); ++d) {
    values.multiply(result.shape[d]);
    Checked reach{result.shape[d] - 1};
    reach.multiply(strides[d]);
    span.good = span.good && reach.good;
    span.add(reach.value);
  }
  if (!span.good || offset > storage.count || span.value > storage.count - offset)
    fail(value,
         fmt::format("tensor {} ({}, strides {}) goes beyond its storage of {} values", shown(name),
                     fmt::join(result.shape, " x "), fmt::join(strides, ", "), storage.count),
         damaged);
  const std::uint64_t bytes = width(storage.type), begin = storage.offset + offset * bytes;
  const bool row_major = values.good && is_row_major(result.shape, strides);
  charge(value, name, values.multiply(bytes));
  if (!row_major) charge(value, name, span.multiply(bytes));

  result.bytes.resize(values.value);
  if (row_major) {
    file_.read_at(begin, result.bytes.data(), result.bytes.size());
  } else {
    std::vector<std::byte> stored(span.value);
    file_.read_at(begin, stored.data(), stored.size());
    gather(stored, strides, result);
  }
  return result;
}

}  // namespace

Storages named_storages(const io::InputFile& file, const Pickle& pickle) {
  Storages storages;
  for (const PickleValue& value : pickle.values) {
    if (!value.is(Kind::storage)) continue;
    const PickleValue &type = pickle[value.items[0]], &key = pickle[value.items[1]], &size = pickle[value.items[3]];
    const std::optional<TensorType> known = type.is(Kind::global) ? storage_type(type.text) : std::nullopt;
    if (!known)
      fail_at(file, value.position, fmt::format("the type of a storage is {}", described(type)),
              "save the tensors as one of PyTorch's plain types");
    if (!key.is(Kind::string))
      fail_at(file, value.position, fmt::format("the key of a storage is {}", described(key)), damaged);
    std::uint64_t bytes = 0;
    if (!size.is(Kind::integer) || size.integer < 0 ||
        __builtin_mul_overflow(static_cast<std::uint64_t>(size.integer), width(*known), &bytes) || bytes > file.size())
      fail_at(file, value.position,
              fmt::format("storage {} is said to hold {} values, the file has {} bytes", shown(key.text),
                          size.is(Kind::integer) ? std::to_string(size.integer) : described(size), file.size()),
              "the file is truncated or damaged: make or fetch it again");
    const Storage described_here{*known, static_cast<std::uint64_t>(size.integer), 0};
    const Storage& before = storages.emplace(key.text, described_here).first->second;
    if (before.type != described_here.type || before.count != described_here.count)
      fail_at(file, value.position,
              fmt::format("storage {} is said to hold {} {} and {} {}", shown(key.text), before.count,
                          lowshot::name(before.type), described_here.count, lowshot::name(described_here.type)),
              damaged);
  }
  return storages;
}

NamedTensors take_tensors(const io::InputFile& file, const Pickle& pickle, const Storages& storages) {
  return Taker(file, pickle, storages).take();
}

}  // namespace lowshot::checkpoint
