// What the command prints: progress on standard error, tables on standard output.
#pragma once

#include <string>
#include <vector>

#include "base/progress.h"

namespace assay::app {

// Redraws one line on a terminal; in a log file prints a line every ten seconds.
base::Progress::Reporter TerminalProgress();

// The first row is the header. The first column and `text_columns` are left-aligned, the others
// right-aligned.
std::string FormatTable(const std::vector<std::vector<std::string>>& rows,
                        const std::vector<size_t>& text_columns = {});

// A line of block characters, low to high, for a loss curve: "█▆▅▃▂▁▁". At most `width` values are
// shown.
std::string Sparkline(const std::vector<double>& values, size_t width = 60);

}  // namespace assay::app
