// A checkpoint's tensors put into an architecture, and batch norms folded into the convolutions before them.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "lowshot/error.h"
#include "lowshot/network.h"

namespace lowshot {
namespace {

using Shape = std::vector<std::uint64_t>;

constexpr double batch_norm_epsilon = 1e-5;  // PyTorch's default, with which the networks were trained

// Every tensor that the layers need, by name and shape.
void for_each_tensor(const Convolution& c, const std::function<void(const std::string&, const Shape&)>& visit) {
  visit(c.name + ".weight", {c.out, c.in, c.kernel, c.kernel});
  if (c.has_bias) visit(c.name + ".bias", {c.out});
  if (c.batch_norm.empty()) return;
  for (const char* part : {".weight", ".bias", ".running_mean", ".running_var"}) visit(c.batch_norm + part, {c.out});
}

template <typename Net, typename Visit>
void for_each_convolution(Net& net, const Visit& visit) {
  visit(net.stem);
  for (auto& block : net.blocks) {
    for (auto& c : block.path) visit(c);
    for (auto& c : block.shortcut) visit(c);
  }
}

std::string text(const Shape& shape) {
  return shape.empty() ? "a single value" : fmt::format("{}", fmt::join(shape, " x "));
}

// What training leaves beside the weights, and the classifier, which a descriptor has no use for.
bool is_ignored(const std::string& name) {
  const auto ends_with = [&](std::string_view end) {
    return name.size() >= end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
  };
  return ends_with(".num_batches_tracked") || name == "module.classifier.weight" || name == "module.classifier.bias";
}

ModelCheck compare(const ResNet& net, const NamedTensors& tensors) {
  ModelCheck check;
  check.recognised = net.name;
  std::set<std::string> known;
  for_each_convolution(net, [&](const Convolution& c) {
    for_each_tensor(c, [&](const std::string& name, const Shape& shape) {
      known.insert(name);
      const auto found = tensors.find(name);
      if (found == tensors.end())
        check.missing.push_back(name);
      else if (found->second.shape != shape)
        check.mismatched.push_back(fmt::format("{} is {}, must be {}", name, text(found->second.shape), text(shape)));
    });
  });
  for (const auto& [name, tensor] : tensors)
    if (known.count(name) == 0 && !is_ignored(name)) check.extra.push_back(name);
  return check;
}

std::size_t differences(const ModelCheck& check) {
  return check.missing.size() + check.extra.size() + check.mismatched.size();
}

std::vector<float> values(const NamedTensors& tensors, const std::string& name, const std::string& where) {
  std::vector<float> v = tensors.at(name).float_values();
  const auto bad = std::find_if(v.begin(), v.end(), [](float x) { return !std::isfinite(x); });
  if (bad != v.end())
    throw Error(ErrorKind::input, fmt::format("value {} of {} is {}", bad - v.begin(), name, *bad), where,
                "the checkpoint is damaged, or its training diverged");
  return v;
}

// y = g (conv(x) + b - mean) / sqrt(var + eps) + shift is a convolution with scaled weights and another bias.
void fill(Convolution& c, const NamedTensors& tensors, const std::string& where) {
  c.weights = values(tensors, c.name + ".weight", where);
  c.bias = c.has_bias ? values(tensors, c.name + ".bias", where) : std::vector<float>(c.out, 0.0F);
  if (c.batch_norm.empty()) return;
  const auto part = [&](const char* name) { return values(tensors, c.batch_norm + name, where); };
  const std::vector<float> gain = part(".weight"), shift = part(".bias"), mean = part(".running_mean"),
                           variance = part(".running_var");
  const std::size_t per_channel = c.weights.size() / c.out;
  for (std::size_t o = 0; o < c.out; ++o) {
    if (variance[o] < 0)
      throw Error(ErrorKind::input,
                  fmt::format("value {} of {}.running_var is {}, below 0", o, c.batch_norm, variance[o]), where,
                  "the checkpoint is damaged");
    const double scale = gain[o] / std::sqrt(variance[o] + batch_norm_epsilon);
    for (std::size_t i = 0; i < per_channel; ++i) {
      float& w = c.weights[o * per_channel + i];
      w = static_cast<float>(w * scale);
    }
    c.bias[o] = static_cast<float>((double{c.bias[o]} - mean[o]) * scale + shift[o]);
  }
}

std::string some(const std::vector<std::string>& names) {
  constexpr std::size_t shown = 3;
  const std::vector<std::string> first(names.begin(), names.begin() + std::min(names.size(), shown));
  return names.size() <= shown ? fmt::format("{}", fmt::join(first, ", "))
                               : fmt::format("{} and {} more", fmt::join(first, ", "), names.size() - shown);
}

}  // namespace

ModelCheck check_model(const NamedTensors& tensors) {
  ModelCheck best;
  std::size_t fewest = SIZE_MAX;
  for (const std::string& name : resnet_names()) {
    const ResNet net = resnet_architecture(name);
    ModelCheck check = compare(net, tensors);
    if (differences(check) >= fewest) continue;
    fewest = differences(check);
    best = std::move(check);
  }
  // Not one of its tensors is there: another kind of network.
  std::size_t needed = 0;
  const ResNet net = resnet_architecture(best.recognised);
  for_each_convolution(net,
                       [&](const Convolution& c) { for_each_tensor(c, [&](const auto&, const auto&) { ++needed; }); });
  if (best.missing.size() == needed) best.recognised.clear();
  return best;
}

ResNet load_resnet(const std::string& name, const NamedTensors& tensors, const std::string& where) {
  ResNet net = resnet_architecture(name);
  const ModelCheck check = compare(net, tensors);
  if (!check.missing.empty() || !check.mismatched.empty()) {
    std::vector<std::string> found;
    if (!check.missing.empty())
      found.push_back(fmt::format("{} of its tensors are missing ({})", check.missing.size(), some(check.missing)));
    if (!check.mismatched.empty())
      found.push_back(fmt::format("{} have another shape ({})", check.mismatched.size(), some(check.mismatched)));
    const std::string likely = check_model(tensors).recognised;
    throw Error(ErrorKind::input, fmt::format("this is no {}: {}", name, fmt::join(found, ", and ")), where,
                likely.empty()   ? "it holds another kind of network"
                : likely == name ? "the checkpoint is incomplete or damaged"
                                 : fmt::format("it looks like {}: use --model {}", likely, likely));
  }
  // Layers of the trunk that the architecture lacks make it another network; other heads beside it do no harm.
  const auto more = std::find_if(check.extra.begin(), check.extra.end(),
                                 [](const std::string& n) { return n.rfind("module.trunk.", 0) == 0; });
  if (more != check.extra.end())
    throw Error(ErrorKind::input, fmt::format("this is more than a {}: it has a layer {}", name, *more), where,
                fmt::format("it looks like {}: use --model {}", check_model(tensors).recognised,
                            check_model(tensors).recognised));
  for_each_convolution(net, [&](Convolution& c) { fill(c, tensors, where); });
  return net;
}

}  // namespace lowshot
