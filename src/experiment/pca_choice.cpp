#include "experiment/pca_choice.h"

#include <fmt/format.h>

#include "lowshot/error.h"
#include "lowshot/io.h"
#include "lowshot/pca.h"

namespace lowshot {

Origin PcaSource::origin() const {
  const PcaOptions options{.dim = dim};
  return {{{train_from.filename().string(), hash_file(train_from)}},
          {{"dim", std::to_string(options.dim)}, {"seed", std::to_string(options.seed)}, {"rotation", "random"}}};
}

std::string pca_name(const PcaChoice& choice) {
  switch (choice.kind) {
    case PcaChoice::Kind::none:
      return "none";
    case PcaChoice::Kind::file:
      return choice.file.stem().string();
    case PcaChoice::Kind::directory:
    case PcaChoice::Kind::dim:
      return fmt::format("PCAR{}", choice.dim);
  }
  return "";
}

LinearMap train_and_keep(Context& context, const PcaSource& source, const std::optional<fs::path>& place) {
  const auto rows = open_hdf5_rows(source.train_from);
  LinearMap map = train_pca(context, *rows, {.dim = source.dim});
  if (place) {
    write_vt(*place, map);
    write_origin(*place, source.origin());
  }
  return map;
}

PcaSource find_pca(const DataDirectory& directory, const PcaChoice& choice) {
  PcaSource source;
  if (choice.kind == PcaChoice::Kind::file) {
    source.stored = choice.file;
    return source;
  }
  source.dim = choice.dim;
  source.keep_as =
      choice.dim == 256 ? DataDirectory::pca_name() : fs::path(fmt::format("features/PCAR{}.vt", choice.dim));
  source.stored = directory.find(source.keep_as);
  const std::vector<fs::path> blocks = directory.blocks();
  source.train_from = blocks.empty() ? directory.train() : blocks.front();
  return source;
}

ChosenPca choose_pca(Context& context, const DataDirectory& directory, const PcaChoice& choice, std::uint32_t dim) {
  if (choice.kind == PcaChoice::Kind::none) return {};
  const PcaSource source = find_pca(directory, choice);
  ChosenPca chosen;
  if (source.stored) {
    const bool ours = fs::exists(source.stored->string() + ".meta.json");
    const bool stale = choice.kind != PcaChoice::Kind::file && ours &&
                       check_origin(*source.stored, source.origin()) != OriginState::equal;
    if (!stale) {
      chosen.map = read_vt(*source.stored);
      chosen.file = source.stored;
      context.info(fmt::format("PCA: {}", source.stored->string()));
    } else {
      context.info(fmt::format("PCA: {} was made from other data or options; made anew", source.stored->string()));
    }
  }
  if (!chosen.map) {
    context.info(fmt::format("PCA: trained on {}{}", source.train_from.string(),
                             source.train_from == directory.train() ? " (there is no background block 0)" : ""));
    const auto place = directory.place(source.keep_as);
    chosen.map = train_and_keep(context, source, place);
    chosen.file = place;
    if (!place)
      context.info(
          fmt::format("PCA: not kept, {} cannot be written; name a place with --work", directory.work.string()));
  }
  if (chosen.map->in() != dim)
    throw Error(
        ErrorKind::input, fmt::format("the PCA takes {} dimensions and the descriptors have {}", chosen.map->in(), dim),
        source.stored ? source.stored->string() : "", "use the PCA that belongs to these descriptors, or --pca none");
  chosen.name = pca_name(choice);
  return chosen;
}

}  // namespace lowshot
