#include "neurons/pruner.h"

#include <algorithm>

#include "base/error.h"

namespace assay::neurons {
namespace {

// One example on its way through the candidate contexts.
struct Search {
  const PruneRequest* request;
  PrunedExample* answer;
  int limit = 0;         // longest left context that may be kept, in tokens
  int available = 0;     // longest that is tried; more than `limit` for a trajectory
  int next = 0;          // context length to try next
  bool settled = false;  // the answer stands; only the trajectory goes on

  bool Done(const GraphOptions& options) const {
    return next > available || (settled && next > std::min(options.trajectory_context, available));
  }
  // The candidate contexts are 0, step, 2 step, ... and, whatever the step, the limit.
  int After(int context, const GraphOptions& options) const {
    const int stop = context < limit ? limit : available;
    return context < stop ? std::min(context + options.prune_step, stop) : available + 1;
  }
};

std::vector<TokenId> Candidate(const PruneRequest& request, int context,
                               const GraphOptions& options) {
  std::vector<TokenId> tokens(request.tokens.begin(), request.tokens.begin() + request.bos_tokens);
  const auto pivot = request.tokens.begin() + request.pivot;
  tokens.insert(tokens.end(), pivot - context,
                pivot + 1 + std::min(options.prune_post_context, request.post_limit));
  return tokens;
}

void Take(Search& search, int context, std::vector<TokenId> tokens,
          const std::vector<float>& activations, const GraphOptions& options) {
  PrunedExample& answer = *search.answer;
  const int pivot = search.request->bos_tokens + context;
  const float activation = activations[static_cast<size_t>(pivot)];
  if (static_cast<int>(answer.pruning.trajectory.size()) == context)
    answer.pruning.trajectory.push_back(activation);
  search.next = search.After(context, options);
  if (search.settled) return;
  const bool reached = activation >= options.prune_share * search.request->full_activation;
  if (!reached && context < search.limit) return;
  search.settled = true;
  answer.pruning.outcome =
      reached ? store::PruneOutcome::kReached : store::PruneOutcome::kContextLimit;
  answer.pruning.context = context;
  answer.pruning.pruned_activation = activation;
  answer.tokens = std::move(tokens);
  answer.pivot = pivot;
  answer.activations = activations;
}

}  // namespace

std::vector<PrunedExample> PruneExamples(std::span<const PruneRequest> requests,
                                         const GraphOptions& options, measure::Prober& prober) {
  std::vector<PrunedExample> answers(requests.size());
  std::vector<Search> searches;
  for (size_t i = 0; i < requests.size(); ++i) {
    const PruneRequest& request = requests[i];
    ASSAY_CHECK(request.pivot >= request.bos_tokens &&
                request.pivot < static_cast<int>(request.tokens.size()));
    answers[i].pruning = {.unit = request.unit,
                          .example = request.example,
                          .pivot = request.pivot,
                          .full_activation = request.full_activation};
    if (!(request.full_activation > 0)) {
      answers[i].pruning.outcome = store::PruneOutcome::kNotPositive;
      continue;
    }
    const int left = request.pivot - request.bos_tokens;
    searches.push_back(
        {&request, &answers[i], std::min(left, options.prune_max_context),
         std::min(left, std::max(options.prune_max_context, options.trajectory_context))});
  }
  // Waves: with many examples on the way each tries its next context; when few are left, several at
  // once, so that forwards stay large.
  constexpr int64_t kWaveTokens = 4096;
  while (true) {
    std::erase_if(searches, [&](const Search& search) { return search.Done(options); });
    if (searches.empty()) return answers;
    int64_t one_each = 0;
    for (const Search& search : searches) one_each += search.next + 2;
    const int64_t ahead = std::clamp<int64_t>(kWaveTokens / one_each, 1, 8);
    std::vector<measure::Probe> probes;
    std::vector<std::pair<size_t, int>> what;  // search, context
    for (size_t s = 0; s < searches.size(); ++s) {
      int context = searches[s].next;
      for (int64_t i = 0; i < ahead && context <= searches[s].available;
           ++i, context = searches[s].After(context, options)) {
        probes.push_back(
            {Candidate(*searches[s].request, context, options), searches[s].request->unit});
        what.emplace_back(s, context);
      }
    }
    const auto activations = prober.Activations(probes);
    for (size_t i = 0; i < probes.size(); ++i) {
      Search& search = searches[what[i].first];
      if (!search.Done(options))
        Take(search, what[i].second, std::move(probes[i].tokens), activations[i], options);
    }
  }
}

}  // namespace assay::neurons
