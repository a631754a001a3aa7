#include "transforms/transform.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/rng.h"

namespace assay::transforms {

using base::ErrorKind;
using base::Fail;

namespace {

double At(const std::vector<double>& values, int64_t element) {
  return values.size() == 1 ? values[0] : values.at(static_cast<size_t>(element));
}

}  // namespace

int64_t ParameterSpec::Count() const {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return count;
}

ParameterBounds Transform::Bounds(int64_t height, int64_t width) const {
  const int64_t count = Count(height, width);
  ParameterBounds bounds{at::empty({count}), at::empty({count}), at::empty({count}),
                         at::empty({count}, at::kBool), at::empty({count}, at::kBool)};
  int64_t at = 0;
  for (const ParameterSpec& spec : Parameters(height, width)) {
    for (int64_t i = 0; i < spec.Count(); ++i, ++at) {
      bounds.low.data_ptr<float>()[at] = static_cast<float>(At(spec.low, i));
      bounds.high.data_ptr<float>()[at] = static_cast<float>(At(spec.high, i));
      bounds.identity.data_ptr<float>()[at] = static_cast<float>(At(spec.identity, i));
      bounds.integer.data_ptr<bool>()[at] = spec.integer;
      bounds.differentiable.data_ptr<bool>()[at] = spec.differentiable;
    }
  }
  return bounds;
}

int64_t Transform::Count(int64_t height, int64_t width) const {
  int64_t count = 0;
  for (const ParameterSpec& spec : Parameters(height, width)) count += spec.Count();
  return count;
}

bool Transform::differentiable() const {
  const auto specs = Parameters(16, 16);
  return std::any_of(specs.begin(), specs.end(),
                     [](const ParameterSpec& spec) { return spec.differentiable; });
}

at::Tensor Transform::Identity(int64_t batch, int64_t height, int64_t width) const {
  return Bounds(height, width).identity.unsqueeze(0).repeat({batch, 1});
}

at::Tensor Transform::Sample(int64_t height, int64_t width, uint64_t seed,
                             std::span<const int64_t> image_ids, uint64_t draw) const {
  const ParameterBounds bounds = Bounds(height, width);
  const int64_t count = bounds.low.numel();
  const float* low = bounds.low.data_ptr<float>();
  const float* high = bounds.high.data_ptr<float>();
  const bool* integer = bounds.integer.data_ptr<bool>();
  at::Tensor out = at::empty({static_cast<int64_t>(image_ids.size()), count});
  float* value = out.data_ptr<float>();
  const std::string stream = fmt::format("transform {} draw {}", name_, draw);
  for (const int64_t id : image_ids) {
    base::Rng rng(seed, stream, static_cast<uint64_t>(id));
    for (int64_t p = 0; p < count; ++p, ++value) {
      if (integer[p]) {
        const auto choices = static_cast<uint64_t>(std::floor(high[p]) - std::ceil(low[p])) + 1;
        *value = std::ceil(low[p]) + static_cast<float>(rng.Below(choices));
      } else {
        const double share = rng.Uniform();
        *value = std::min(high[p], static_cast<float>(low[p] + share * (high[p] - low[p])));
      }
    }
  }
  return out;
}

at::Tensor Transform::Apply(const at::Tensor& images, const at::Tensor& parameters) const {
  if (images.dim() != 4 || images.size(1) != 3 || images.scalar_type() != at::kFloat ||
      images.size(2) < 1 || images.size(3) < 1) {
    Fail(ErrorKind::kUsage, "{}: images have shape [{}] and type {}; expected [B, 3, H, W] Float",
         name_, fmt::join(images.sizes(), ", "), c10::toString(images.scalar_type()));
  }
  const int64_t count = Count(images.size(2), images.size(3));
  if (parameters.dim() != 2 || parameters.size(0) != images.size(0) ||
      parameters.size(1) != count || parameters.scalar_type() != at::kFloat) {
    Fail(ErrorKind::kUsage, "{}: parameters have shape [{}] and type {}; expected [{}, {}] Float",
         name_, fmt::join(parameters.sizes(), ", "), c10::toString(parameters.scalar_type()),
         images.size(0), count);
  }
  if (images.device() != parameters.device()) {
    Fail(ErrorKind::kUsage, "{}: images are on {}, parameters on {}; expected one device", name_,
         images.device().str(), parameters.device().str());
  }
  if (images.size(0) == 0) return images.clone();
  return Change(images, parameters).clamp(0, 1);
}

at::Tensor ParameterGroup(const Transform& transform, const at::Tensor& parameters,
                          std::string_view group, int64_t height, int64_t width) {
  int64_t begin = 0;
  for (const ParameterSpec& spec : transform.Parameters(height, width)) {
    if (spec.name == group) {
      std::vector<int64_t> shape{parameters.size(0)};
      shape.insert(shape.end(), spec.shape.begin(), spec.shape.end());
      return parameters.narrow(1, begin, spec.Count()).reshape(shape);
    }
    begin += spec.Count();
  }
  Fail(ErrorKind::kNotFound, "{}: has no parameter '{}'", transform.name(), group);
}

}  // namespace assay::transforms
