#include "robustness/square_attack.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "robustness/attack_batch.h"

namespace assay::robustness {
namespace {

constexpr double kFirstShare = 0.8;  // of the image's area, in the first square

// Share of the area after `query` of `queries`: the paper's schedule, for 10,000 queries.
double AreaShare(int query, int queries) {
  const double at = 10000.0 * query / queries;
  double share = kFirstShare;
  for (const double from : {10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000})
    if (at > from) share /= 2;
  return share;
}

// One image as plain floats, [C, H, W].
struct Shape {
  int64_t channels, height, width;
  int64_t plane() const { return height * width; }
  int64_t values() const { return channels * plane(); }
};

struct Window {
  int64_t top, left, side;
};

Window RandomWindow(const Shape& shape, int64_t side, base::Rng& rng) {
  return {static_cast<int64_t>(rng.Below(static_cast<uint64_t>(shape.height - side + 1))),
          static_cast<int64_t>(rng.Below(static_cast<uint64_t>(shape.width - side + 1))), side};
}

template <typename Visit>
void ForWindow(const Shape& shape, const Window& window, int64_t channel, Visit&& visit) {
  for (int64_t y = 0; y < window.side; ++y) {
    for (int64_t x = 0; x < window.side; ++x)
      visit(channel * shape.plane() + (window.top + y) * shape.width + window.left + x,
            y * window.side + x);
  }
}

double RandomSign(base::Rng& rng) { return rng.Below(2) == 0 ? -1 : 1; }

// A bump of two nested-rectangle halves of opposite sign, of L2 length 1: [side * side].
std::vector<double> Bump(int64_t side, base::Rng& rng) {
  std::vector<double> out(static_cast<size_t>(side * side), 0);
  const auto half = [&](int64_t first, int64_t rows, double sign) {
    std::vector<double> part(static_cast<size_t>(rows * side), 0);
    const int64_t middle_y = rows / 2 + 1, middle_x = side / 2 + 1;
    for (int64_t ring = 0; ring < std::max(middle_y, middle_x); ++ring) {
      const int64_t y0 = middle_y - 1 - ring, x0 = middle_x - 1 - ring;
      for (int64_t y = std::max<int64_t>(y0, 0); y < std::min(y0 + 2 * ring + 1, rows); ++y) {
        for (int64_t x = std::max<int64_t>(x0, 0); x < std::min(x0 + 2 * ring + 1, side); ++x)
          part[static_cast<size_t>(y * side + x)] +=
              1.0 / static_cast<double>((ring + 1) * (ring + 1));
      }
    }
    double square = 0;
    for (const double value : part) square += value * value;
    for (size_t i = 0; i < part.size(); ++i)
      out[static_cast<size_t>(first * side) + i] =
          sign * part[i] / std::sqrt(std::max(square, 1e-24));
  };
  half(0, side / 2, 1);
  half(side / 2, side - side / 2, -1);
  const bool turned = rng.Below(2) == 1;
  std::vector<double> result(out.size());
  for (int64_t y = 0; y < side; ++y) {
    for (int64_t x = 0; x < side; ++x)
      result[static_cast<size_t>(y * side + x)] =
          out[static_cast<size_t>(turned ? x * side + y : y * side + x)] / std::sqrt(2.0);
  }
  return result;
}

double Length(const std::vector<double>& delta) {
  double square = 0;
  for (const double value : delta) square += value * value;
  return std::sqrt(square);
}

// Proposals for one image: the first point and the changes after it.
class Proposals {
 public:
  Proposals(const Shape& shape, bool linf, double epsilon, const float* original)
      : shape_(shape), linf_(linf), epsilon_(epsilon), original_(original) {}

  void First(base::Rng& rng, float* out) const {
    std::vector<double> delta(static_cast<size_t>(shape_.values()), 0);
    if (linf_) {  // vertical stripes
      for (int64_t c = 0; c < shape_.channels; ++c) {
        for (int64_t x = 0; x < shape_.width; ++x) {
          const double value = epsilon_ * RandomSign(rng);
          for (int64_t y = 0; y < shape_.height; ++y)
            delta[static_cast<size_t>(c * shape_.plane() + y * shape_.width + x)] = value;
        }
      }
      return Write(delta, out);
    }
    const int64_t shorter = std::min(shape_.height, shape_.width);
    const int64_t side = std::max<int64_t>(shorter / 5, 1);
    for (int64_t top = (shape_.height % side) / 2; top + side <= shape_.height; top += side) {
      for (int64_t left = (shape_.width % side) / 2; left + side <= shape_.width; left += side) {
        const std::vector<double> bump = Bump(side, rng);
        for (int64_t c = 0; c < shape_.channels; ++c) {
          const double sign = RandomSign(rng);
          ForWindow(shape_, {top, left, side}, c, [&](int64_t at, int64_t in) {
            delta[static_cast<size_t>(at)] += sign * bump[static_cast<size_t>(in)];
          });
        }
      }
    }
    WriteScaled(delta, out);
  }

  // current: the best so far.
  void Next(const float* current, double share, base::Rng& rng, float* out) const {
    std::vector<double> delta(static_cast<size_t>(shape_.values()));
    for (int64_t i = 0; i < shape_.values(); ++i)
      delta[static_cast<size_t>(i)] = double{current[i]} - original_[i];
    const int64_t shorter = std::min(shape_.height, shape_.width);
    const auto asked =
        static_cast<int64_t>(std::lround(std::sqrt(share * static_cast<double>(shape_.plane()))));
    if (linf_) {
      const Window window = RandomWindow(
          shape_, std::clamp<int64_t>(asked, 1, std::max<int64_t>(shorter - 1, 1)), rng);
      for (int64_t c = 0; c < shape_.channels; ++c) {
        const double value = epsilon_ * RandomSign(rng);
        ForWindow(shape_, window, c,
                  [&](int64_t at, int64_t) { delta[static_cast<size_t>(at)] = value; });
      }
      return Write(delta, out);
    }
    int64_t side = std::max<int64_t>(asked, 3);
    if (side % 2 == 0) ++side;
    side = std::min(side, shorter);
    MoveMass(RandomWindow(shape_, side, rng), RandomWindow(shape_, side, rng), rng, delta);
    WriteScaled(delta, out);
  }

 private:
  // Takes the mass of both windows, and what the budget still allows, into the first.
  void MoveMass(const Window& to, const Window& from, base::Rng& rng,
                std::vector<double>& delta) const {
    const double length = Length(delta);
    const double unused =
        std::max(epsilon_ * epsilon_ - length * length, 0.0) / static_cast<double>(shape_.channels);
    const std::vector<double> bump = Bump(to.side, rng);
    for (int64_t c = 0; c < shape_.channels; ++c) {
      double in_to = 0, in_from_only = 0;
      const auto square = [&](int64_t at) {
        return delta[static_cast<size_t>(at)] * delta[static_cast<size_t>(at)];
      };
      ForWindow(shape_, to, c, [&](int64_t at, int64_t) { in_to += square(at); });
      ForWindow(shape_, from, c, [&](int64_t at, int64_t in) {
        const int64_t y = from.top + in / from.side, x = from.left + in % from.side;
        const bool shared =
            y >= to.top && y < to.top + to.side && x >= to.left && x < to.left + to.side;
        if (!shared) in_from_only += square(at);
      });
      const double sign = RandomSign(rng), old_length = std::sqrt(in_to);
      std::vector<double> fresh(bump.size());
      ForWindow(shape_, to, c, [&](int64_t at, int64_t in) {
        fresh[static_cast<size_t>(in)] = sign * bump[static_cast<size_t>(in)] +
                                         delta[static_cast<size_t>(at)] / (1e-12 + old_length);
      });
      const double scale = std::sqrt(unused + in_to + in_from_only) / (1e-12 + Length(fresh));
      ForWindow(shape_, from, c, [&](int64_t at, int64_t) { delta[static_cast<size_t>(at)] = 0; });
      ForWindow(shape_, to, c, [&](int64_t at, int64_t in) {
        delta[static_cast<size_t>(at)] = fresh[static_cast<size_t>(in)] * scale;
      });
    }
  }

  void WriteScaled(std::vector<double>& delta, float* out) const {
    const double scale = epsilon_ * (1 - 1e-6) / std::max(Length(delta), 1e-12);
    for (double& value : delta) value *= scale;
    Write(delta, out);
  }

  void Write(const std::vector<double>& delta, float* out) const {
    for (int64_t i = 0; i < shape_.values(); ++i)
      out[i] =
          std::clamp(original_[i] + static_cast<float>(delta[static_cast<size_t>(i)]), 0.0F, 1.0F);
  }

  Shape shape_;
  bool linf_;
  double epsilon_;
  const float* original_;
};

class SquareAttack : public Attack {
 public:
  explicit SquareAttack(AttackOptions options)
      : options_(std::move(options)), space_(MakePixelSpace()) {}
  std::string name() const override { return "square"; }

  AttackResult Run(const model::ImageClassifier& model, const AttackInput& input) const override {
    CheckInput(input);
    const Norm norm = measure::ParseNorm(options_.norm);
    // The margin ranks candidates whatever the objective: cross-entropy has the same order for two
    // classes and is flat where the classifier is sure.
    const Objective asked = measure::ParseObjective(options_.objective);
    const Objective objective =
        measure::IsTargeted(asked) ? Objective::kTargetedMargin : Objective::kMargin;
    ModelProbe probe(model, *space_, objective, input.any_wrong_class);
    const ActiveImages all = AllImages(input, *space_, norm, Budgets(input, options_.epsilon));
    ActiveImages active = all;
    BestStates best(input);
    best.Offer(active, active.images,
               probe.Forward(active.images, active.images, active.labels, active.targets));
    for (int query = 0; query < options_.queries; ++query) {
      if (options_.early_stop) {
        const at::Tensor keep = Places(best.fooled().index_select(0, active.rows).logical_not());
        if (keep.size(0) < active.size()) active = active.Kept(keep);
      }
      if (active.size() == 0) break;
      const at::Tensor proposed = Propose(active, best.images(), query);
      best.Offer(active, proposed,
                 probe.Forward(active.images, proposed, active.labels, active.targets));
    }
    AttackResult result = best.Result(all.region, probe.calls());
    result.health.images = input.images.size(0);
    return result;
  }

 private:
  at::Tensor Propose(const ActiveImages& active, const at::Tensor& best_images, int query) const {
    const at::Tensor originals = active.images.to(at::kCPU).contiguous();
    const at::Tensor current = best_images.index_select(0, active.rows).to(at::kCPU).contiguous();
    const at::Tensor radius = active.region.radius().to(at::kCPU);
    at::Tensor out = at::empty_like(originals);
    const Shape shape{originals.size(1), originals.size(2), originals.size(3)};
    const double share = AreaShare(query, options_.queries);
    for (int64_t i = 0; i < active.size(); ++i) {
      base::Rng rng(options_.seed ^ active.streams[static_cast<size_t>(i)], "square",
                    static_cast<uint64_t>(query));
      const Proposals proposals(shape, active.region.norm() == Norm::kLinf,
                                radius.data_ptr<double>()[i],
                                originals.data_ptr<float>() + i * shape.values());
      float* to = out.data_ptr<float>() + i * shape.values();
      if (query == 0)
        proposals.First(rng, to);
      else
        proposals.Next(current.data_ptr<float>() + i * shape.values(), share, rng, to);
    }
    return out.to(active.images.device());
  }

  AttackOptions options_;
  std::unique_ptr<ParameterSpace> space_;
};

}  // namespace

std::unique_ptr<Attack> MakeSquareAttack(const AttackOptions& options) {
  return std::make_unique<SquareAttack>(options);
}

}  // namespace assay::robustness
