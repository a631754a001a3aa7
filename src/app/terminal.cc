#include "app/terminal.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <memory>

namespace assay::app {
namespace {

size_t DisplayWidth(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

base::Progress::Reporter TerminalProgress() {
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  auto last = std::make_shared<std::chrono::steady_clock::time_point>();
  return [terminal, last](const base::ProgressState& state) {
    const auto now = std::chrono::steady_clock::now();
    if (!terminal && !state.finished && now - *last < std::chrono::seconds(10)) return;
    *last = now;
    if (terminal) {
      fmt::print(stderr, "\r\x1b[K{}{}", base::FormatProgress(state), state.finished ? "\n" : "");
    } else {
      fmt::print(stderr, "{}\n", base::FormatProgress(state));
    }
    std::fflush(stderr);
  };
}

std::string FormatTable(const std::vector<std::vector<std::string>>& rows,
                        const std::vector<size_t>& text_columns) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], DisplayWidth(row[i]));
  }
  std::string out;
  for (size_t r = 0; r < rows.size(); ++r) {
    std::string line;
    for (size_t i = 0; i < rows[r].size(); ++i) {
      const std::string pad(widths[i] - DisplayWidth(rows[r][i]), ' ');
      const bool text =
          i == 0 || std::find(text_columns.begin(), text_columns.end(), i) != text_columns.end();
      line += (i == 0 ? "" : "  ") + (text ? rows[r][i] + pad : pad + rows[r][i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
    if (r == 0) {
      size_t total = 0;
      for (const size_t width : widths) total += width + 2;
      out += std::string(total - 2, '-') + "\n";
    }
  }
  return out;
}

std::string Sparkline(const std::vector<double>& values, size_t width) {
  static constexpr std::array<const char*, 8> kBlocks = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  if (values.empty()) return "";
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  std::string out;
  const size_t shown = std::min(width, values.size());
  for (size_t i = 0; i < shown; ++i) {
    const double value = values[i * values.size() / shown];
    const double share = *high > *low ? (value - *low) / (*high - *low) : 0;
    out += kBlocks.at(static_cast<size_t>(share * 7.0 + 0.5));
  }
  return out;
}

}  // namespace assay::app
