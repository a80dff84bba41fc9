#pragma once
// SIGINT, SIGTERM and SIGUSR1 (batch systems announce the end with it) as a question that a long job asks now and then.

#include <signal.h>

#include <atomic>
#include <thread>

namespace lowshot::cli {

class StopSignals {
 public:
  /// To be made before the process has other threads: they inherit that the signals are blocked. A second signal, or
  /// the end of the grace period, ends the process at once with exit code 75.
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  bool stopped() const { return stopped_; }
  /// For children: the signals that were blocked before.
  const sigset_t& before() const { return before_; }

 private:
  void listen(const std::stop_token& end);

  sigset_t signals_ = {}, before_ = {};
  std::atomic<bool> stopped_ = false;
  std::jthread thread_;
};

}  // namespace lowshot::cli
