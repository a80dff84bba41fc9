// The machine: a stack of values, marks in it, a memo. Source: the documentation of Python's pickletools, whose names
// the opcodes have here.
//
// REDUCE calls a function in Python; here it knows what the few allowed ones would make of their arguments. BUILD sets
// attributes; it is known for an OrderedDict only (a module's state_dict carries _metadata that way), and read over.
#include "checkpoint/pickle.h"
#include "checkpoint/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <unordered_map>

#include "checkpoint/byte_source.h"

namespace lowshot::checkpoint {
namespace {

using Kind = PickleValue::Kind;

// A checkpoint of 1,000 tensors with its optimiser has about 50,000 values. 4 million of 88 bytes are 370 MB, and take
// a file of at least 4 MB of opcodes.
constexpr std::size_t most_values = 1 << 22;

constexpr std::string_view save_weights_only =
    "if you trust the file, load it with PyTorch and save the weights alone: torch.save(model.state_dict(), FILE)";
constexpr std::string_view damaged = "the file is damaged: make or fetch it again";

constexpr std::array<std::string_view, 17> allowed_globals{"collections.OrderedDict",
                                                           "torch._utils._rebuild_tensor",
                                                           "torch._utils._rebuild_tensor_v2",
                                                           "torch._utils._rebuild_parameter",
                                                           "torch.Size",
                                                           "torch.FloatStorage",
                                                           "torch.DoubleStorage",
                                                           "torch.HalfStorage",
                                                           "torch.BFloat16Storage",
                                                           "torch.LongStorage",
                                                           "torch.IntStorage",
                                                           "torch.ShortStorage",
                                                           "torch.CharStorage",
                                                           "torch.ByteStorage",
                                                           "torch.BoolStorage",
                                                           "torch.storage.TypedStorage",
                                                           "torch.storage.UntypedStorage"};

class Machine {
 public:
  Machine(const io::InputFile& file, std::uint64_t begin, std::uint64_t end)
      : begin_(begin), source_(file, begin, end) {}

  Pickle run() {
    at_ = source_.position();
    if (source_.byte() != 0x80) fail("no pickle of protocol 2 or later begins here", std::string(damaged));
    protocol();
    bool running = true;
    while (running) {
      at_ = source_.position();
      running = step(source_.byte());
    }
    pickle_.end = source_.position();
    require_no_circles();
    return std::move(pickle_);
  }

 private:
  [[noreturn]] void fail(const std::string& what, const std::string& advice = {}) const {
    fail_at(source_.file(), at_, what, advice);
  }

  bool step(std::uint8_t opcode);
  void protocol() {
    const unsigned version = source_.byte();
    if (version < 2 || version > 5)
      fail(fmt::format("a pickle of protocol {}, expected 2 to 5", version), "save the checkpoint again with PyTorch");
  }

  // --- values and stack
  PickleId add(Kind kind) {
    if (pickle_.values.size() >= most_values)
      fail(fmt::format("the pickle has more than {} values, which no checkpoint of weights has", most_values),
           std::string(save_weights_only));
    pickle_.values.push_back({.kind = kind, .position = at_, .text = {}, .items = {}});
    return static_cast<PickleId>(pickle_.values.size() - 1);
  }
  void push(PickleId id) {
    if (stack_.size() >= most_values) fail(fmt::format("the pickle's stack is deeper than {} values", most_values));
    stack_.push_back(id);
  }
  PickleValue& push_new(Kind kind) {
    push(add(kind));
    return pickle_.values.back();
  }
  void push_integer(std::int64_t value) { push_new(Kind::integer).integer = value; }
  void push_text(Kind kind, std::uint64_t length) {
    std::string text = source_.text(length);
    push_new(kind).text = std::move(text);
  }
  void push_long(std::uint64_t length);
  void push_tuple(std::size_t count);

  /// Values above the topmost mark are an opcode's own; it cannot reach below.
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  void require_stack(std::size_t count) const {
    if (stack_.size() - floor() < count)
      fail("the pickle's stack is empty where values are expected", std::string(damaged));
  }
  PickleId pop() {
    require_stack(1);
    const PickleId id = stack_.back();
    stack_.pop_back();
    return id;
  }
  PickleValue& top() {
    require_stack(1);
    return pickle_.values[stack_.back()];
  }
  /// Takes off what is above the topmost mark, and the mark.
  std::vector<PickleId> pop_marked() {
    if (marks_.empty()) fail("the pickle lacks a mark where one is expected", std::string(damaged));
    std::vector<PickleId> items(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }

  // --- memo
  void put(std::uint64_t place) {
    require_stack(1);
    if (memo_.size() >= most_values) fail(fmt::format("the pickle's memo has more than {} values", most_values));
    memo_[place] = stack_.back();
  }
  void get(std::uint64_t place) {
    const auto found = memo_.find(place);
    if (found == memo_.end())
      fail(fmt::format("the pickle asks for value {} of its memo, which is empty", place), std::string(damaged));
    push(found->second);
  }

  // --- what is more than a value
  void append(const std::vector<PickleId>& items);
  void set_items(const std::vector<PickleId>& items);
  void persistent_id();
  void global(const std::string& module, const std::string& name);
  void reduce();
  void ordered_dict(const PickleValue& arguments);
  void build();
  void require_no_circles() const;

  std::uint64_t begin_;
  ByteSource source_;
  std::uint64_t at_ = 0;  // where the opcode at work begins
  Pickle pickle_;
  std::vector<PickleId> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, PickleId> memo_;
  std::uint64_t copied_ = 0;  // pairs that OrderedDict copied out of lists
};

/// One opcode; false for STOP.
bool Machine::step(std::uint8_t opcode) {
  switch (opcode) {
    case 0x80:  // PROTO
      protocol();
      break;
    case 0x95:  // FRAME: so many bytes follow; they are opcodes like all others
      source_.require(source_.number(8));
      break;
    case '.':  // STOP
      pickle_.top = pop();
      if (!stack_.empty() || !marks_.empty()) fail("the pickle ends with more than one value", std::string(damaged));
      return false;
    case 'N':  // NONE
      push_new(Kind::none);
      break;
    case 0x88:  // NEWTRUE
    case 0x89:  // NEWFALSE
      push_new(Kind::boolean).integer = opcode == 0x88 ? 1 : 0;
      break;
    case 'J':  // BININT
      push_integer(static_cast<std::int32_t>(source_.number(4)));
      break;
    case 'K':  // BININT1
      push_integer(static_cast<std::int64_t>(source_.number(1)));
      break;
    case 'M':  // BININT2
      push_integer(static_cast<std::int64_t>(source_.number(2)));
      break;
    case 0x8a:  // LONG1
      push_long(source_.number(1));
      break;
    case 0x8b:  // LONG4
      push_long(source_.number(4));
      break;
    case 'G': {  // BINFLOAT, the one big-endian number
      const std::uint64_t bits = __builtin_bswap64(source_.number(8));
      push_new(Kind::real).real = std::bit_cast<double>(bits);
      break;
    }
    case 0x8c:  // SHORT_BINUNICODE
    case 'U':   // SHORT_BINSTRING
      push_text(Kind::string, source_.number(1));
      break;
    case 'X':  // BINUNICODE
    case 'T':  // BINSTRING
      push_text(Kind::string, source_.number(4));
      break;
    case 0x8d:  // BINUNICODE8
      push_text(Kind::string, source_.number(8));
      break;
    case 'C':  // SHORT_BINBYTES
      push_text(Kind::bytes, source_.number(1));
      break;
    case 'B':  // BINBYTES
      push_text(Kind::bytes, source_.number(4));
      break;
    case 0x8e:  // BINBYTES8
    case 0x96:  // BYTEARRAY8
      push_text(Kind::bytes, source_.number(8));
      break;
    case ']':  // EMPTY_LIST
      push_new(Kind::list);
      break;
    case ')':  // EMPTY_TUPLE
      push_new(Kind::tuple);
      break;
    case '}':  // EMPTY_DICT
      push_new(Kind::dict);
      break;
    case 0x85:  // TUPLE1
    case 0x86:  // TUPLE2
    case 0x87:  // TUPLE3
      push_tuple(opcode - 0x84u);
      break;
    case 't': {  // TUPLE
      std::vector<PickleId> items = pop_marked();
      push_new(Kind::tuple).items = std::move(items);
      break;
    }
    case '(':  // MARK
      if (marks_.size() >= most_values) fail(fmt::format("the pickle has more than {} marks", most_values));
      marks_.push_back(stack_.size());
      break;
    case '0':  // POP
      pop();
      break;
    case '1':  // POP_MARK
      pop_marked();
      break;
    case 'a':  // APPEND
      append({pop()});
      break;
    case 'e':  // APPENDS
      append(pop_marked());
      break;
    case 's': {  // SETITEM
      const PickleId value = pop();
      set_items({pop(), value});
      break;
    }
    case 'u':  // SETITEMS
      set_items(pop_marked());
      break;
    case 'q':  // BINPUT
      put(source_.number(1));
      break;
    case 'r':  // LONG_BINPUT
      put(source_.number(4));
      break;
    case 0x94:  // MEMOIZE
      put(memo_.size());
      break;
    case 'h':  // BINGET
      get(source_.number(1));
      break;
    case 'j':  // LONG_BINGET
      get(source_.number(4));
      break;
    case 'c': {  // GLOBAL
      const std::string module = source_.line();
      global(module, source_.line());
      break;
    }
    case 0x93: {  // STACK_GLOBAL
      const PickleId name = pop(), module = pop();
      const auto &n = pickle_[name], &m = pickle_[module];
      if (!n.is(Kind::string) || !m.is(Kind::string))
        fail("a name in the pickle is not a string", std::string(damaged));
      global(m.text, n.text);
      break;
    }
    case 'Q':  // BINPERSID
      persistent_id();
      break;
    case 'R':  // REDUCE
      reduce();
      break;
    case 'b':  // BUILD
      build();
      break;
    default: {
      const std::string_view name = opcode_name(opcode);
      if (name.empty()) fail(fmt::format("byte {:#04x} is no opcode of pickle", opcode), std::string(damaged));
      fail(fmt::format("the checkpoint uses pickle's {}, which no dict of tensors needs and which is not run here",
                       name),
           std::string(save_weights_only));
    }
  }
  return true;
}

void Machine::push_long(std::uint64_t length) {
  if (length > 8) return push_text(Kind::big_integer, length);
  std::uint64_t value = source_.number(static_cast<unsigned>(length));
  const unsigned bits = static_cast<unsigned>(8 * length);
  if (bits > 0 && bits < 64 && (value >> (bits - 1) & 1) != 0) value |= ~std::uint64_t{0} << bits;
  push_integer(static_cast<std::int64_t>(value));
}

void Machine::push_tuple(std::size_t count) {
  require_stack(count);
  std::vector<PickleId> items(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
  stack_.resize(stack_.size() - count);
  push_new(Kind::tuple).items = std::move(items);
}

void Machine::append(const std::vector<PickleId>& items) {
  PickleValue& list = top();
  if (!list.is(Kind::list)) fail(fmt::format("the pickle appends to {}", described(list)), std::string(damaged));
  list.items.insert(list.items.end(), items.begin(), items.end());
}

void Machine::set_items(const std::vector<PickleId>& items) {
  PickleValue& dict = top();
  if (!dict.is_dict()) fail(fmt::format("the pickle sets a key of {}", described(dict)), std::string(damaged));
  if (items.size() % 2 != 0) fail("a dict's last key has no value", std::string(damaged));
  dict.items.insert(dict.items.end(), items.begin(), items.end());
}

void Machine::persistent_id() {
  const PickleId id = pop();
  const std::vector<PickleId>& words = pickle_[id].items;
  if (!pickle_[id].is(Kind::tuple) || words.empty() || !pickle_[words[0]].is(Kind::string))
    fail("the pickle refers to something outside it that is no storage", std::string(save_weights_only));
  if (pickle_[words[0]].text != "storage")
    fail(fmt::format("the checkpoint holds {}, only storages of tensors are read", described(pickle_[words[0]])),
         std::string(save_weights_only));
  if (words.size() != 5 && words.size() != 6)
    fail(fmt::format("a storage is described by {} values, expected 5 or 6", words.size()), std::string(damaged));
  std::vector<PickleId> items(words.begin() + 1, words.end());
  push_new(Kind::storage).items = std::move(items);
}

void Machine::global(const std::string& module, const std::string& name) {
  std::string full = module + "." + name;
  if (std::find(allowed_globals.begin(), allowed_globals.end(), full) == allowed_globals.end())
    fail(fmt::format("the checkpoint asks for {}, which is more than tensors in dicts, and is not run here",
                     shown(full)),
         std::string(save_weights_only));
  push_new(Kind::global).text = std::move(full);
}

void Machine::reduce() {
  const PickleId arguments_id = pop(), function_id = pop();
  const PickleValue &function = pickle_[function_id], &arguments = pickle_[arguments_id];
  if (!function.is(Kind::global) || !arguments.is(Kind::tuple))
    fail(fmt::format("the pickle calls {} with {}", described(function), described(arguments)), std::string(damaged));
  const std::size_t count = arguments.items.size();
  const auto require_arguments = [&](bool good) {
    if (!good) fail(fmt::format("{} is called with {} arguments", function.text, count), std::string(damaged));
  };
  const auto require_argument = [&](bool good, const char* expected) {
    if (!good)
      fail(fmt::format("{} is given {}, expected {}", function.text, described(pickle_[arguments.items[0]]), expected),
           std::string(damaged));
  };
  if (function.text == "collections.OrderedDict") {
    require_arguments(count <= 1);
    ordered_dict(arguments);
  } else if (function.text == "torch.Size") {
    require_arguments(count == 1);
    require_argument(pickle_[arguments.items[0]].is(Kind::tuple), "a tuple");
    push(arguments.items[0]);
  } else if (function.text == "torch._utils._rebuild_parameter") {
    require_arguments(count == 3);
    require_argument(pickle_[arguments.items[0]].is(Kind::tensor), "a tensor");
    push(arguments.items[0]);
  } else if (function.text.starts_with("torch._utils._rebuild_tensor")) {
    // storage, offset, shape, strides [, requires_grad, backward hooks [, metadata]]
    require_arguments(function.text.ends_with("_v2") ? count == 6 || count == 7 : count == 4);
    require_argument(pickle_[arguments.items[0]].is(Kind::storage), "a storage");
    std::vector<PickleId> items(arguments.items.begin(), arguments.items.begin() + 4);
    push_new(Kind::tensor).items = std::move(items);
  } else {
    fail(fmt::format("the checkpoint calls {}, which is not run here", function.text), std::string(save_weights_only));
  }
}

/// OrderedDict() or, from Python 2, OrderedDict([[key, value], ..]).
void Machine::ordered_dict(const PickleValue& arguments) {
  std::vector<PickleId> items;
  if (!arguments.items.empty()) {
    const PickleValue& pairs = pickle_[arguments.items[0]];
    if (!pairs.is(Kind::list))
      fail(fmt::format("an OrderedDict is made of {}, expected a list", described(pairs)), std::string(damaged));
    // The same list may be named again in three bytes: copies are bounded by the pickle's own length.
    copied_ += pairs.items.size();
    if (copied_ > source_.position() - begin_)
      fail("the pickle makes more keys than it has bytes", std::string(damaged));
    for (const PickleId id : pairs.items) {
      const PickleValue& pair = pickle_[id];
      if ((!pair.is(Kind::list) && !pair.is(Kind::tuple)) || pair.items.size() != 2)
        fail(fmt::format("an OrderedDict is made of {}, expected a pair", described(pair)), std::string(damaged));
      items.insert(items.end(), pair.items.begin(), pair.items.end());
    }
  }
  push_new(Kind::ordered_dict).items = std::move(items);
}

void Machine::build() {
  const PickleValue& state = pickle_[pop()];
  if (!top().is(Kind::ordered_dict) || !state.is_dict())
    fail(fmt::format("the checkpoint uses pickle's BUILD on {} with {}; it is known here for an OrderedDict only",
                     described(top()), described(state)),
         std::string(save_weights_only));
}

/// Depth first with an explicit stack; every value and every reference is looked at once.
void Machine::require_no_circles() const {
  enum : std::uint8_t { unseen, open, done };
  std::vector<std::uint8_t> state(pickle_.values.size(), unseen);
  std::vector<std::pair<PickleId, std::size_t>> path;  // a value and how many of its items were looked at
  for (std::size_t start = 0; start < state.size(); ++start) {
    if (state[start] != unseen) continue;
    path.emplace_back(static_cast<PickleId>(start), 0);
    state[start] = open;
    while (!path.empty()) {
      auto& [id, looked_at] = path.back();
      const std::vector<PickleId>& items = pickle_[id].items;
      if (looked_at == items.size()) {
        state[id] = done;
        path.pop_back();
        continue;
      }
      const PickleId next = items[looked_at++];
      if (state[next] == open)
        fail_at(source_.file(), pickle_[next].position,
                fmt::format("the pickle holds {} that contains itself", described(pickle_[next])),
                std::string(save_weights_only));
      if (state[next] == unseen) {
        state[next] = open;
        path.emplace_back(next, 0);
      }
    }
  }
}

}  // namespace

const PickleValue* Pickle::find(const PickleValue& dict, std::string_view key) const {
  for (std::size_t i = dict.items.size(); i >= 2; i -= 2) {
    const PickleValue& k = values[dict.items[i - 2]];
    if (k.is(Kind::string) && k.text == key) return &values[dict.items[i - 1]];
  }
  return nullptr;
}

Pickle read_pickle(const io::InputFile& file, std::uint64_t begin, std::uint64_t end) {
  return Machine(file, begin, end).run();
}

std::string described(const PickleValue& value) {
  switch (value.kind) {
    case Kind::none:
      return "None";
    case Kind::boolean:
      return value.integer != 0 ? "True" : "False";
    case Kind::integer:
      return fmt::format("the number {}", value.integer);
    case Kind::big_integer:
      return "a number beyond 64 bits";
    case Kind::real:
      return fmt::format("the number {}", value.real);
    case Kind::string:
      return "the string " + shown(value.text);
    case Kind::bytes:
      return "a bytes object";
    case Kind::list:
      return "a list";
    case Kind::tuple:
      return "a tuple";
    case Kind::dict:
      return "a dict";
    case Kind::ordered_dict:
      return "an OrderedDict";
    case Kind::global:
      return value.text;
    case Kind::storage:
      return "a storage";
    case Kind::tensor:
      return "a tensor";
  }
  return "";
}

}  // namespace lowshot::checkpoint
