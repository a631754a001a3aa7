// Progress of long work: the worker says how far it is, the app decides how to show it (rate and
// time left). Thread-safe only if the reporter is.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

namespace assay::base {

struct ProgressState {
  std::string what;         // "collect", "graph", ...
  std::string unit;         // "tokens", "neurons", ...
  int64_t done = 0;         // includes work of an earlier, interrupted run
  int64_t total = 0;        // 0 when unknown
  double seconds = 0;       // since this process started the work
  double per_second = 0;    // rate of this process
  double seconds_left = 0;  // 0 when unknown
  bool finished = false;
};

// One line for a terminal: "graph  1,234/4,608 neurons  27%  45.1 neurons/s  1 min 15 s left".
std::string FormatProgress(const ProgressState& state);

class Progress {
 public:
  using Reporter = std::function<void(const ProgressState&)>;

  // `already_done` counts work that an earlier process stored; it is left out of the rate.
  // A null reporter is silent.
  Progress(std::string what, std::string unit, int64_t total, Reporter reporter,
           int64_t already_done = 0);

  void Add(int64_t amount);  // reports at most twice a second
  void SetTotal(int64_t total) {
    state_.total = total;
  }  // when it is known better than at the start
  void Finish();

 private:
  void Report(bool finished);

  ProgressState state_;
  int64_t already_done_;
  Reporter reporter_;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point last_report_;
};

}  // namespace assay::base
