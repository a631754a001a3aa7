#include "view/neuron_records.h"

#include <algorithm>

#include "base/error.h"

namespace assay::view {

using base::ErrorKind;
using store::ExampleKind;

ExampleKind TrainingKind(const NeuronRecords& records) {
  const bool given =
      std::any_of(records.examples.begin(), records.examples.end(),
                  [](const store::Example& e) { return e.kind == ExampleKind::kGiven; });
  return given ? ExampleKind::kGiven : ExampleKind::kTop;
}

double MaxActivation(const NeuronRecords& records) {
  if (records.graph && records.graph->max_activation > 0) return records.graph->max_activation;
  if (records.stats && records.stats->maximum > 0) return records.stats->maximum;
  double largest = 0;
  for (const store::Example& example : records.examples) {
    largest = std::max(largest, static_cast<double>(example.activation));
  }
  return largest;
}

const store::Pruning* FindPruning(const NeuronRecords& records, int example) {
  for (const store::Pruning& pruning : records.prunings) {
    if (pruning.example == example) return &pruning;
  }
  return nullptr;
}

std::vector<const store::Prompt*> FindPrompts(const NeuronRecords& records, int example) {
  std::vector<const store::Prompt*> found;
  for (const store::Prompt& prompt : records.prompts) {
    if (prompt.example == example) found.push_back(&prompt);
  }
  std::stable_sort(found.begin(), found.end(), [](const store::Prompt* a, const store::Prompt* b) {
    return a->ordinal < b->ordinal;
  });
  return found;
}

const store::Sequence& SequenceOf(const NeuronRecords& records, const store::Example& example) {
  const auto found = records.sequences.find(example.sequence);
  if (found == records.sequences.end()) {
    base::Fail(ErrorKind::kNotFound, "unit {}: sequence {} of an example is missing",
               base::ToString(records.unit), example.sequence);
  }
  const size_t tokens = found->second.tokens.size();
  if (example.activations.size() != tokens || example.pivot < 0 ||
      static_cast<size_t>(example.pivot) >= tokens) {
    base::Fail(ErrorKind::kBadInput,
               "unit {}: example on sequence {} has {} activations and pivot {}; expected {} and a "
               "pivot below it",
               base::ToString(records.unit), example.sequence, example.activations.size(),
               example.pivot, tokens);
  }
  return found->second;
}

std::vector<float> PivotImportances(const store::Prompt& prompt) {
  const size_t tokens = prompt.tokens.size();
  const bool pivot_fits = prompt.pivot >= 0 && static_cast<size_t>(prompt.pivot) < tokens;
  if (!pivot_fits || prompt.activations.size() != tokens ||
      prompt.importances.size() != prompt.targets.size() * tokens) {
    base::Fail(ErrorKind::kBadInput,
               "unit {}: prompt {} of example {} has {} tokens, pivot {}, {} activations, {} "
               "targets and {} "
               "importances that do not fit",
               base::ToString(prompt.unit), prompt.ordinal, prompt.example, tokens, prompt.pivot,
               prompt.activations.size(), prompt.targets.size(), prompt.importances.size());
  }
  for (size_t i = 0; i < prompt.targets.size(); ++i) {
    if (prompt.targets[i] != prompt.pivot) continue;
    const auto first = prompt.importances.begin() + static_cast<std::ptrdiff_t>(i * tokens);
    return {first, first + static_cast<std::ptrdiff_t>(tokens)};
  }
  return {};
}

std::vector<std::optional<float>> ImportancesOf(const NeuronRecords& records,
                                                const store::Example& example) {
  const store::Sequence& sequence = SequenceOf(records, example);
  std::vector<std::optional<float>> out(sequence.tokens.size());
  if (example.kind != TrainingKind(records)) return out;
  const auto prompts = FindPrompts(records, example.rank);
  if (prompts.empty() || prompts.front()->ordinal != 0) return out;
  const store::Prompt& prompt = *prompts.front();
  const std::vector<float> importances = PivotImportances(prompt);
  if (importances.empty()) return out;
  const store::Pruning* pruning = FindPruning(records, example.rank);
  const int context = pruning != nullptr ? pruning->context : prompt.pivot;
  // The pivots are the same token. A BOS that the prompt begins with stands left of the kept
  // context, not in the example.
  for (int back = 0; back <= std::min({context, prompt.pivot, example.pivot}); ++back) {
    const auto in_prompt = static_cast<size_t>(prompt.pivot - back);
    const auto in_example = static_cast<size_t>(example.pivot - back);
    if (prompt.tokens[in_prompt] != sequence.tokens[in_example]) break;
    out[in_example] = importances[in_prompt];
  }
  return out;
}

}  // namespace assay::view
