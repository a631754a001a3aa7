#include "robustness/attack_region.h"

#include <ATen/ATen.h>

#include "base/hash.h"
#include "base/rng.h"

namespace assay::robustness {
namespace {

using base::ErrorKind;
using base::Fail;

void CheckOnePerImage(const at::Tensor& values, const at::Tensor& images, const char* what) {
  if (!values.defined() || values.dim() != 1 || values.size(0) != images.size(0))
    Fail(ErrorKind::kBadInput, "attack: expected one {} for each of {} images", what,
         images.size(0));
}

}  // namespace

Region::Region(const ParameterSpace& space, const at::Tensor& images, Norm norm, at::Tensor radius)
    : norm_(norm),
      centre_(space.Identity(images)),
      low_(space.Low(images)),
      high_(space.High(images)),
      scale_(space.Scale(images)),
      radius_(std::move(radius)) {}

at::Tensor Region::Project(const at::Tensor& parameters) const {
  if (!scale_.defined())
    return measure::ProjectToBallAndBox(parameters, centre_, norm_, radius_, low_, high_);
  const at::Tensor delta = (parameters - centre_) / scale_;
  const at::Tensor zero = at::zeros_like(delta);
  const at::Tensor projected = measure::ProjectToBallAndBox(
      delta, zero, norm_, radius_, (low_ - centre_) / scale_, (high_ - centre_) / scale_);
  return at::clamp(centre_ + projected * scale_, low_, high_);
}

at::Tensor Region::Moved(const at::Tensor& parameters, const at::Tensor& direction,
                         const at::Tensor& step) const {
  const at::Tensor length =
      step.dim() == 0 ? step.to(direction.scalar_type()) : measure::PerRow(step, direction);
  at::Tensor move = direction * length;
  if (scale_.defined()) move.mul_(scale_);
  return move.add_(parameters);
}

at::Tensor Region::InUnits(const at::Tensor& gradient) const {
  return scale_.defined() ? gradient * scale_ : gradient;
}

at::Tensor Region::DistanceOf(const at::Tensor& parameters) const {
  at::Tensor delta = parameters.to(at::kDouble) - centre_;
  if (scale_.defined()) delta = delta / scale_;
  return measure::Distance(delta, norm_);
}

Region Region::Rows(const at::Tensor& rows) const {
  const int64_t batch = centre_.size(0);
  Region out;
  out.norm_ = norm_;
  out.centre_ = centre_.index_select(0, rows);
  out.radius_ = radius_.index_select(0, rows);
  out.low_ = RowsOf(low_, rows, batch);
  out.high_ = RowsOf(high_, rows, batch);
  if (scale_.defined()) out.scale_ = RowsOf(scale_, rows, batch);
  return out;
}

Region Region::WithRadius(at::Tensor radius) const {
  Region out = *this;
  out.radius_ = std::move(radius);
  return out;
}

at::Tensor RowsOf(const at::Tensor& tensor, const at::Tensor& rows, int64_t batch) {
  // A bound shared by all images has no batch dimension, or one of size 1.
  if (!tensor.defined() || tensor.dim() == 0 || tensor.size(0) != batch ||
      (batch == 1 && rows.numel() != 0))
    return tensor;
  return tensor.index_select(0, rows);
}

std::vector<uint64_t> ContentStreams(const at::Tensor& images) {
  const at::Tensor host = images.detach().to(at::kCPU, at::kFloat).contiguous();
  const auto size = static_cast<size_t>(host.size(0) ? host.numel() / host.size(0) : 0);
  std::vector<uint64_t> streams;
  for (int64_t b = 0; b < host.size(0); ++b) {
    const auto* first = reinterpret_cast<const char*>(host.data_ptr<float>() + size * b);
    streams.push_back(base::HashBytes({first, size * sizeof(float)}));
  }
  return streams;
}

std::vector<uint64_t> SeededStreams(std::span<const uint64_t> streams, uint64_t seed,
                                    std::string_view purpose) {
  std::vector<uint64_t> out;
  for (const uint64_t stream : streams) out.push_back(base::Rng(seed ^ stream, purpose).Next());
  return out;
}

void CheckInput(const AttackInput& input) {
  const at::Tensor& images = input.images;
  if (!images.defined() || images.dim() != 4 || images.scalar_type() != at::kFloat)
    Fail(ErrorKind::kBadInput, "attack: images are [{}]; expected float32 [B, C, H, W]",
         images.defined() ? fmt::format("{}", fmt::join(images.sizes().vec(), ", ")) : "missing");
  CheckOnePerImage(input.labels, images, "label");
  if (input.targets.defined()) CheckOnePerImage(input.targets, images, "target");
  if (input.budget.defined()) {
    CheckOnePerImage(input.budget, images, "budget");
    if (!input.budget.ge(0).all().item<bool>())
      Fail(ErrorKind::kBadInput, "attack: a budget is negative or not a number");
  }
  if (images.numel() == 0) return;
  if (const auto lost = at::isfinite(images).logical_not().sum().item<int64_t>(); lost > 0)
    Fail(ErrorKind::kBadInput, "attack: {} of {} image values are not finite", lost,
         images.numel());
  const auto low = images.min().item<float>(), high = images.max().item<float>();
  if (!(low >= 0 && high <= 1))
    Fail(ErrorKind::kBadInput, "attack: image values range from {} to {}; expected 0 to 1", low,
         high);
}

at::Tensor Budgets(const AttackInput& input, double epsilon) {
  if (input.budget.defined()) return input.budget.to(input.images.device(), at::kDouble);
  return at::full({input.images.size(0)}, epsilon, input.images.options().dtype(at::kDouble));
}

}  // namespace assay::robustness
