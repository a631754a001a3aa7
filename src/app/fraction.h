// Option values such as 2/255.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace assay::app {

// "2/255", "0.2/255" or a plain number. Throws kUsage naming `what` and the text.
double ParseFraction(const std::string& text, const std::string& what);

// The named option (a double, already bound) also takes fractions.
void AcceptFraction(CLI::App& command, const std::string& option);

}  // namespace assay::app
