// The command-line program: subcommands, and the translation of errors into a sentence and an exit code.
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <new>

#include "common.h"
#include "lowshot/error.h"

namespace {

int exit_code(lowshot::ErrorKind kind) {
  switch (kind) {
    case lowshot::ErrorKind::usage:
      return 2;
    case lowshot::ErrorKind::input:
      return 3;
    case lowshot::ErrorKind::resources:
    case lowshot::ErrorKind::device:
      return 4;
  }
  return 1;
}

// glibc raises the size from which an array has pages of its own, up to 32 MiB, with the first large one that is freed;
// what is smaller then stays with the program when it is freed, which no plan knows of. Fixed, a labelling of 100,000
// rows peaks at 91 instead of 106 to 123 MiB, and no two runs differ by more than 3.
void free_arrays_at_once() {
  constexpr int bytes = 2 << 20;
  mallopt(M_MMAP_THRESHOLD, bytes);
}

int run(int argc, char** argv) {
  free_arrays_at_once();
  lowshot::best_isa();  // refuses processors that the rest of the program would crash on
  CLI::App app{
      "Labels for large collections from a few examples per class: descriptors -> k-nearest-neighbour graph -> label\n"
      "diffusion (Douze, Szlam, Hariharan, Jegou: Low-shot learning with large-scale diffusion, CVPR 2018)."};
  app.name("lowshot");
  app.set_version_flag("--version", "lowshot " LOWSHOT_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  lowshot::cli::add_label(app);
#ifdef LOWSHOT_WITH_EXTRACT
  lowshot::cli::add_extract(app);
#endif
  lowshot::cli::add_pca(app);
  lowshot::cli::add_knn(app);
  lowshot::cli::add_diffusion(app);
  lowshot::cli::add_logreg(app);
  lowshot::cli::add_combine(app);
  lowshot::cli::add_sweep(app);
  lowshot::cli::add_select(app);
  lowshot::cli::add_report(app);
#ifdef LOWSHOT_WITH_EXTRACT
  lowshot::cli::add_model(app);
#endif
  lowshot::cli::add_info(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& e) {
    return app.exit(e);
  } catch (const CLI::CallForAllHelp& e) {
    return app.exit(e);
  } catch (const CLI::CallForVersion& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    if (app.get_subcommands().empty() && argc > 1 && argv[1][0] != '-') {
      std::string names;
      for (const CLI::App* sub : app.get_subcommands({})) names += (names.empty() ? "" : ", ") + sub->get_name();
      std::fprintf(stderr, "lowshot: there is no command '%s'; commands are %s; see `lowshot --help`\n", argv[1],
                   names.c_str());
      return 2;
    }
    std::string command = "lowshot";
    for (const CLI::App* sub = &app; !sub->get_subcommands().empty(); command += " " + sub->get_name())
      sub = sub->get_subcommands().front();
    std::fprintf(stderr, "lowshot: %s; see `%s --help`\n", e.what(), command.c_str());
    return 2;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const int code = run(argc, argv);
    if (std::fflush(stdout) != 0)
      throw lowshot::Error(lowshot::ErrorKind::resources, "the results could not be printed");
    return code;
  } catch (const lowshot::Error& e) {
    std::fprintf(stderr, "lowshot: %s\n", e.what());
    return exit_code(e.kind());
  } catch (const lowshot::cli::Interrupted& e) {
    std::fprintf(stderr, "lowshot: %s\n", e.what());
    return 75;
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "lowshot: out of memory; see what the job needs with --dry-run\n");
    return 4;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "lowshot: %s\n", e.what());
    return 1;
  }
}
