#include "measure/probe_scheduler.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <numeric>

#include "base/error.h"
#include "model/token_batch.h"

namespace assay::measure {
namespace {

using model::HookPoint;
using model::Segment;

// Forwards of like depth, so that deep layers have many tokens too.
template <typename Prompts>
void SortForForwards(Prompts& prompts) {
  std::stable_sort(prompts.begin(), prompts.end(), [](const auto& a, const auto& b) {
    return std::pair(a.depth, a.tokens->size()) < std::pair(b.depth, b.tokens->size());
  });
}

}  // namespace

ProbeScheduler::ProbeScheduler(const model::Transformer& model, SchedulerOptions options)
    : owned_(std::make_unique<model::TransformerNeurons>(model)),
      units_(*owned_),
      model_(model),
      options_(options) {
  ASSAY_CHECK(model.config().causal);
}

ProbeScheduler::ProbeScheduler(const model::TokenUnits& units, SchedulerOptions options)
    : units_(units), model_(units.network()), options_(options) {
  ASSAY_CHECK(model_.config().causal);
}

// Fills forwards with parts, one after the other. A prompt and its variants share a forward, or the
// prompt runs again with the rest of its variants.
class ProbeScheduler::Forwards {
 public:
  explicit Forwards(ProbeScheduler& scheduler) : scheduler_(scheduler) {}

  // variant_tokens: those of the variants that follow.
  void AddPrompt(Part part, int64_t variant_tokens) {
    if (Full(static_cast<int64_t>(part.tokens.size()) + variant_tokens)) Flush();
    prompt_ = parts_.size();
    Add(std::move(part));
  }

  void AddVariant(Part part) {
    if (Full(static_cast<int64_t>(part.tokens.size())) && parts_.size() > prompt_ + 1) {
      Part again{.tokens = parts_[prompt_].tokens, .depth = parts_[prompt_].depth};
      Flush();
      Add(std::move(again));
    }
    part.base = prompt_;
    Add(std::move(part));
  }

  void Flush() {
    if (!parts_.empty()) scheduler_.Run(parts_);
    parts_.clear();
    tokens_ = 0;
    prompt_ = 0;
  }

 private:
  bool Full(int64_t more) const { return tokens_ + more > scheduler_.options_.batch_tokens; }
  void Add(Part part) {
    tokens_ += static_cast<int64_t>(part.tokens.size());
    parts_.push_back(std::move(part));
  }

  ProbeScheduler& scheduler_;
  std::vector<Part> parts_;
  size_t prompt_ = 0;  // the one added last
  int64_t tokens_ = 0;
};

// Runs the parts as one packed batch.
void ProbeScheduler::Run(std::vector<Part>& parts) {
  const c10::InferenceMode guard;
  std::vector<size_t> order(parts.size());
  std::iota(order.begin(), order.end(), 0);
  // Deepest first; a prompt is at least as deep as its variants and stands before them.
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return parts[a].depth > parts[b].depth; });
  std::vector<Segment> segments;
  std::vector<int64_t> begin(parts.size());
  std::vector<TokenId> row;
  std::vector<std::pair<int64_t, const Target*>> targets;  // with the place of its first token
  for (const size_t i : order) {
    const Part& part = parts[i];
    begin[i] = static_cast<int64_t>(row.size());
    segments.push_back({.begin = begin[i],
                        .count = static_cast<int64_t>(part.tokens.size()),
                        .prefix_begin = part.shared > 0 ? begin[part.base] : 0,
                        .prefix_count = part.shared,
                        .depth = part.depth});
    row.insert(row.end(), part.tokens.begin(), part.tokens.end());
    for (const Target& target : part.targets) targets.emplace_back(begin[i], &target);
  }
  std::stable_sort(targets.begin(), targets.end(), [](const auto& a, const auto& b) {
    return a.second->unit.layer < b.second->unit.layer;
  });
  std::vector<HookPoint> hooks;
  for (const auto& [place, target] : targets) {
    const HookPoint hook = units_.ReadHook(target->unit.layer);
    if (hooks.empty() || hooks.back() != hook) hooks.push_back(hook);
  }
  const std::span<const TokenId> whole(row);
  const at::Tensor ids = model::PadRight(std::span(&whole, 1), units_.device());
  auto next = targets.begin();
  const auto start = std::chrono::steady_clock::now();
  model_.Forward(
      {.ids = ids, .segments = segments}, hooks, [&](const HookPoint& hook, at::Tensor& value) {
        const at::Tensor host = units_.Activations(hook.layer, value)
                                    .to(at::kCPU, at::kFloat)
                                    .contiguous();  // [1, T, units]
        const int64_t units = host.size(2);
        for (; next != targets.end() && next->second->unit.layer == hook.layer; ++next) {
          const Target& target = *next->second;
          const float* column = host.data_ptr<float>() + next->first * units + target.unit.index;
          for (int64_t t = 0; t < target.count; ++t) target.out[t] = column[t * units];
        }
      });
  stats_.model_seconds +=
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  ++stats_.forwards;
  stats_.tokens += ids.numel();
}

std::vector<std::vector<float>> ProbeScheduler::Activations(std::span<const Probe> probes) {
  stats_.requests += static_cast<int64_t>(probes.size());
  // In lexicographic order a prompt that begins others stands right before them. It is merged into
  // the longest: a causal model gives the same values on the shared tokens.
  std::vector<size_t> order(probes.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return probes[a].tokens < probes[b].tokens; });
  std::vector<Prompt> prompts;
  for (auto it = order.rbegin(); it != order.rend(); ++it) {
    const std::vector<TokenId>& tokens = probes[*it].tokens;
    ASSAY_CHECK(!tokens.empty());
    const bool begins_last =
        !prompts.empty() && tokens.size() <= prompts.back().tokens->size() &&
        std::equal(tokens.begin(), tokens.end(), prompts.back().tokens->begin());
    if (!begins_last) prompts.push_back({&tokens, 0, {}});
    prompts.back().depth = std::max(prompts.back().depth, probes[*it].unit.layer);
    prompts.back().requests.push_back(*it);
  }
  SortForForwards(prompts);
  stats_.prompts += static_cast<int64_t>(prompts.size());
  std::vector<std::vector<float>> answers(probes.size());
  Forwards forwards(*this);
  for (const Prompt& prompt : prompts) {
    Part part{.tokens = *prompt.tokens, .depth = prompt.depth};
    for (const size_t request : prompt.requests) {
      answers[request].resize(probes[request].tokens.size());
      part.targets.push_back({probes[request].unit, answers[request].data(),
                              static_cast<int64_t>(answers[request].size())});
    }
    forwards.AddPrompt(std::move(part), 0);
  }
  forwards.Flush();
  return answers;
}

std::vector<MaskedActivations> ProbeScheduler::Masked(std::span<const MaskedProbe> probes,
                                                      TokenId mask) {
  std::map<std::span<const TokenId>, size_t,
           decltype([](std::span<const TokenId> a, std::span<const TokenId> b) {
             return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
           })>
      known;
  std::vector<Prompt> prompts;
  std::vector<MaskedActivations> answers(probes.size());
  for (size_t i = 0; i < probes.size(); ++i) {
    const MaskedProbe& probe = probes[i];
    ASSAY_CHECK(!probe.tokens.empty());
    ASSAY_CHECK(probe.positions.empty() ||
                (probe.positions.front() >= 0 &&
                 static_cast<size_t>(probe.positions.back()) < probe.tokens.size()));
    const auto [found, fresh] =
        known.try_emplace(std::span<const TokenId>(probe.tokens), prompts.size());
    if (fresh) prompts.push_back({&probe.tokens, 0, {}});
    Prompt& prompt = prompts[found->second];
    prompt.depth = std::max(prompt.depth, probe.unit.layer);
    prompt.requests.push_back(i);
    answers[i].base.resize(probe.tokens.size());
    answers[i].masked.assign(probe.positions.size(), std::vector<float>(probe.tokens.size()));
    stats_.requests += 1 + static_cast<int64_t>(probe.positions.size());
  }
  SortForForwards(prompts);
  Forwards forwards(*this);
  for (const Prompt& prompt : prompts) AddWithVariants(prompt, probes, mask, answers, forwards);
  forwards.Flush();
  // Nothing before the mask changes.
  for (size_t i = 0; i < probes.size(); ++i) {
    for (size_t p = 0; p < probes[i].positions.size(); ++p)
      std::copy_n(answers[i].base.begin(), probes[i].positions[p], answers[i].masked[p].begin());
  }
  return answers;
}

void ProbeScheduler::AddWithVariants(const Prompt& prompt, std::span<const MaskedProbe> probes,
                                     TokenId mask, std::vector<MaskedActivations>& answers,
                                     Forwards& forwards) {
  const std::vector<TokenId>& tokens = *prompt.tokens;
  const auto length = static_cast<int64_t>(tokens.size());
  Part whole{.tokens = tokens, .depth = prompt.depth};
  std::map<int, Part> variants;  // by the masked position
  int64_t variant_tokens = 0;
  for (const size_t request : prompt.requests) {
    const UnitId unit = probes[request].unit;
    whole.targets.push_back({unit, answers[request].base.data(), length});
    for (size_t p = 0; p < probes[request].positions.size(); ++p) {
      const int position = probes[request].positions[p];
      const auto [found, fresh] = variants.try_emplace(position);
      Part& variant = found->second;
      if (fresh) {
        variant.tokens.assign(tokens.begin() + position, tokens.end());
        variant.tokens.front() = mask;
        variant.shared = position;
        variant_tokens += length - position;
      }
      variant.depth = std::max(variant.depth, unit.layer);
      variant.targets.push_back(
          {unit, answers[request].masked[p].data() + position, length - position});
    }
  }
  stats_.prompts += 1 + static_cast<int64_t>(variants.size());
  forwards.AddPrompt(std::move(whole), variant_tokens);
  for (auto& [position, variant] : variants) forwards.AddVariant(std::move(variant));
}

}  // namespace assay::measure
