#include "neurons/saliency.h"

#include "base/error.h"

namespace assay::neurons {

std::vector<SaliencyAnswer> MeasureSaliency(std::span<const SaliencyRequest> requests,
                                            const GraphOptions& options, TokenId mask,
                                            measure::Prober& prober) {
  std::vector<SaliencyAnswer> answers(requests.size());
  std::vector<measure::MaskedProbe> probes;
  for (size_t i = 0; i < requests.size(); ++i) {
    const SaliencyRequest& request = requests[i];
    ASSAY_CHECK(request.activations.size() == request.tokens.size());
    SaliencyAnswer& answer = answers[i];
    for (int t = request.bos_tokens; t < static_cast<int>(request.tokens.size()); ++t) {
      const float activation = request.activations[static_cast<size_t>(t)];
      const bool fires = activation > options.activation_threshold * request.max_activation;
      if (fires || (t == request.pivot && activation > 0)) answer.targets.push_back(t);
    }
    measure::MaskedProbe probe{.tokens = request.tokens, .unit = request.unit};
    if (!answer.targets.empty()) {
      for (int t = request.bos_tokens; t < answer.targets.back(); ++t) probe.positions.push_back(t);
      probe.tokens.resize(static_cast<size_t>(answer.targets.back()) +
                          1);  // causal: later tokens change nothing
    }
    probes.push_back(std::move(probe));
  }
  const std::vector<measure::MaskedActivations> measured = prober.Masked(probes, mask);
  for (size_t i = 0; i < requests.size(); ++i) {
    SaliencyAnswer& answer = answers[i];
    const size_t tokens = requests[i].tokens.size();
    answer.importances.assign(answer.targets.size() * tokens, 0.0F);
    for (size_t p = 0; p < probes[i].positions.size(); ++p) {
      const auto position = static_cast<size_t>(probes[i].positions[p]);
      for (size_t target = 0; target < answer.targets.size(); ++target) {
        const auto at = static_cast<size_t>(answer.targets[target]);
        if (position >= at) continue;
        answer.importances[target * tokens + position] =
            1.0F - measured[i].masked[p][at] / measured[i].base[at];
      }
    }
  }
  return answers;
}

}  // namespace assay::neurons
