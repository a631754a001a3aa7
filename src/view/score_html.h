// Names and tables of scores, for pages and the terminal.
// Thread-safe: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "store/records.h"

namespace assay::view {

std::string SetTitle(std::string_view set);  // "held_out" -> "Held-out half"; unknown names stay
std::string MethodTitle(std::string_view method);  // "n2g" -> "N2G", "ngram_3" -> "3-gram lookup"

// The sets and methods that occur, known ones first in their usual order, then by name.
std::vector<std::string> SetsOf(const std::vector<store::Score>& scores);
std::vector<std::string> MethodsOf(const std::vector<store::Score>& scores);

// Null when there is none.
const store::Score* FindScore(const std::vector<store::Score>& scores, std::string_view set,
                              std::string_view method);

// One table for each set, best F1 in bold, why a unit is excluded below.
std::string ScoreTablesHtml(const std::vector<store::Score>& scores);

}  // namespace assay::view
