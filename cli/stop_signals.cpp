#include "stop_signals.h"

#include <unistd.h>

#include <chrono>
#include <ctime>
#include <string_view>

namespace lowshot::cli {
namespace {

using Clock = std::chrono::steady_clock;

// Experiments take seconds, and what takes longer is not worth the risk: batch systems kill 30 to 60 seconds after the
// first signal.
constexpr std::chrono::seconds grace{10};

[[noreturn]] void leave() {
  // Files appear under their names whole or not at all, so there is nothing to tidy.
  constexpr std::string_view line =
      "lowshot: stopped by a signal within an experiment; what is done is kept; run the same command again to go on\n";
  if (::write(STDERR_FILENO, line.data(), line.size()) < 0) ::_exit(75);
  ::_exit(75);
}

}  // namespace

StopSignals::StopSignals() {
  sigemptyset(&signals_);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) sigaddset(&signals_, signal);
  pthread_sigmask(SIG_BLOCK, &signals_, &before_);
  thread_ = std::jthread([this](const std::stop_token& end) { listen(end); });
}

StopSignals::~StopSignals() {
  thread_.request_stop();
  pthread_kill(thread_.native_handle(), SIGUSR1);  // wakes it
  thread_.join();
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void StopSignals::listen(const std::stop_token& end) {
  Clock::time_point first;
  while (!end.stop_requested()) {
    const timespec wait{0, 100'000'000};
    if (sigtimedwait(&signals_, nullptr, &wait) > 0) {
      if (end.stop_requested()) return;
      if (stopped_) leave();
      first = Clock::now();
      stopped_ = true;
    }
    if (stopped_ && Clock::now() - first > grace) leave();
  }
}

}  // namespace lowshot::cli
