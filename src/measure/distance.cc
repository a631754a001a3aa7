#include "measure/distance.h"

#include <ATen/ATen.h>

#include <array>
#include <cmath>
#include <utility>

#include "base/error.h"

namespace assay::measure {
namespace {

using base::ErrorKind;
using base::Fail;

constexpr std::array<std::pair<std::string_view, Norm>, 6> kNorms = {{{"linf", Norm::kLinf},
                                                                      {"l2", Norm::kL2},
                                                                      {"l1", Norm::kL1},
                                                                      {"rmse", Norm::kRmse},
                                                                      {"mae", Norm::kMae},
                                                                      {"l0", Norm::kL0}}};

double Width(const at::Tensor& rows) {
  return rows.size(0) == 0 ? 1.0 : static_cast<double>(rows.numel() / rows.size(0));
}

at::Tensor Scaled(const at::Tensor& delta, const at::Tensor& radius) {
  const at::Tensor length = Distance(delta, Norm::kL2);
  // The tiny factor keeps rounding from leaving the ball.
  const at::Tensor factor = at::where(length > radius, radius / length * (1 - 1e-7), 1.0);
  return delta * PerRow(factor, delta);
}

at::Tensor KeptLargest(const at::Tensor& delta, const at::Tensor& radius) {
  const at::Tensor flat = delta.flatten(1);
  const at::Tensor rank = flat.abs().argsort(int64_t{1}, true).argsort(int64_t{1});
  const at::Tensor kept = (radius.to(at::kDouble) * Width(delta)).floor().unsqueeze(1);
  return at::where(rank.lt(kept), flat, 0.0).view(delta.sizes());
}

// The L1 projection onto ball and box: soft-threshold by the smallest amount that fits. The total
// is monotone in the amount, which is bisected for all rows at once.
at::Tensor SoftThresholded(const at::Tensor& delta, const at::Tensor& radius, const at::Tensor& low,
                           const at::Tensor& high) {
  const at::Tensor size = delta.abs(), sign = delta.sign();
  const auto at = [&](const at::Tensor& amount) {
    at::Tensor kept = (size - PerRow(amount, size)).clamp_min_(0).mul_(sign);
    return low.defined() ? at::clamp(kept, low, high) : kept;
  };
  at::Tensor under = at::zeros_like(radius), over = size.flatten(1).amax(1);
  const at::Tensor fits = Distance(at(under), Norm::kL1) <= radius;
  if (fits.all().item<bool>()) return at(under);
  for (int i = 0; i < 32; ++i) {
    const at::Tensor middle = (under + over) / 2;
    const at::Tensor inside = Distance(at(middle), Norm::kL1) <= radius;
    under = at::where(inside, under, middle);
    over = at::where(inside, middle, over);
  }
  return at(at::where(fits, at::zeros_like(over), over));
}

at::Tensor Project(const at::Tensor& delta, Norm norm, const at::Tensor& radius,
                   const at::Tensor& low, const at::Tensor& high) {
  const at::Tensor limit = radius.to(delta.device(), delta.scalar_type());
  switch (norm) {
    case Norm::kLinf: {
      const at::Tensor bound = PerRow(limit, delta);
      return at::clamp(delta, -bound, bound);
    }
    case Norm::kL2:
      return Scaled(delta, limit);
    case Norm::kRmse:
      return Scaled(delta, limit * std::sqrt(Width(delta)));
    case Norm::kL1:
      return SoftThresholded(delta, limit, low, high);
    case Norm::kMae:
      return SoftThresholded(delta, limit * Width(delta), low, high);
    case Norm::kL0:
      return KeptLargest(delta, limit);
  }
  Fail(ErrorKind::kInternal, "norm {} is not handled", static_cast<int>(norm));
}

}  // namespace

std::vector<std::string> NormNames() {
  std::vector<std::string> names;
  for (const auto& [name, norm] : kNorms) names.emplace_back(name);
  return names;
}

Norm ParseNorm(std::string_view name) {
  for (const auto& [known, norm] : kNorms) {
    if (known == name) return norm;
  }
  Fail(ErrorKind::kUsage, "norm '{}' does not exist; known: {}", name,
       fmt::join(NormNames(), ", "));
}

at::Tensor Distance(const at::Tensor& delta, Norm norm) {
  const at::Tensor flat = delta.flatten(1);
  switch (norm) {
    case Norm::kLinf:
      return flat.abs().amax(1);
    case Norm::kL2:
      return at::linalg_vector_norm(flat, 2, at::IntArrayRef{1});
    case Norm::kL1:
      return flat.abs().sum(1);
    case Norm::kRmse:
      return at::linalg_vector_norm(flat, 2, at::IntArrayRef{1}) / std::sqrt(Width(delta));
    case Norm::kMae:
      return flat.abs().mean(1);
    case Norm::kL0:
      return flat.ne(0).sum(1).to(delta.scalar_type()) / Width(delta);
  }
  Fail(ErrorKind::kInternal, "norm {} is not handled", static_cast<int>(norm));
}

at::Tensor PerRow(const at::Tensor& values, const at::Tensor& like) {
  std::vector<int64_t> shape(static_cast<size_t>(like.dim()), 1);
  shape[0] = like.size(0);
  return values.to(like.device(), like.scalar_type()).view(shape);
}

at::Tensor ProjectToBall(const at::Tensor& delta, Norm norm, const at::Tensor& radius) {
  return Project(delta, norm, radius, {}, {});
}

at::Tensor ProjectToBallAndBox(const at::Tensor& point, const at::Tensor& centre, Norm norm,
                               const at::Tensor& radius, const at::Tensor& low,
                               const at::Tensor& high) {
  const bool together = norm == Norm::kL1 || norm == Norm::kMae;
  at::Tensor delta = Project(point - centre, norm, radius, together ? low - centre : low,
                             together ? high - centre : high);
  return delta.add_(centre).clamp_(low, high);  // delta is ours
}

}  // namespace assay::measure
