// ResNets on the CPU through oneDNN, float32, in its blocked layouts.
//
// Threads share the weights and take groups of images from a common count; within a group the library runs on one
// thread. So no layer ends in a barrier that a busy core could hold up (image decoding goes on beside), groups are
// computed the same way whatever the number of threads, and a thread's activations stay near its core.
#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <cstring>
#include <dnnl.hpp>
#include <memory>
#include <unordered_map>
#include <utility>

#include "lowshot/allocation.h"
#include "lowshot/error.h"
#include "lowshot/memory.h"
#include "lowshot/network.h"
#include "network/input_values.h"

namespace lowshot {
namespace {

using dnnl::memory;  // but dnnl::memory within CpuNetwork, whose memory() is another thing

// Images of a group. ResNet-50 on two cores of a Zen 5 at 1 / 2 / 3 / 4 / 8: 55.7 / 56.3 / 55.7 / 54.7 / 54.5 images/s:
// the largest activations of two images (13 MB) stay in a core's share of the cache.
constexpr std::uint32_t group = 2;

// A batch has several groups a thread, so that a thread that a busy core held up does not keep the others waiting long.
constexpr std::uint32_t groups_a_thread = 8;

// oneDNN plans and runs a primitive for as many threads as OpenMP would use: one, here. (A parallel region of one
// thread does not count as parallel, so running needs it as well as planning.)
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

memory::dims image_dims(std::uint32_t channels, std::uint32_t side) {
  return {memory::dim{group}, memory::dim{channels}, memory::dim{side}, memory::dim{side}};
}

struct Window {
  std::uint32_t kernel, stride, pad;
};

// oneDNN 3 took away the scale of post-operations and the descriptions of operations that versions 1 and 2 build
// primitives from.
void append_relu(dnnl::post_ops& post) {
#if DNNL_VERSION_MAJOR >= 3
  post.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0F, 0.0F);
#else
  post.append_eltwise(1.0F, dnnl::algorithm::eltwise_relu, 0.0F, 0.0F);
#endif
}

dnnl::convolution_forward::primitive_desc convolution_description(const dnnl::engine& engine, const Convolution& c,
                                                                  const memory::desc& source,
                                                                  const memory::desc& weights, const memory::desc& bias,
                                                                  const memory::desc& destination,
                                                                  const dnnl::primitive_attr& attributes) {
  const auto kind = dnnl::prop_kind::forward_inference;
  const auto algorithm = dnnl::algorithm::convolution_direct;
  const memory::dims strides{c.stride, c.stride}, pad{c.pad, c.pad};
#if DNNL_VERSION_MAJOR >= 3
  return {engine, kind, algorithm, source, weights, bias, destination, strides, pad, pad, attributes};
#else
  return {{kind, algorithm, source, weights, bias, destination, strides, pad, pad}, attributes, engine};
#endif
}

dnnl::pooling_forward::primitive_desc pooling_description(const dnnl::engine& engine, dnnl::algorithm algorithm,
                                                          const memory::desc& source, const memory::desc& destination,
                                                          const Window& w, const dnnl::primitive_attr& attributes) {
  const auto kind = dnnl::prop_kind::forward_inference;
  const memory::dims strides{w.stride, w.stride}, window{w.kernel, w.kernel}, pad{w.pad, w.pad};
#if DNNL_VERSION_MAJOR >= 3
  return {engine, kind, algorithm, source, destination, strides, window, {0, 0}, pad, pad, attributes};
#else
  return {{kind, algorithm, source, destination, strides, window, pad, pad}, attributes, engine};
#endif
}

// Host memory on large pages where it fills some: 3 % more images a second (ResNet-50, two cores of a Zen 5).
class PagedMemory {
 public:
  explicit PagedMemory(std::size_t bytes) : data_(allocate_array(bytes)), bytes_(bytes) {}
  std::uint8_t* data() const { return static_cast<std::uint8_t*>(data_.get()); }
  std::size_t size() const { return bytes_; }

 private:
  struct Free {
    void operator()(void* p) const { free_array(p); }
  };
  std::unique_ptr<void, Free> data_;
  std::size_t bytes_;
};

// A step of the network: a primitive, its weights and where its arguments lie among a thread's activations.
struct Step {
  dnnl::primitive primitive;
  memory weights, bias;  // empty for pools and reorders
  std::size_t source = 0, destination = 0;
  memory::desc scratchpad;
};

// Activations by number; a convolution that is added to an earlier activation takes over its buffer.
struct Plan {
  std::vector<Step> steps;
  std::vector<memory::desc> values;  // shape and layout of each activation
  std::vector<std::size_t> buffer;   // which buffer holds it
  std::size_t buffers = 0;
};

std::vector<std::size_t> buffer_bytes(const Plan& plan) {
  std::vector<std::size_t> bytes(plan.buffers, 0);
  for (std::size_t v = 0; v < plan.values.size(); ++v)
    bytes[plan.buffer[v]] = std::max(bytes[plan.buffer[v]], plan.values[v].get_size());
  return bytes;
}

// Buffers that are never needed at the same time become one: the fewer bytes a thread goes through, the more of them
// stay in its cache. `output`: the value that is needed after the last step.
void share_buffers(Plan& plan, std::size_t output) {
  const std::vector<std::size_t> bytes = buffer_bytes(plan);
  std::vector<std::size_t> first(plan.buffers, plan.steps.size()), last(plan.buffers, 0);
  const auto used = [&](std::size_t value, std::size_t step) {
    first[plan.buffer[value]] = std::min(first[plan.buffer[value]], step);
    last[plan.buffer[value]] = std::max(last[plan.buffer[value]], step);
  };
  for (std::size_t s = 0; s < plan.steps.size(); ++s) {
    used(plan.steps[s].source, s);
    used(plan.steps[s].destination, s);
  }
  used(output, plan.steps.size());

  struct Shared {
    std::size_t bytes, free_after;
  };
  std::vector<Shared> shared;
  std::vector<std::size_t> place(plan.buffers);
  // Buffers are numbered in the order of their first use. Of those that are free the one whose size is nearest.
  for (std::size_t b = 0; b < plan.buffers; ++b) {
    std::size_t best = shared.size(), best_distance = SIZE_MAX;
    for (std::size_t i = 0; i < shared.size(); ++i) {
      const std::size_t distance = shared[i].bytes > bytes[b] ? shared[i].bytes - bytes[b] : bytes[b] - shared[i].bytes;
      if (shared[i].free_after >= first[b] || distance >= best_distance) continue;
      best = i;
      best_distance = distance;
    }
    if (best == shared.size()) shared.push_back({0, 0});
    shared[best] = {std::max(shared[best].bytes, bytes[b]), last[b]};
    place[b] = best;
  }
  for (std::size_t& b : plan.buffer) b = place[b];
  plan.buffers = shared.size();
}

class Builder {
 public:
  explicit Builder(dnnl::engine engine) : engine_(std::move(engine)), stream_(engine_) {}

  std::size_t add_value(const memory::desc& description, std::size_t buffer) {
    plan.values.push_back(description);
    plan.buffer.push_back(buffer);
    return plan.values.size() - 1;
  }
  std::size_t new_buffer() { return plan.buffers++; }

  // `sum_into`: the convolution's result is added to that value, in its place.
  std::size_t convolve(const Convolution& c, std::size_t source, std::uint32_t side, const std::size_t* sum_into) {
    const std::uint32_t out_side = (side + 2 * c.pad - c.kernel) / c.stride + 1;
    const auto any = memory::format_tag::any;
    const memory::dims weight_dims{c.out, c.in, c.kernel, c.kernel};
    const memory::desc source_md(image_dims(c.in, side), memory::data_type::f32, any);
    const memory::desc weights_md(weight_dims, memory::data_type::f32, any);
    const memory::desc bias_md({memory::dim{c.out}}, memory::data_type::f32, memory::format_tag::x);
    const memory::desc destination_md = sum_into != nullptr
                                            ? plan.values[*sum_into]
                                            : memory::desc(image_dims(c.out, out_side), memory::data_type::f32, any);
    dnnl::primitive_attr attributes = user_scratchpad();
    dnnl::post_ops post;
    if (sum_into != nullptr) post.append_sum(1.0F);
    if (c.relu) append_relu(post);
    attributes.set_post_ops(post);
    const auto description =
        convolution_description(engine_, c, source_md, weights_md, bias_md, destination_md, attributes);
    Step step;
    // The input is written in the layout that the first layer asks for; planes or interleaved.
    const memory::desc interleaved(image_dims(c.in, side), memory::data_type::f32, memory::format_tag::nhwc);
    if (source == 0 && description.src_desc() == interleaved) plan.values[0] = interleaved;
    step.source = in_layout(source, description.src_desc());
    step.primitive = dnnl::convolution_forward(description);
    step.scratchpad = description.scratchpad_desc();
    step.weights = reordered(c.weights, weight_dims, memory::format_tag::oihw, description.weights_desc());
    step.bias = reordered(c.bias, {memory::dim{c.out}}, memory::format_tag::x, description.bias_desc());
    step.destination = sum_into != nullptr ? add_value(description.dst_desc(), plan.buffer[*sum_into])
                                           : add_value(description.dst_desc(), new_buffer());
    plan.steps.push_back(step);
    return step.destination;
  }

  std::size_t pool(dnnl::algorithm algorithm, std::size_t source, std::uint32_t channels, std::uint32_t side,
                   const Window& window) {
    const std::uint32_t out_side = (side + 2 * window.pad - window.kernel) / window.stride + 1;
    const memory::desc destination_md(image_dims(channels, out_side), memory::data_type::f32, memory::format_tag::any);
    const auto description =
        pooling_description(engine_, algorithm, plan.values[source], destination_md, window, user_scratchpad());
    Step step;
    step.source = source;
    step.primitive = dnnl::pooling_forward(description);
    step.scratchpad = description.scratchpad_desc();
    step.destination = add_value(description.dst_desc(), new_buffer());
    plan.steps.push_back(step);
    return step.destination;
  }

  Plan plan;
  std::vector<PagedMemory> weights;  // what the steps' weights and biases look at

 private:
  // Made anew each time: copies of one share its post-operations.
  static dnnl::primitive_attr user_scratchpad() {
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    return attributes;
  }

  std::size_t in_layout(std::size_t value, const memory::desc& wanted) {
    if (plan.values[value] == wanted) return value;
    const dnnl::reorder::primitive_desc description(engine_, plan.values[value], engine_, wanted);
    Step step;
    step.source = value;
    step.primitive = dnnl::reorder(description);
    step.destination = add_value(wanted, new_buffer());
    plan.steps.push_back(step);
    return step.destination;
  }

  memory reordered(const std::vector<float>& values, const memory::dims& dims, memory::format_tag tag,
                   const memory::desc& wanted) {
    memory given({dims, memory::data_type::f32, tag}, engine_, const_cast<float*>(values.data()));
    weights.emplace_back(wanted.get_size());
    memory result(wanted, engine_, weights.back().data());
    dnnl::reorder(given, result).execute(stream_, given, result);
    stream_.wait();
    return result;
  }

  dnnl::engine engine_;
  dnnl::stream stream_;
};

struct Worker {
  std::vector<memory> values;       // one an activation, on shared buffers
  std::vector<memory> scratchpads;  // one a step, on one buffer
  PagedMemory storage;
  dnnl::stream stream;
};

// Which kernels the library chooses: the bits of a descriptor depend on it.
const char* isa_name() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::avx2:
      return "AVX2";
    case dnnl::cpu_isa::avx512_core:
    case dnnl::cpu_isa::avx512_core_vnni:
    case dnnl::cpu_isa::avx512_core_bf16:
    case dnnl::cpu_isa::avx512_core_amx:
      return "AVX-512";
    default:
      return "other instructions";
  }
}

class CpuNetwork final : public Network {
 public:
  CpuNetwork(Context& context, const ResNet& model, const Normalisation& normalisation, std::uint32_t crop,
             std::uint32_t batch)
      : engine_(dnnl::engine::kind::cpu, 0), input_(normalisation), crop_(crop), dim_(model.dim()) {
    // Takes effect before the library's first use in the process; later calls change nothing.
    if (context.isa == Isa::avx2) dnnl::set_max_cpu_isa(dnnl::cpu_isa::avx2);
    threads_ = context.thread_count();
    batch_ = batch != 0 ? batch : static_cast<std::uint32_t>(threads_) * group * groups_a_thread;
    const OneThread one_thread;
    build(model);
    for (int t = 0; t < threads_; ++t) workers_.push_back(make_worker());
    description_ = fmt::format("{} on the CPU, float32 (oneDNN {}.{}.{}, {})", model.name, DNNL_VERSION_MAJOR,
                               DNNL_VERSION_MINOR, DNNL_VERSION_PATCH, isa_name());
  }

  std::uint32_t dim() const override { return dim_; }
  std::uint32_t batch() const override { return batch_; }
  std::uint32_t crop() const override { return crop_; }
  std::uint64_t memory() const override {
    std::uint64_t bytes = 0;
    for (const Worker& w : workers_) bytes += w.storage.size();
    for (const PagedMemory& w : weights_) bytes += w.size();
    return bytes;
  }
  std::string description() const override { return description_; }

  void run(MatrixView<const std::uint8_t> crops, MatrixView<float> out) override {
    const OneThread one_thread;
    const auto groups = static_cast<std::int64_t>((crops.rows() + group - 1) / group);
#pragma omp parallel for num_threads(threads_) schedule(dynamic, 1)
    for (std::int64_t g = 0; g < groups; ++g) {
      const std::size_t begin = static_cast<std::size_t>(g) * group;
      const std::size_t end = std::min(crops.rows(), begin + group);
      run_group(workers_[static_cast<std::size_t>(omp_get_thread_num())], crops.rows(begin, end), out.rows(begin, end));
    }
  }

 private:
  void build(const ResNet& model) {
    Builder b(engine_);
    const memory::desc input_md(image_dims(3, crop_), memory::data_type::f32, memory::format_tag::nchw);
    b.add_value(input_md, b.new_buffer());
    std::size_t x = b.convolve(model.stem, 0, crop_, nullptr);
    std::uint32_t side = (crop_ + 1) / 2;
    x = b.pool(dnnl::algorithm::pooling_max, x, model.stem.out, side, {3, 2, 1});
    side = (side + 1) / 2;
    for (const Block& block : model.blocks) {
      const std::uint32_t before = side;
      std::size_t sum = block.shortcut.empty() ? x : b.convolve(block.shortcut[0], x, before, nullptr);
      for (std::size_t i = 0; i < block.path.size(); ++i) {
        const Convolution& c = block.path[i];
        const bool last = i + 1 == block.path.size();
        x = b.convolve(c, x, side, last ? &sum : nullptr);
        side = (side + c.stride - 1) / c.stride;
      }
    }
    output_ = b.pool(dnnl::algorithm::pooling_avg_exclude_padding, x, model.dim(), side, {side, 1, 0});
    plan_ = std::move(b.plan);
    weights_ = std::move(b.weights);
    share_buffers(plan_, output_);
    interleaved_ = plan_.values[0] != input_md;
  }

  Worker make_worker() {
    const std::vector<std::size_t> sizes = buffer_bytes(plan_);
    std::vector<std::size_t> offsets(plan_.buffers + 1, 0);
    for (std::size_t i = 0; i < plan_.buffers; ++i) offsets[i + 1] = offsets[i] + (sizes[i] + 63) / 64 * 64;
    std::size_t scratch = 0;
    for (const Step& step : plan_.steps) scratch = std::max(scratch, step.scratchpad.get_size());
    Worker w{{}, {}, PagedMemory(offsets.back() + scratch), dnnl::stream(engine_)};
    std::memset(w.storage.data(), 0, w.storage.size());
    for (std::size_t v = 0; v < plan_.values.size(); ++v)
      w.values.emplace_back(plan_.values[v], engine_, w.storage.data() + offsets[plan_.buffer[v]]);
    for (const Step& step : plan_.steps)
      w.scratchpads.emplace_back(step.scratchpad, engine_, w.storage.data() + offsets.back());
    return w;
  }

  void run_group(Worker& w, MatrixView<const std::uint8_t> crops, MatrixView<float> out) {
    auto* input = static_cast<float*>(w.values[0].get_data_handle());
    const std::size_t pixels = std::size_t{crop_} * crop_;
    for (std::size_t i = 0; i < crops.rows(); ++i) {
      float* image = input + i * 3 * pixels;
      if (interleaved_)
        input_.interleaved(crops.row(i), pixels, image);
      else
        input_.planes(crops.row(i), pixels, image);
    }
    // A group that is not full computes zeros in its other places, and drops them.
    std::fill(input + crops.rows() * 3 * pixels, input + group * 3 * pixels, 0.0F);
    for (std::size_t s = 0; s < plan_.steps.size(); ++s) {
      const Step& step = plan_.steps[s];
      std::unordered_map<int, dnnl::memory> arguments{{DNNL_ARG_SRC, w.values[step.source]},
                                                      {DNNL_ARG_DST, w.values[step.destination]},
                                                      {DNNL_ARG_SCRATCHPAD, w.scratchpads[s]}};
      if (step.weights) {
        arguments.emplace(DNNL_ARG_WEIGHTS, step.weights);
        arguments.emplace(DNNL_ARG_BIAS, step.bias);
      }
      step.primitive.execute(w.stream, arguments);
    }
    w.stream.wait();
    const auto* result = static_cast<const float*>(w.values[output_].get_data_handle());
    std::memcpy(out.data(), result, out.size() * sizeof(float));
  }

  dnnl::engine engine_;
  InputValues input_;
  std::uint32_t crop_, dim_, batch_ = 0;
  int threads_ = 1;
  Plan plan_;
  std::vector<PagedMemory> weights_;
  std::size_t output_ = 0;
  bool interleaved_ = false;  // the input: R G B of a pixel together, else a plane a channel
  std::vector<Worker> workers_;
  std::string description_;
};

}  // namespace

std::unique_ptr<Network> make_cpu_network(Context& context, const ResNet& model, const Normalisation& normalisation,
                                          std::uint32_t crop, std::uint32_t batch) {
  try {
    return std::make_unique<CpuNetwork>(context, model, normalisation, crop, batch);
  } catch (const dnnl::error& e) {
    throw Error(ErrorKind::resources, fmt::format("oneDNN cannot build {}: {}", model.name, e.what()));
  }
}

}  // namespace lowshot
