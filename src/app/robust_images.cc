#include "app/robust_images.h"

#include <ATen/ATen.h>

#include "base/error.h"
#include "model/safetensors.h"

namespace assay::app {
namespace {

using base::ErrorKind;
using base::Fail;

LabelledImages Spread(LabelledImages all, int64_t limit) {
  if (limit <= 0 || limit >= all.size()) return all;
  const at::Tensor places =
      (at::arange(limit, at::kLong) * all.size()).div(limit, "floor").to(at::kLong);
  return {all.images.index_select(0, places), all.labels.index_select(0, places)};
}

}  // namespace

LabelledImages ReadImages(const std::string& path, int64_t limit) {
  const auto file = model::SafetensorsFile::Open(path);
  LabelledImages out{file.Read("input"), file.Read("labels")};
  if (out.images.dim() != 4 || !at::isFloatingType(out.images.scalar_type()))
    Fail(ErrorKind::kBadInput,
         "{}: 'input' has shape [{}] and type {}; expected float [B, C, H, W]", path,
         fmt::join(out.images.sizes().vec(), ", "), c10::toString(out.images.scalar_type()));
  if (out.labels.dim() != 1 || out.labels.size(0) != out.images.size(0) ||
      !at::isIntegralType(out.labels.scalar_type(), false))
    Fail(ErrorKind::kBadInput, "{}: 'labels' has shape [{}] and type {}; expected {} whole numbers",
         path, fmt::join(out.labels.sizes().vec(), ", "), c10::toString(out.labels.scalar_type()),
         out.images.size(0));
  if (out.images.size(0) == 0) Fail(ErrorKind::kBadInput, "{}: holds no images", path);
  out.images = out.images.to(at::kFloat);
  out.labels = out.labels.to(at::kLong);
  return Spread(std::move(out), limit);
}

LabelledImages Slice(const LabelledImages& images, int64_t from, int64_t count) {
  const int64_t length = std::min(count, images.size() - from);
  return {images.images.narrow(0, from, length), images.labels.narrow(0, from, length)};
}

}  // namespace assay::app
