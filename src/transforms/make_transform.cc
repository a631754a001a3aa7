#include <ATen/ATen.h>

#include <algorithm>
#include <cctype>
#include <map>

#include "base/error.h"
#include "transforms/transform_kinds.h"

namespace assay::transforms {
namespace {

using base::ErrorKind;
using base::Fail;

struct Kind {
  const char* name;
  TransformMaker ours;
  TransformMaker reet;  // null: the reference has none
};

constexpr Kind kKinds[] = {
    {"stain", MakeStain, MakeStain},
    {"random_stain", MakeRandomStain, MakeRandomStain},
    {"hed", MakeHed, MakeHed},
    {"mean", MakeMean, MakeMean},
    {"pixel", MakePixel, MakePixel},
    {"rotate", MakeRotate, MakeReetRotate},
    {"crop", MakeCrop, MakeReetCrop},
    {"zoom_in", MakeZoomIn, MakeReetZoomIn},
    {"zoom_out", MakeZoomOut, MakeReetZoomOut},
    {"blur", MakeBlur, MakeReetBlur},
    {"blur_rectangle", MakeBlurRectangle, nullptr},
    {"defocus", MakeDefocus, nullptr},
    {"jpeg", MakeJpeg, MakeJpeg},
    {"brightness", MakeBrightness, nullptr},
    {"contrast", MakeContrast, nullptr},
    {"gamma", MakeGamma, nullptr},
    {"sharpen", MakeSharpen, nullptr},
    {"resolution", MakeResolution, nullptr},
    {"noise", MakeNoise, nullptr},
    {"cutout", MakeCutout, MakeReetCutout},
};

std::string Folded(std::string_view name) {  // ZoomOut, zoom_out -> zoomout
  std::string folded;
  for (const char c : name) {
    if (c != '_') folded += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return folded;
}

class Chain final : public Transform {
 public:
  Chain(std::string name, std::vector<std::unique_ptr<Transform>> parts)
      : Transform(std::move(name)), parts_(std::move(parts)) {}

  std::vector<ParameterSpec> Parameters(int64_t height, int64_t width) const override {
    std::vector<ParameterSpec> out;
    std::map<std::string, int> seen;
    for (const auto& part : parts_) {
      const int times = ++seen[part->name()];
      const std::string prefix =
          times == 1 ? part->name() + "." : fmt::format("{}.{}.", times, part->name());
      for (ParameterSpec spec : part->Parameters(height, width)) {
        spec.name = prefix + spec.name;
        out.push_back(std::move(spec));
      }
    }
    return out;
  }

 private:
  at::Tensor Change(const at::Tensor& images, const at::Tensor& parameters) const override {
    at::Tensor out = images;
    int64_t begin = 0;
    for (const auto& part : parts_) {
      const int64_t count = part->Count(images.size(2), images.size(3));
      out = part->Apply(out, parameters.narrow(1, begin, count));
      begin += count;
    }
    return out;
  }

  std::vector<std::unique_ptr<Transform>> parts_;
};

std::unique_ptr<Transform> MakeOne(std::string_view name, const TransformOptions& options) {
  const bool reet = options.compatibility == Compatibility::kReet;
  for (const Kind& kind : kKinds) {
    if (Folded(kind.name) != Folded(name)) continue;
    if (!reet) return kind.ours(options);
    if (kind.reet == nullptr)
      Fail(ErrorKind::kUnsupported, "transform '{}': the reference (reet) has none; it has: {}",
           name, fmt::join(TransformNames(options.compatibility), ", "));
    return kind.reet(options);
  }
  Fail(ErrorKind::kNotFound, "transform '{}': unknown; expected one of: {}", name,
       fmt::join(TransformNames(options.compatibility), ", "));
}

}  // namespace

std::unique_ptr<Transform> MakeTransform(std::string_view name, const TransformOptions& options) {
  if (options.compatibility == Compatibility::kReet && options.padding != Padding::kZero) {
    Fail(ErrorKind::kUnsupported,
         "transform '{}': the reference (reet) pads with zeros only; reflect was asked for", name);
  }
  if (name.find('+') == std::string_view::npos) return MakeOne(name, options);
  std::vector<std::unique_ptr<Transform>> parts;
  std::string joined;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('+', begin), name.size());
    parts.push_back(MakeOne(name.substr(begin, end - begin), options));
    joined += (joined.empty() ? "" : "+") + parts.back()->name();
    begin = end + 1;
  }
  return std::make_unique<Chain>(joined, std::move(parts));
}

std::vector<std::string> TransformNames(Compatibility compatibility) {
  std::vector<std::string> names;
  for (const Kind& kind : kKinds) {
    if (compatibility == Compatibility::kNone || kind.reet != nullptr) names.push_back(kind.name);
  }
  return names;
}

}  // namespace assay::transforms
