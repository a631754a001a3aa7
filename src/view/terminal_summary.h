// One neuron as text for a terminal: statistics, the patterns of its graph, its strongest examples,
// its scores. Control and direction characters of tokens are shown, never sent to the terminal.
// Thread-safe: pure functions.
#pragma once

#include <span>
#include <string>

#include "view/neuron_records.h"

namespace assay::view {

struct TerminalSummary {
  const NeuronRecords& records;
  std::span<const std::string> token_texts;  // index is the token id
  std::string model;                         // may be empty
  bool colour = false;                       // ANSI escapes
  int width = 100;                           // columns that examples may take; at least 40
  int max_patterns = 20, max_examples = 5;   // what is left out is counted
};

// Ends with a line end. A pattern reads from the activating token leftwards, "·Paris <- ·of <-(2)-
// ·capital": (2) stands for two tokens of any kind. Throws kNotFound or kBadInput as
// neuron_records.h and DrawGraph do.
std::string WriteTerminalSummary(const TerminalSummary& summary);

}  // namespace assay::view
