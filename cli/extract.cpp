// lowshot extract: descriptors of images.
#ifdef LOWSHOT_WITH_EXTRACT
#include "lowshot/extract.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <fstream>
#include <memory>
#include <optional>

#include "common.h"
#include "lowshot/device.h"
#include "lowshot/error.h"
#include "lowshot/extract_config.h"
#include "lowshot/image_set.h"
#include "lowshot/io.h"
#include "lowshot/memory.h"
#include "lowshot/named_tensors.h"
#include "lowshot/network.h"

namespace lowshot::cli {
namespace {

struct Options {
  CommonOptions common;
  std::string images, root, config, model, model_file, out, on_bad, device = "auto", precision = "float32";
  std::string output, pooling;
  std::uint64_t i0 = 0;
  std::optional<std::uint64_t> i1;
  std::uint32_t batch = 0;
  bool half = false, check_model = false;
};

bool is_onnx(const Options& o) {
  return fs::path(o.model_file).extension() == ".onnx";
}

ExtractConfig configuration(const Options& o) {
  ExtractConfig c = o.config.empty() ? ExtractConfig{} : read_extract_config(o.config);
  if (!o.output.empty()) c.output = o.output;
  if (o.pooling == "none") c.pooling = Pooling::none;
  if (o.pooling == "average") c.pooling = Pooling::average;
  if (o.pooling == "maximum") c.pooling = Pooling::maximum;
  if (o.pooling == "class_token") c.pooling = Pooling::class_token;
  return c;
}

std::unique_ptr<ImageSet> image_set(const Options& o, const ExtractConfig& c) {
  const bool allow_missing = o.on_bad == "black" || o.on_bad == "zero";
  if (!o.images.empty()) return open_images(o.images, o.root, o.i0, o.i1, allow_missing);
  if (c.dataset_path.empty())
    throw Error(ErrorKind::usage, "no images are named", "",
                "name them (lowshot extract IMAGES ...), or a configuration that does with --cfg FILE.yaml");
  const fs::path root = o.root.empty() ? c.dataset_root : fs::path(o.root);
  return open_images(c.dataset_path, root, o.i0, o.i1, allow_missing);
}

// --- device ----------------------------------------------------------------------------------------------------------

// The CUDA device's number, or nothing for the CPU.
std::optional<int> cuda_device(const Options& o) {
  if (o.device == "cpu") return std::nullopt;
  if (o.device == "auto") {
    const bool usable = has_cuda_networks() && !is_onnx(o) && !list_devices().empty();
    return usable ? std::optional<int>(0) : std::nullopt;
  }
  int index = 0;
  if (o.device == "cuda") return index;
  const char* end = o.device.data() + o.device.size();
  if (o.device.rfind("cuda:", 0) == 0) {
    const auto [rest, error] = std::from_chars(o.device.data() + 5, end, index);
    if (error == std::errc() && rest == end && index >= 0) return index;
  }
  throw Error(ErrorKind::usage, fmt::format("'{}' is no device", o.device), "--device",
              "write auto, cpu, cuda, or cuda:1 for the second GPU");
}

std::unique_ptr<Network> make_network(Context& context, const Options& o, const ExtractConfig& c) {
  const Phase phase(context, "model");
  const Normalisation normalisation{c.transform.mean, c.transform.deviation};
  const std::uint32_t batch = o.batch != 0 ? o.batch : c.batch_size.value_or(0);
  const std::optional<int> device = cuda_device(o);
  if (is_onnx(o)) {
    if (!o.model.empty())
      throw Error(ErrorKind::usage, "--model names one of the built-in networks, and the model file is ONNX",
                  o.model_file, "leave --model out");
    if (device) throw Error(ErrorKind::usage, "ONNX models run on the CPU", "--device", "leave --device out");
    return make_onnx_network(context, o.model_file, {c.output.value_or(""), c.pooling.value_or(Pooling::average)},
                             normalisation, c.transform.crop, batch);
  }
  if (c.output || c.pooling)
    throw Error(ErrorKind::usage, "an output and a pooling are chosen of ONNX models only", "--output, --pooling",
                "leave them out: the built-in networks end in their average pool");
  if (o.model.empty())
    throw Error(ErrorKind::usage, "the network is not named", "--model",
                "name one with --model, e.g. ResNet50, or look which one it is with --check-model");
  const ResNet model = load_resnet(o.model, read_checkpoint(o.model_file), o.model_file);
  if (device)
    return make_cuda_network(context, model, normalisation, c.transform.crop, *device, o.precision == "half", batch);
  if (o.precision == "half")
    throw Error(ErrorKind::usage, "half precision is for GPUs", "--precision",
                "leave it out; --half stores the descriptors in half precision");
  return make_cpu_network(context, model, normalisation, c.transform.crop, batch);
}

// --- check -----------------------------------------------------------------------------------------------------------

void print_names(const char* what, const std::vector<std::string>& names) {
  if (names.empty()) return;
  fmt::print("  {} {}:\n", names.size(), what);
  for (const std::string& name : names) fmt::print("    {}\n", name);
}

void check(const Options& o) {
  const NamedTensors tensors = read_checkpoint(o.model_file);
  const ModelCheck result = check_model(tensors);
  const bool whole = !result.recognised.empty() && result.missing.empty() && result.mismatched.empty();
  if (result.recognised.empty())
    fmt::print("{}: {} tensors, none of them of a network that is known (ResNet10, 18, 34, 50, 101)\n", o.model_file,
               tensors.size());
  else
    fmt::print("{}: {}{}\n", o.model_file, result.recognised,
               whole ? ", complete: " + std::to_string(tensors.size()) + " tensors" : ", but not whole");
  if (!result.recognised.empty()) {
    print_names("are missing", result.missing);
    print_names("have another shape", result.mismatched);
    print_names("are not part of it", result.extra);
  }
  if (!o.common.json.empty())
    write_file(o.common.json, Json{{"file", o.model_file},
                                   {"recognised", result.recognised},
                                   {"complete", whole},
                                   {"missing", result.missing},
                                   {"mismatched", result.mismatched},
                                   {"extra", result.extra}}
                                      .dump(2) +
                                  "\n");
  if (!whole)
    throw Error(ErrorKind::input, "the checkpoint is not one of the built-in networks, whole", o.model_file,
                "fetch or make it again, or export the network as ONNX and name that with --modelfile");
}

// --- run -------------------------------------------------------------------------------------------------------------

double rate(double count, double seconds) {
  return seconds > 0 ? count / seconds : 0;
}

void print_result(const Options& o, const Extraction& e) {
  if (e.up_to_date) {
    fmt::print("{} is up to date (same images, model and options): nothing was done\n", o.out);
    return;
  }
  fmt::print("{}: {} descriptors x {}\n", o.out, e.rows, e.dim);
  const auto made = static_cast<double>(e.rows - e.resumed);
  if (made > 0)
    fmt::print("  {:.1f} images/s; the network alone {:.1f}, reading and decoding alone {:.1f} ({} threads)\n",
               rate(made, e.seconds), rate(made, e.network_seconds), rate(made * e.decoders, e.decode_seconds),
               e.decoders);
  if (e.resumed > 0) fmt::print("  {} of them from an earlier run that was stopped\n", e.resumed);
  if (e.bad.empty()) return;
  fmt::print("  {} images could not be used ({}); they are listed in {}\n", e.bad.size(),
             o.on_bad == "zero" ? "their rows are zero" : "described as black images", bad_list_name(o.out).string());
}

// Seconds an image: a batch of black crops, after one that warms up. Decoding goes on beside it.
double seconds_an_image(Network& network) {
  Matrix<std::uint8_t> crops =
      Matrix<std::uint8_t>::zeroed(network.batch(), std::size_t{3} * network.crop() * network.crop());
  Matrix<float> out(network.batch(), network.dim());
  network.run(crops, out);
  const auto start = std::chrono::steady_clock::now();
  network.run(crops, out);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / network.batch();
}

void execute(const Options& o) {
  if (o.model_file.empty())
    throw Error(ErrorKind::usage, "the weights are missing", "--modelfile", "name a checkpoint with --modelfile FILE");
  if (o.check_model) return check(o);
  if (o.out.empty())
    throw Error(ErrorKind::usage, "the name of the result is missing", "--outfile", "e.g. --outfile features.hdf5");
  const ExtractConfig c = configuration(o);
  const auto images = image_set(o, c);
  if (!o.common.dry_run) require_writable(o.out);
  Context context = make_context(o.common);
  const auto network = make_network(context, o, c);
  MemoryPlan memory;
  memory.add("network", network->memory());
  memory.add("images on their way", extract_memory(context, c.transform, *network));
  memory.add("descriptors of a part", std::uint64_t{ExtractOptions{}.part_rows} * network->dim() * sizeof(float) * 2);
  memory.add("program and buffers", std::uint64_t{64} << 20);
  if (o.common.dry_run) {
    const double seconds = seconds_an_image(*network);
    PlanText text{
        {images->description(), fmt::format("go through {}", network->description()),
         fmt::format("{:.1f} images/s, as a batch took just now", 1 / seconds),
         fmt::format("to {}, {}", o.out,
                     format_bytes(images->size() * network->dim() * (o.half ? sizeof(Half) : sizeof(float))))},
        {}};
    text.memory = memory.items;
    text.time = {{"network", static_cast<double>(images->size()) * seconds}};
    return print_plan(text, o.common);
  }
  memory.require(context.memory_limit, "use fewer --threads or a smaller --batch, or raise --memory");
  context.info(fmt::format("{}, {}", images->description(), network->description()));
  ExtractOptions options;
  options.on_bad = o.on_bad == "zero" ? OnBad::zero : o.on_bad == "stop" ? OnBad::stop : OnBad::black;
  options.half = o.half;
  options.model_hash = hash_file(o.model_file);
  const Extraction e = extract(context, *images, c.transform, *network, o.out, options);
  print_result(o, e);
  Json bad = Json::array();
  for (const BadImage& b : e.bad) bad.push_back({{"row", b.row}, {"name", b.name}, {"reason", b.reason}});
  const auto made = static_cast<double>(e.rows - e.resumed);
  Json result = {{"file", o.out},
                 {"rows", e.rows},
                 {"dim", e.dim},
                 {"made", !e.up_to_date},
                 {"resumed", e.resumed},
                 {"network", network->description()},
                 {"classes", images->class_names()},
                 {"images_per_second", rate(made, e.seconds)},
                 {"network_images_per_second", rate(made, e.network_seconds)},
                 {"decode_images_per_second", rate(made * e.decoders, e.decode_seconds)},
                 {"bad", bad}};
  add_run_facts(result, context);
  write_json(o.common, result);
}

}  // namespace

void add_extract(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("extract", "Descriptors of images from a network");
  command->footer(
      "IMAGES: a folder with a folder a class; a list (a path a line, optionally a tab and a class number); a JSON "
      "with\n"
      "image_names and image_labels; a zip; or a tree of numbered zips (aa/bbb.zip). docs/extract.md has the details.\n"
      "A job that was stopped goes on where it was when the same command is given again.\n"
      "Examples:\n"
      "  lowshot extract photos --model ResNet50 --modelfile 89.tar --outfile features.hdf5\n"
      "  lowshot extract --cfg configs/f100m_save_data.yaml --model ResNet50 --modelfile 89.tar --i0 0 --i1 1000000 "
      "\\\n"
      "    --outfile block0.hdf5\n"
      "  lowshot extract photos --modelfile vit.onnx --pooling class_token --outfile features.npy --half\n"
      "  lowshot extract --check-model --modelfile 89.tar");
  command->add_option("IMAGES", o->images, "The images; default: those of --cfg");
  command->add_option("--cfg", o->config, "The original's YAML: images and transform");
  command->add_option("--model", o->model, "ResNet10, ResNet18, ResNet34, ResNet50 or ResNet101");
  command->add_option("--modelfile", o->model_file, "Weights: a PyTorch checkpoint, safetensors, or an ONNX model");
  command->add_option("-o,--outfile", o->out, "The result: .hdf5 as in the original, or .npy");
  command->add_flag("--half", o->half, "Store float16");
  command->add_option("--root", o->root, "Folder that listed names begin at; default: the list's own");
  command->add_option("--i0", o->i0, "First image")->capture_default_str();
  command->add_option("--i1", o->i1, "Behind the last image; default: all");
  command
      ->add_option("--on-bad", o->on_bad,
                   "Images that are missing or damaged: black (described as a black image), zero (a row of zeros) or "
                   "stop; default: black, but a whole missing zip stops")
      ->check(CLI::IsMember({"black", "zero", "stop"}));
  command->add_option("--device", o->device, "auto, cpu, cuda or cuda:i")->capture_default_str();
  command->add_option("--precision", o->precision, "Of the network on a GPU")
      ->check(CLI::IsMember({"float32", "half"}))
      ->capture_default_str();
  command->add_option("--batch", o->batch, "Images a batch; 0: a good number for the device")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str();
  command->add_option("--output", o->output, "Of an ONNX model with several: the output's name");
  command->add_option("--pooling", o->pooling, "Of an ONNX output with places: average, maximum, class_token or none")
      ->check(CLI::IsMember({"average", "maximum", "class_token", "none"}));
  command->add_flag("--check-model", o->check_model, "Say which network --modelfile holds, and stop");
  add_common(*command, o->common);
  command->callback([o] { execute(*o); });
}

}  // namespace lowshot::cli
#endif
