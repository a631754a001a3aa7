#include "base/progress.h"

#include <fmt/format.h>

#include <locale>
#include <utility>

namespace assay::base {
namespace {

std::string Grouped(int64_t value) {
  std::string digits = std::to_string(value);
  for (auto at = static_cast<int64_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<size_t>(at), ",");
  return digits;
}

std::string Duration(double seconds) {
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

}  // namespace

std::string FormatProgress(const ProgressState& state) {
  std::string line = fmt::format("{}  {}", state.what, Grouped(state.done));
  if (state.total > 0) line += "/" + Grouped(state.total);
  line += " " + state.unit;
  if (state.total > 0)
    line += fmt::format("  {:.0f}%",
                        100.0 * static_cast<double>(state.done) / static_cast<double>(state.total));
  line +=
      state.per_second >= 100
          ? fmt::format("  {} {}/s", Grouped(static_cast<int64_t>(state.per_second)), state.unit)
          : fmt::format("  {:.1f} {}/s", state.per_second, state.unit);
  if (state.finished) {
    line += fmt::format("  done in {}", Duration(state.seconds));
  } else if (state.seconds_left > 0) {
    line += fmt::format("  {} left", Duration(state.seconds_left));
  }
  return line;
}

Progress::Progress(std::string what, std::string unit, int64_t total, Reporter reporter,
                   int64_t already_done)
    : already_done_(already_done),
      reporter_(std::move(reporter)),
      start_(std::chrono::steady_clock::now()),
      last_report_(start_) {
  state_.what = std::move(what);
  state_.unit = std::move(unit);
  state_.total = total;
  state_.done = already_done;
}

void Progress::Add(int64_t amount) {
  state_.done += amount;
  if (std::chrono::steady_clock::now() - last_report_ >= std::chrono::milliseconds(500))
    Report(false);
}

void Progress::Finish() { Report(true); }

void Progress::Report(bool finished) {
  last_report_ = std::chrono::steady_clock::now();
  state_.seconds = std::chrono::duration<double>(last_report_ - start_).count();
  const auto here = static_cast<double>(state_.done - already_done_);
  state_.per_second = state_.seconds > 0 ? here / state_.seconds : 0;
  state_.seconds_left = state_.per_second > 0 && state_.total > state_.done
                            ? static_cast<double>(state_.total - state_.done) / state_.per_second
                            : 0;
  state_.finished = finished;
  if (reporter_) reporter_(state_);
}

}  // namespace assay::base
