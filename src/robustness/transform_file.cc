#include "robustness/transform_file.h"

#include <ATen/ATen.h>

#include <numeric>
#include <vector>

#include "base/error.h"
#include "model/safetensors.h"
#include "transforms/corruption.h"

namespace assay::robustness {

using base::ErrorKind;
using base::Fail;
using model::SafetensorsFile;
using transforms::ParameterSpec;

namespace {

std::string ShapeText(at::IntArrayRef shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

// Float32 or any other kind of number; throws when there is none or it is not finite.
at::Tensor ReadNumbers(const SafetensorsFile& file, const std::string& name,
                       const std::string& expected) {
  if (!file.Has(name))
    Fail(ErrorKind::kBadInput, "{}: has no tensor '{}'; expected {}", file.name(), name, expected);
  const at::Tensor numbers = file.Read(name).to(at::kFloat);
  if (!at::isfinite(numbers).all().item<bool>())
    Fail(ErrorKind::kBadInput, "{}: tensor '{}' has values that are not finite", file.name(), name);
  return numbers;
}

at::Tensor ReadImages(const SafetensorsFile& file, double full_range) {
  const at::Tensor images = ReadNumbers(file, "input", "images [B, 3, H, W]");
  if (images.dim() != 4 || images.size(1) != 3 || images.numel() == 0)
    Fail(ErrorKind::kBadInput, "{}: tensor 'input' has shape {}; expected [B, 3, H, W]",
         file.name(), ShapeText(images.sizes()));
  const double low = images.min().item<double>(), high = images.max().item<double>();
  if (low < 0 || high > full_range)
    Fail(ErrorKind::kBadInput, "{}: tensor 'input' has values from {} to {}; expected 0 to {}{}",
         file.name(), low, high, full_range,
         full_range == 1 ? " (0 to 255 is for --compat reet)" : "");
  return images;
}

// The reference fixes the size of a cutout for all images: `height_width` [2].
at::Tensor CutoutSize(const SafetensorsFile& file, int64_t element, int64_t batch) {
  const at::Tensor size = ReadNumbers(file, "height_width", "[2]");
  if (size.dim() != 1 || size.numel() != 2)
    Fail(ErrorKind::kBadInput, "{}: tensor 'height_width' has shape {}; expected [2]", file.name(),
         ShapeText(size.sizes()));
  return size[element].expand({batch, 1});
}

at::Tensor ReadGroup(const SafetensorsFile& file, const std::string& transform,
                     const ParameterSpec& spec, int64_t batch) {
  std::vector<int64_t> shape{batch};
  shape.insert(shape.end(), spec.shape.begin(), spec.shape.end());
  if (transform == "cutout" && !file.Has(spec.name) && file.Has("height_width")) {
    if (spec.name == "height") return CutoutSize(file, 0, batch);
    if (spec.name == "width") return CutoutSize(file, 1, batch);
  }
  const at::Tensor group = ReadNumbers(
      file, spec.name,
      fmt::format("{} ({}), a parameter of {}", ShapeText(shape), spec.unit, transform));
  const bool flat = spec.Count() == 1 && group.dim() == 1 && group.size(0) == batch;
  if (group.sizes() != at::IntArrayRef(shape) && !flat)
    Fail(ErrorKind::kBadInput, "{}: tensor '{}' has shape {}; expected {} ({})", file.name(),
         spec.name, ShapeText(group.sizes()), ShapeText(shape), spec.unit);
  return group.reshape({batch, spec.Count()});
}

}  // namespace

std::unique_ptr<transforms::Transform> MakeNamedTransform(
    const std::string& name, const transforms::TransformOptions& options) {
  for (const char* suffix : {"_a", "_b", "_identity", "_default_range", "_small", "_wide"}) {
    if (name.ends_with(suffix)) return MakeTransform(name.substr(0, name.rfind(suffix)), options);
  }
  return MakeTransform(name, options);
}

at::Tensor ApplyTransformFile(const TransformFileRequest& request) {
  const auto transform = MakeNamedTransform(request.transform, request.options);
  const bool reet = request.options.compatibility == transforms::Compatibility::kReet;
  const double full_range = reet ? 255 : 1;
  const SafetensorsFile file = SafetensorsFile::Open(request.input);
  const at::Tensor images = ReadImages(file, full_range);
  std::vector<at::Tensor> groups;
  for (const ParameterSpec& spec : transform->Parameters(images.size(2), images.size(3))) {
    const at::Tensor group = ReadGroup(file, transform->name(), spec, images.size(0));
    groups.push_back(spec.image_value ? group / full_range : group);
  }
  return transform->Apply(images / full_range, at::cat(groups, 1)) * full_range;
}

at::Tensor ApplyCorruptionFile(const std::filesystem::path& input, const std::string& corruption,
                               int severity) {
  const at::Tensor images = ReadImages(SafetensorsFile::Open(input), 1);
  std::vector<int64_t> ids(static_cast<size_t>(images.size(0)));
  std::iota(ids.begin(), ids.end(), 0);
  return transforms::Corrupt(images, corruption, severity, ids);
}

}  // namespace assay::robustness
