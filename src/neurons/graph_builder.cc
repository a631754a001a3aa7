#include "neurons/graph_builder.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "neurons/pruner.h"
#include "neurons/saliency.h"
#include "neurons/token_trie.h"

namespace assay::neurons {
namespace {

// A prompt on its way: what it was made from, and the row it becomes.
struct Work {
  size_t request = 0;
  store::Prompt row;
  double scale = 1;  // factor on activations (reference code's rescaling)
};

bool EndsSentence(const std::string& text) {
  return text.find_first_of(".!?\n") != std::string::npos;
}

// How many tokens after the pivot are still in its sentence.
int PostLimit(const TrainingExample& example, const GraphContext& context, int wanted) {
  int count = 0;
  for (size_t t = static_cast<size_t>(example.pivot);
       count < wanted && t + 1 < example.tokens.size(); ++t, ++count) {
    if (EndsSentence(context.token_texts[static_cast<size_t>(example.tokens[t])])) break;
  }
  return count;
}

std::vector<Work> Prune(std::span<const GraphRequest> requests, const GraphOptions& options,
                        const GraphContext& context, measure::Prober& prober,
                        std::vector<GraphResult>& results) {
  std::vector<PruneRequest> prune;
  std::vector<size_t> owner;
  for (size_t i = 0; i < requests.size(); ++i) {
    for (const TrainingExample& example : requests[i].examples) {
      // Where BOS itself is the pivot it is an ordinary token.
      prune.push_back({requests[i].unit, example.rank, example.tokens, example.pivot,
                       example.activation, std::min(context.bos_tokens, example.pivot),
                       PostLimit(example, context, options.prune_post_context)});
      owner.push_back(i);
    }
  }
  std::vector<Work> works;
  std::vector<PrunedExample> pruned = PruneExamples(prune, options, prober);
  for (size_t p = 0; p < pruned.size(); ++p) {
    PrunedExample& example = pruned[p];
    if (!example.tokens.empty()) {
      Work work{.request = owner[p]};
      work.row = {.unit = prune[p].unit,
                  .example = prune[p].example,
                  .tokens = std::move(example.tokens),
                  .pivot = example.pivot,
                  .activations = std::move(example.activations)};
      if (options.prune_rescale && example.pruning.pruned_activation > 0) {
        work.scale = example.pruning.full_activation / example.pruning.pruned_activation;
      }
      works.push_back(std::move(work));
    }
    results[owner[p]].prunings.push_back(std::move(example.pruning));
  }
  return works;
}

void AddSaliency(std::span<Work> works, std::span<const GraphRequest> requests,
                 const GraphOptions& options, const GraphContext& context,
                 measure::Prober& prober) {
  std::vector<SaliencyRequest> saliency;
  for (const Work& work : works) {
    // Dividing by the scale is rescaling the activations: what fires when rescaled is a target.
    saliency.push_back({work.row.unit, work.row.tokens, work.row.activations, work.row.pivot,
                        std::min(context.bos_tokens, work.row.pivot),
                        requests[work.request].max_activation / work.scale});
  }
  std::vector<SaliencyAnswer> answers = MeasureSaliency(saliency, options, context.mask, prober);
  for (size_t i = 0; i < works.size(); ++i) {
    works[i].row.targets = std::move(answers[i].targets);
    works[i].row.importances = std::move(answers[i].importances);
  }
}

// Positions before the pivot that matter enough for it to be varied.
std::vector<int> ImportantForPivot(const store::Prompt& row, double trigger) {
  std::vector<int> out;
  const auto target = std::find(row.targets.begin(), row.targets.end(), row.pivot);
  if (target == row.targets.end()) return out;
  const float* importances = row.importances.data() +
                             static_cast<size_t>(target - row.targets.begin()) * row.tokens.size();
  for (int t = 0; t < row.pivot; ++t) {
    if (importances[t] > trigger) out.push_back(t);
  }
  return out;
}

struct Variations {
  std::vector<Work> kept;
  std::vector<Work> rejected;
};

Variations Vary(std::span<const Work> works, const GraphOptions& options,
                const GraphContext& context, measure::Prober& prober) {
  std::vector<AugmentRequest> augment;
  for (const Work& work : works) {
    const float activation = work.row.activations[static_cast<size_t>(work.row.pivot)];
    augment.push_back(
        {work.row.unit, work.row.tokens, work.row.pivot, context.bos_tokens, activation, {}});
    if (activation > 0)
      augment.back().important = ImportantForPivot(work.row, options.substitute_trigger);
  }
  Variations out;
  auto made = MakeVariations(augment, options, context.tokenizer, *context.substitutes, prober);
  for (size_t i = 0; i < works.size(); ++i) {
    int ordinal = 0;
    for (Variation& variation : made[i]) {
      Work work{.request = works[i].request, .scale = works[i].scale};
      work.row = {.unit = works[i].row.unit,
                  .example = works[i].row.example,
                  .ordinal = ++ordinal,
                  .kept = variation.kept,
                  .substitution = std::move(variation.substitution),
                  .ratio = variation.ratio,
                  .tokens = std::move(variation.tokens),
                  .pivot = variation.pivot,
                  .activations = std::move(variation.activations)};
      (variation.kept ? out.kept : out.rejected).push_back(std::move(work));
    }
  }
  return out;
}

void AddPaths(const Work& work, double max_activation, const GraphOptions& options, int bos_tokens,
              TrieBuilder& builder) {
  const store::Prompt& row = work.row;
  for (size_t target = 0; target < row.targets.size(); ++target) {
    const int at = row.targets[target];
    const double activation =
        work.scale * row.activations[static_cast<size_t>(at)] / max_activation;
    if (!(activation > options.activation_threshold)) continue;
    TriePath path{.token = row.tokens[static_cast<size_t>(at)], .activation = activation};
    for (int t = at - 1; t >= bos_tokens; --t) {
      const float importance = row.importances[target * row.tokens.size() + static_cast<size_t>(t)];
      path.steps.push_back({row.tokens[static_cast<size_t>(t)], importance,
                            importance > options.importance_threshold});
    }
    builder.Add(path);
  }
}

}  // namespace

std::vector<GraphResult> BuildGraphs(std::span<const GraphRequest> requests,
                                     const GraphOptions& options, const GraphContext& context,
                                     measure::Prober& prober) {
  std::vector<GraphResult> results(requests.size());
  std::vector<Work> works = Prune(requests, options, context, prober, results);
  AddSaliency(works, requests, options, context, prober);
  if (context.substitutes != nullptr) {
    Variations variations = Vary(works, options, context, prober);
    AddSaliency(variations.kept, requests, options, context, prober);
    for (auto* more : {&variations.kept, &variations.rejected}) {
      std::move(more->begin(), more->end(), std::back_inserter(works));
    }
    std::sort(works.begin(), works.end(), [](const Work& a, const Work& b) {
      return std::tuple(a.request, a.row.example, a.row.ordinal) <
             std::tuple(b.request, b.row.example, b.row.ordinal);
    });
  }
  std::vector<TrieBuilder> builders(requests.size(), TrieBuilder(options, context.classes));
  for (Work& work : works) {
    if (work.row.kept)
      AddPaths(work, requests[work.request].max_activation, options, context.bos_tokens,
               builders[work.request]);
    results[work.request].prompts.push_back(std::move(work.row));
  }
  for (size_t i = 0; i < requests.size(); ++i) {
    results[i].graph = {.unit = requests[i].unit,
                        .max_activation = requests[i].max_activation,
                        .nodes = builders[i].Finish()};
  }
  return results;
}

TokenId ResolveMaskToken(const std::string& name, const tokenizer::SpecialIds& specials,
                         int vocab) {
  const std::vector<std::pair<std::string, std::optional<TokenId>>> named = {
      {"eos", specials.eos}, {"pad", specials.pad}, {"bos", specials.bos}, {"unk", specials.unk}};
  std::vector<std::string> available;
  for (const auto& [known, id] : named) {
    if (id && (name == known || (name == "auto" && known != "unk"))) return *id;
    if (id) available.push_back(known);
  }
  TokenId id = 0;
  const auto [end, code] = std::from_chars(name.data(), name.data() + name.size(), id);
  if (code == std::errc() && end == name.data() + name.size() && id >= 0 && id < vocab) return id;
  base::Fail(base::ErrorKind::kUsage,
             "--mask-token is '{}'; this tokenizer has: {}; or give a token id from 0 to {}", name,
             fmt::join(available, ", "), vocab - 1);
}

}  // namespace assay::neurons
