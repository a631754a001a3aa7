#include <ATen/ATen.h>

#include <numeric>

#include "base/rng.h"
#include "robustness/attack_optimizer.h"
#include "robustness/attack_region.h"
#include "robustness/batch_perturber.h"
#include "robustness/search_attack.h"

namespace assay::robustness {
namespace {

using base::ErrorKind;
using base::Fail;

// The images of a batch that get one transform at one place of their sequence.
struct Group {
  const TrainingTransform& transform;
  at::Tensor images, labels;         // [n, C, H, W], [n]
  const std::vector<int64_t>& rows;  // [n] in the batch
  int64_t place;                     // in the sequence
  size_t number;                     // of the group in the batch
};

// Takes every image through its sequence; what one transform does is left to the kind of training.
class TransformPerturber : public BatchPerturber {
 public:
  TransformPerturber(std::vector<TrainingTransform> transforms, int64_t k)
      : transforms_(std::move(transforms)), k_(k) {
    ASSAY_CHECK(k_ >= 1 && k_ <= static_cast<int64_t>(transforms_.size()));
  }

  at::Tensor Perturb(const TrainStep& step) override {
    at::Tensor images = step.images;
    size_t number = 0;
    int64_t place = 0;
    for (const auto& rows_of : DrawSequences(
             images.size(0), static_cast<int64_t>(transforms_.size()), k_, step.seed, step.step)) {
      std::vector<at::Tensor> changed;
      std::vector<int64_t> order;
      for (size_t t = 0; t < transforms_.size(); ++t) {
        if (rows_of[t].empty()) continue;
        const at::Tensor rows = at::tensor(rows_of[t], at::kLong).to(images.device());
        changed.push_back(Change(step, {.transform = transforms_[t],
                                        .images = images.index_select(0, rows),
                                        .labels = step.labels.index_select(0, rows),
                                        .rows = rows_of[t],
                                        .place = place,
                                        .number = number++}));
        order.insert(order.end(), rows_of[t].begin(), rows_of[t].end());
      }
      const at::Tensor back = at::tensor(order, at::kLong).argsort().to(images.device());
      images = at::cat(changed).index_select(0, back);
      ++place;
    }
    return images;
  }

 protected:
  virtual at::Tensor Change(const TrainStep& step, const Group& group) = 0;

  static Region RegionOf(const Group& group) {
    const AttackOptions& attack = group.transform.attack;
    return Region(*group.transform.space, group.images, measure::ParseNorm(attack.norm),
                  Budgets({.images = group.images}, attack.epsilon));
  }

  // A draw for each image, within the budget.
  static at::Tensor Drawn(const TrainStep& step, const Group& group, const Region& region) {
    std::vector<uint64_t> streams;
    const std::string stream = fmt::format("augment {}", group.place);
    for (const int64_t row : group.rows) {
      streams.push_back(
          base::Rng(step.seed, stream, static_cast<uint64_t>(step.step * step.images.size(0) + row))
              .Next());
    }
    return region.Project(
        group.transform.space->Draw(group.images, region.norm(), region.radius(), streams, 0));
  }

  std::vector<TrainingTransform> transforms_;
  int64_t k_;
};

class RandomPerturber final : public TransformPerturber {
  using TransformPerturber::TransformPerturber;
  at::Tensor Change(const TrainStep& step, const Group& group) override {
    return group.transform.space->Apply(group.images, Drawn(step, group, RegionOf(group)));
  }
};

class AdversarialPerturber final : public TransformPerturber {
  using TransformPerturber::TransformPerturber;
  at::Tensor Change(const TrainStep& step, const Group& group) override {
    AttackOptions options = group.transform.attack;
    options.seed = base::Rng(step.seed, fmt::format("attack {}", group.place),
                             static_cast<uint64_t>(step.step))
                       .Next();
    // Made directly, a search may have draws only: MakeAttack would read 0 steps as its default.
    const auto attack = options.attack == "search"
                            ? MakeSearchAttack(options, group.transform.space)
                            : MakeAttack(options, group.transform.space);
    return attack->Run(step.classifier, {.images = group.images, .labels = group.labels}).images;
  }
};

class FreePerturber final : public TransformPerturber {
 public:
  FreePerturber(std::vector<TrainingTransform> transforms, int64_t k, int64_t repeats, double share)
      : TransformPerturber(std::move(transforms), k),
        repeats_(repeats),
        optimizer_(MakeSteepest(share, /*relative=*/true)) {
    for (const TrainingTransform& transform : transforms_) {
      if (!transform.space->differentiable())
        Fail(ErrorKind::kUsage, "free training follows gradients, and {} has none", transform.name);
    }
  }

  int64_t repeats() const override { return repeats_; }

  at::Tensor Perturb(const TrainStep& step) override {
    if (step.repeat == 0) raised_.clear();
    return TransformPerturber::Perturb(step);
  }

  void Learn() override {
    for (Raised& raised : raised_) {
      const at::Tensor gradient = raised.leaf.grad();
      ASSAY_CHECK(gradient.defined());
      raised.leaf = optimizer_->Step(raised.region, raised.leaf.detach(), {}, gradient).detach();
    }
  }

 private:
  struct Raised {
    Region region;
    at::Tensor leaf;  // [n, P]
  };

  at::Tensor Change(const TrainStep& step, const Group& group) override {
    if (step.repeat == 0) {
      Region region = RegionOf(group);
      at::Tensor drawn = Drawn(step, group, region);
      raised_.push_back({std::move(region), std::move(drawn)});
    }
    at::Tensor& leaf = raised_.at(group.number).leaf;
    leaf = leaf.detach().requires_grad_(true);
    return group.transform.space->Apply(group.images, leaf);
  }

  int64_t repeats_;
  std::unique_ptr<AttackOptimizer> optimizer_;
  std::vector<Raised> raised_;  // of the batch, by group
};

}  // namespace

std::vector<std::vector<std::vector<int64_t>>> DrawSequences(int64_t images, int64_t transforms,
                                                             int64_t k, uint64_t seed,
                                                             int64_t step) {
  std::vector<std::vector<std::vector<int64_t>>> rows_of(
      static_cast<size_t>(k), std::vector<std::vector<int64_t>>(static_cast<size_t>(transforms)));
  base::Rng rng(seed, "transforms", static_cast<uint64_t>(step));
  std::vector<size_t> order(static_cast<size_t>(transforms));
  std::iota(order.begin(), order.end(), 0);
  for (int64_t row = 0; row < images; ++row) {
    rng.Shuffle(order);
    for (size_t place = 0; place < static_cast<size_t>(k); ++place)
      rows_of[place][order[place]].push_back(row);
  }
  return rows_of;
}

std::unique_ptr<BatchPerturber> MakeRandomPerturber(std::vector<TrainingTransform> transforms,
                                                    int64_t k) {
  return std::make_unique<RandomPerturber>(std::move(transforms), k);
}

std::unique_ptr<BatchPerturber> MakeAdversarialPerturber(std::vector<TrainingTransform> transforms,
                                                         int64_t k) {
  return std::make_unique<AdversarialPerturber>(std::move(transforms), k);
}

std::unique_ptr<BatchPerturber> MakeFreePerturber(std::vector<TrainingTransform> transforms,
                                                  int64_t k, int64_t repeats, double share) {
  return std::make_unique<FreePerturber>(std::move(transforms), k, repeats, share);
}

}  // namespace assay::robustness
