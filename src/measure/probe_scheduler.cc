#include "measure/probe_scheduler.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <numeric>

#include "base/error.h"
#include "model/token_batch.h"

namespace assay::measure {
namespace {

using model::HookPoint;
using model::Segment;

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

class ProbeScheduler::Packing {
 public:
  // How many tokens the prompt begins with as the one added last does.
  int64_t Shared(std::span<const TokenId> tokens) const {
    return std::mismatch(tokens.begin(), tokens.end(), last_.begin(), last_.end()).first -
           tokens.begin();
  }
  int64_t tokens() const { return static_cast<int64_t>(row_.size()); }

  // shared: Shared(wanted.tokens).
  void Add(const Wanted& wanted, int64_t shared) {
    const auto length = static_cast<int64_t>(wanted.tokens.size());
    while (!chain_.empty() && At(chain_.back()).position >= shared) chain_.pop_back();
    if (shared < length) {
      segments_.push_back({.begin = tokens(),
                           .count = length - shared,
                           .parent = chain_.empty() ? -1 : chain_.back(),
                           .position = shared,
                           .depth = 0});
      chain_.push_back(static_cast<int>(segments_.size()) - 1);
      row_.insert(row_.end(), wanted.tokens.begin() + shared, wanted.tokens.end());
    }
    last_ = wanted.tokens;
    for (const int index : chain_) {
      Segment& segment = segments_[static_cast<size_t>(index)];
      segment.depth = std::max(segment.depth, wanted.unit.layer);
      const int64_t first = std::max(segment.position, wanted.first),
                    end = std::min(segment.position + segment.count, length);
      if (first < end) {
        targets_.push_back(
            {index, first - segment.position, end - first, wanted.unit, wanted.out + first});
      }
    }
  }

  // Deepest segments first, as a forward wants them (a parent is as deep as its children), and
  // targets by layer. Nothing can be added afterwards.
  void Sort() {
    std::vector<int> order(segments_.size()), place(segments_.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](int a, int b) { return At(a).depth > At(b).depth; });
    std::vector<TokenId> row;
    std::vector<Segment> sorted;
    for (const int index : order) {
      Segment segment = At(index);
      place[static_cast<size_t>(index)] = static_cast<int>(sorted.size());
      const auto from = row_.begin() + segment.begin;
      segment.begin = static_cast<int64_t>(row.size());
      if (segment.parent >= 0) segment.parent = place[static_cast<size_t>(segment.parent)];
      row.insert(row.end(), from, from + segment.count);
      sorted.push_back(segment);
    }
    row_ = std::move(row);
    segments_ = std::move(sorted);
    for (Target& target : targets_) target.segment = place[static_cast<size_t>(target.segment)];
    std::stable_sort(targets_.begin(), targets_.end(),
                     [](const Target& a, const Target& b) { return a.unit.layer < b.unit.layer; });
  }

  const std::vector<Segment>& segments() const { return segments_; }
  const std::vector<TokenId>& row() const { return row_; }
  const std::vector<Target>& targets() const { return targets_; }

 private:
  const Segment& At(int index) const { return segments_[static_cast<size_t>(index)]; }

  std::vector<Segment> segments_;
  std::vector<TokenId> row_;
  std::vector<Target> targets_;
  std::span<const TokenId> last_;  // the prompt added last
  std::vector<int> chain_;         // the segments that it consists of
};

void ProbeScheduler::Run(Packing& packing) {
  const c10::InferenceMode guard;
  packing.Sort();
  std::vector<HookPoint> hooks;
  for (const Target& target : packing.targets()) {
    const HookPoint hook = units_.ReadHook(target.unit.layer);
    if (hooks.empty() || hooks.back() != hook) hooks.push_back(hook);
  }
  const std::span<const TokenId> row(packing.row());
  const at::Tensor ids = model::PadRight(std::span(&row, 1), units_.device());
  auto next = packing.targets().begin();
  const auto start = std::chrono::steady_clock::now();
  model_.Forward(
      {.ids = ids, .segments = packing.segments()}, hooks,
      [&](const HookPoint& hook, at::Tensor& value) {
        const at::Tensor host = units_.Activations(hook.layer, value)
                                    .to(at::kCPU, at::kFloat)
                                    .contiguous();  // [1, T, units]
        const int64_t units = host.size(2);
        const float* data = host.data_ptr<float>();
        for (; next != packing.targets().end() && next->unit.layer == hook.layer; ++next) {
          const Segment& segment = packing.segments()[static_cast<size_t>(next->segment)];
          const float* column = data + (segment.begin + next->begin) * units + next->unit.index;
          for (int64_t t = 0; t < next->count; ++t) next->out[t] = column[t * units];
        }
      });
  stats_.model_seconds +=
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  ++stats_.forwards;
  stats_.prompts += static_cast<int64_t>(packing.segments().size());
  stats_.tokens += packing.tokens();
  for (const Segment& segment : packing.segments())
    stats_.token_layers += segment.count * (segment.depth + 1);
}

void ProbeScheduler::Answer(std::vector<Wanted> wanted) {
  stats_.requests += static_cast<int64_t>(wanted.size());
  // Prompts with the same beginning become neighbours, and one that begins another follows it.
  std::stable_sort(wanted.begin(), wanted.end(), [](const Wanted& a, const Wanted& b) {
    return std::ranges::lexicographical_compare(b.tokens, a.tokens);
  });
  Packing packing;
  for (const Wanted& one : wanted) {
    ASSAY_CHECK(!one.tokens.empty());
    int64_t shared = packing.Shared(one.tokens);
    const auto added = static_cast<int64_t>(one.tokens.size()) - shared;
    if (packing.tokens() > 0 && packing.tokens() + added > options_.batch_tokens) {
      Run(packing);
      packing = {};
      shared = 0;
    }
    packing.Add(one, shared);
  }
  if (packing.tokens() > 0) Run(packing);
}

std::vector<std::vector<float>> ProbeScheduler::Activations(std::span<const Probe> probes) {
  std::vector<std::vector<float>> answers(probes.size());
  std::vector<Wanted> wanted;
  for (size_t i = 0; i < probes.size(); ++i) {
    answers[i].resize(probes[i].tokens.size());
    wanted.push_back({probes[i].tokens, probes[i].unit, answers[i].data()});
  }
  Answer(std::move(wanted));
  return answers;
}

std::vector<MaskedActivations> ProbeScheduler::Masked(std::span<const MaskedProbe> probes,
                                                      TokenId mask) {
  std::vector<MaskedActivations> answers(probes.size());
  std::vector<Wanted> wanted;
  std::deque<std::vector<TokenId>> variants;
  for (size_t i = 0; i < probes.size(); ++i) {
    const MaskedProbe& probe = probes[i];
    MaskedActivations& answer = answers[i];
    answer.base.resize(probe.tokens.size());
    answer.masked.assign(probe.positions.size(), std::vector<float>(probe.tokens.size()));
    wanted.push_back({probe.tokens, probe.unit, answer.base.data()});
    for (size_t p = 0; p < probe.positions.size(); ++p) {
      const int position = probe.positions[p];
      ASSAY_CHECK(position >= 0 && static_cast<size_t>(position) < probe.tokens.size());
      variants.push_back(probe.tokens);
      variants.back()[static_cast<size_t>(position)] = mask;
      wanted.push_back({variants.back(), probe.unit, answer.masked[p].data(), position});
    }
  }
  Answer(std::move(wanted));
  // Nothing before the mask changes.
  for (size_t i = 0; i < probes.size(); ++i) {
    for (size_t p = 0; p < probes[i].positions.size(); ++p)
      std::copy_n(answers[i].base.begin(), probes[i].positions[p], answers[i].masked[p].begin());
  }
  return answers;
}

}  // namespace assay::measure
