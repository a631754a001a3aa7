#include "measure/probe_scheduler.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "base/error.h"
#include "model/token_batch.h"

namespace assay::measure {
namespace {

using model::HookPoint;
using model::KvCache;

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

void ProbeScheduler::Forward(const at::Tensor& ids, const KvCache* prefix, KvCache* save,
                             std::vector<Target>& targets) {
  const c10::InferenceMode guard;
  std::sort(targets.begin(), targets.end(),
            [](const Target& a, const Target& b) { return a.unit.layer < b.unit.layer; });
  std::vector<HookPoint> hooks;
  for (const Target& target : targets) {
    const HookPoint hook = units_.ReadHook(target.unit.layer);
    if (hooks.empty() || hooks.back() != hook) hooks.push_back(hook);
  }
  size_t next = 0;
  const auto start = std::chrono::steady_clock::now();
  model_.Forward({.ids = ids, .prefix = prefix, .save = save}, hooks,
                 [&](const HookPoint& hook, at::Tensor& value) {
                   const at::Tensor host =
                       units_.Activations(hook.layer, value)
                           .to(at::kCPU, at::kFloat)
                           .contiguous();  // [rows, T, units]; no copy on the CPU
                   const auto* data = host.data_ptr<float>();
                   const int64_t tokens = host.size(1), units = host.size(2);
                   for (; next < targets.size() && targets[next].unit.layer == hook.layer; ++next) {
                     const Target& target = targets[next];
                     const float* column = data + target.row * tokens * units + target.unit.index;
                     for (int64_t t = 0; t < target.count; ++t) target.out[t] = column[t * units];
                   }
                 });
  stats_.model_seconds +=
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  ++stats_.forwards;
  stats_.tokens += ids.numel();
}

// How many of the prompts from `begin` on go into one group: same depth, nearly the same length
// (they are sorted).
size_t ProbeScheduler::PromptsInGroup(std::span<const Prompt> sorted, size_t begin,
                                      int64_t limit_tokens) const {
  const auto shortest = static_cast<int64_t>(sorted[begin].tokens->size());
  size_t count = 0;
  while (begin + count < sorted.size()) {
    const Prompt& prompt = sorted[begin + count];
    const auto length = static_cast<int64_t>(prompt.tokens->size());
    const bool close = length <= shortest + std::max<int64_t>(2, shortest / 8);
    if (count > 0 && (prompt.depth != sorted[begin].depth || !close ||
                      static_cast<int64_t>(count + 1) * length > limit_tokens))
      break;
    ++count;
  }
  return count;
}

std::vector<std::vector<float>> ProbeScheduler::Activations(std::span<const Probe> probes) {
  stats_.requests += static_cast<int64_t>(probes.size());
  // In lexicographic order a prompt that begins others stands right before them. It is merged into
  // the longest: a causal model gives the same values on the shared tokens.
  std::vector<size_t> order(probes.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
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
  std::stable_sort(prompts.begin(), prompts.end(), [](const Prompt& a, const Prompt& b) {
    return std::pair(a.depth, a.tokens->size()) < std::pair(b.depth, b.tokens->size());
  });
  stats_.prompts += static_cast<int64_t>(prompts.size());
  std::vector<std::vector<float>> answers(probes.size());
  for (size_t i = 0; i < probes.size(); ++i) answers[i].resize(probes[i].tokens.size());
  for (size_t begin = 0; begin < prompts.size();) {
    const size_t count = PromptsInGroup(prompts, begin, options_.batch_tokens);
    std::vector<const Prompt*> group;
    for (size_t i = begin; i < begin + count; ++i) group.push_back(&prompts[i]);
    RunBatch(group, probes, answers);
    begin += count;
  }
  return answers;
}

void ProbeScheduler::RunBatch(std::span<const Prompt* const> prompts, std::span<const Probe> probes,
                              std::vector<std::vector<float>>& answers) {
  std::vector<std::span<const TokenId>> rows;
  std::vector<Target> targets;
  for (size_t row = 0; row < prompts.size(); ++row) {
    rows.emplace_back(*prompts[row]->tokens);
    for (const size_t request : prompts[row]->requests) {
      targets.push_back({static_cast<int64_t>(row), probes[request].unit, answers[request].data(),
                         static_cast<int64_t>(answers[request].size())});
    }
  }
  Forward(model::PadRight(rows, model_.weights().token_embedding.device()), nullptr, nullptr,
          targets);
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
  std::stable_sort(prompts.begin(), prompts.end(), [](const Prompt& a, const Prompt& b) {
    return std::pair(a.depth, a.tokens->size()) < std::pair(b.depth, b.tokens->size());
  });
  const model::TransformerConfig& config = model_.config();
  const int64_t token_bytes = 2LL * config.layers * config.kv_heads * config.d_head * 4;
  const int64_t limit = std::max<int64_t>(
      1, std::min<int64_t>(4LL * options_.batch_tokens, options_.cache_bytes / token_bytes));
  for (size_t begin = 0; begin < prompts.size();) {
    const size_t count = PromptsInGroup(prompts, begin, limit);
    std::vector<const Prompt*> group;
    for (size_t i = begin; i < begin + count; ++i) group.push_back(&prompts[i]);
    RunVariants(group, probes, mask, answers);
    begin += count;
  }
  return answers;
}

void ProbeScheduler::RunVariants(std::span<const Prompt* const> bases,
                                 std::span<const MaskedProbe> probes, TokenId mask,
                                 std::vector<MaskedActivations>& answers) {
  const at::Device device = model_.weights().token_embedding.device();
  KvCache cache;
  {
    std::vector<std::span<const TokenId>> rows;
    std::vector<Target> targets;
    for (size_t row = 0; row < bases.size(); ++row) {
      rows.emplace_back(*bases[row]->tokens);
      for (const size_t request : bases[row]->requests) {
        std::vector<float>& base = answers[request].base;
        targets.push_back({static_cast<int64_t>(row), probes[request].unit, base.data(),
                           static_cast<int64_t>(base.size())});
      }
    }
    Forward(model::PadRight(rows, device), nullptr, &cache, targets);
  }
  stats_.prompts += static_cast<int64_t>(bases.size());
  const size_t longest = bases.back()->tokens->size();
  for (size_t position = 0; position < longest; ++position) {
    // The bases that want this position masked, with the tokens from it on.
    std::vector<std::vector<TokenId>> suffixes;
    std::vector<int64_t> kept;
    std::vector<Target> targets;
    for (size_t b = 0; b < bases.size(); ++b) {
      const std::vector<TokenId>& tokens = *bases[b]->tokens;
      const size_t before = targets.size();
      for (const size_t request : bases[b]->requests) {
        const auto& positions = probes[request].positions;
        const auto found =
            std::lower_bound(positions.begin(), positions.end(), static_cast<int>(position));
        if (found == positions.end() || *found != static_cast<int>(position)) continue;
        std::vector<float>& out =
            answers[request].masked[static_cast<size_t>(found - positions.begin())];
        std::copy_n(answers[request].base.begin(), position,
                    out.begin());  // nothing before the mask changes
        targets.push_back({static_cast<int64_t>(kept.size()), probes[request].unit,
                           out.data() + position, static_cast<int64_t>(tokens.size() - position)});
      }
      if (targets.size() == before) continue;
      kept.push_back(static_cast<int64_t>(b));
      suffixes.emplace_back(tokens.begin() + static_cast<int64_t>(position), tokens.end());
      suffixes.back().front() = mask;
    }
    if (targets.empty()) continue;
    stats_.prompts += static_cast<int64_t>(kept.size());
    KvCache prefix;
    const at::Tensor rows = at::tensor(kept, at::kLong).to(device);
    for (size_t layer = 0; position > 0 && layer < cache.keys.size(); ++layer) {
      const auto take = [&](const at::Tensor& cached) {
        const at::Tensor begun = cached.narrow(2, 0, static_cast<int64_t>(position));
        return kept.size() == bases.size() ? begun : begun.index_select(0, rows);
      };
      prefix.keys.push_back(take(cache.keys[layer]));
      prefix.values.push_back(take(cache.values[layer]));
    }
    const std::vector<std::span<const TokenId>> views(suffixes.begin(), suffixes.end());
    Forward(model::PadRight(views, device), position > 0 ? &prefix : nullptr, nullptr, targets);
  }
}

}  // namespace assay::measure
