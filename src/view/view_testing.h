// Small records and a markup checker for the tests of this folder.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "view/neuron_records.h"

namespace assay::view {

// Token texts that grow as they are used.
class Vocabulary {
 public:
  store::TokenId operator()(const std::string& text);
  const std::vector<std::string>& texts() const { return texts_; }

 private:
  std::map<std::string, store::TokenId> ids_;
  std::vector<std::string> texts_;
};

// A step of a path: a token with its importance, or an IGNORE node.
struct Step {
  std::string token;
  float importance = 0;
  bool ignore = false;
};
inline const Step kAny{"", 0, true};

// Adds a path that starts at an activating token and walks left, closed by an END node.
void AddPath(store::Graph& graph, Vocabulary& vocabulary, const std::string& activating,
             const std::vector<Step>& context, float activation);
store::Graph EmptyGraph(store::UnitId unit = {2, 15});

// " Paris" after " capital of", " London" alone.
store::Graph CapitalGraph(Vocabulary& vocabulary);

// Every part of a neuron's records, small: one top example (train), one quantile example, a
// pruning, three prompts.
NeuronRecords CapitalRecords(Vocabulary& vocabulary);

// Strings that break what is not escaped.
std::vector<std::string> HostileTokens();

struct MarkupReport {
  std::string problem;  // empty: tags balance, attributes are quoted, entities are known
  std::map<std::string, int> elements;
  std::string text;  // outside of script and style, entities decoded
};
// `html`: elements without an end tag (meta, input, br) may stand open.
MarkupReport CheckMarkup(std::string_view markup, bool html);

}  // namespace assay::view
