// Changes of an image with bounded parameters: what a scanner, a stain or a compression may do to a
// tile. Use them to attack, to augment and to corrupt; every result is a function of images and
// parameters alone. Transforms are immutable after construction and safe to use from several
// threads. Source of most: REET (Foote et al., Bioinformatics 38(12):3312, 2022).
//
// Dimensions: B images, H x W pixels, P scalar parameters an image.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace assay::transforms {

// One named group of parameters: a scalar, or a block such as a 3 x 3 stain matrix or one offset a
// pixel. Groups lie one after another in the [B, P] tensor, each flattened with the last index
// fastest.
struct ParameterSpec {
  std::string name;               // as in the reference goldens: "weights", "alpha", "angle", ...
  std::vector<int64_t> shape{1};  // of one image
  std::vector<double> low, high;  // the default range, inclusive: one value for all elements, or
                                  // one an element
  std::vector<double> identity;   // leaves the image as it is (perhaps together with the others);
                                  // may lie outside the range, as a zoom of 1 does
  std::string unit;               // "px", "degrees", "optical density", "image value", ...
  bool integer = false;           // fractions are cut off
  bool differentiable = true;     // autograd follows it
  bool image_value = false;       // counted in units of the image's values (full range: 1)

  int64_t Count() const;  // elements
};

// The same for all P scalars at once, on the CPU.
struct ParameterBounds {
  at::Tensor low, high, identity;  // [P] float32
  at::Tensor integer;              // [P] bool
  at::Tensor differentiable;       // [P] bool
};

enum class Compatibility { kNone, kReet };
enum class Padding { kZero, kReflect };  // what lies outside the image: black, or its mirror image

struct TransformOptions {
  // kReet: the arithmetic and the ranges of the reference code (whole pixels, nearest neighbour,
  // transposed JPEG table, ...), so that values agree. kNone: continuous wherever that is possible.
  Compatibility compatibility = Compatibility::kNone;
  // Of rotate, crop, zoom_in and zoom_out. kReet knows kZero only.
  Padding padding = Padding::kZero;
  double cutout_fill = 0;  // image value
};

class Transform {
 public:
  virtual ~Transform() = default;

  const std::string& name() const { return name_; }

  // What there is to choose for images of this size. Ranges that the reference states for 224 px
  // are scaled to the size; units are in the specs.
  virtual std::vector<ParameterSpec> Parameters(int64_t height, int64_t width) const = 0;

  ParameterBounds Bounds(int64_t height, int64_t width) const;
  int64_t Count(int64_t height, int64_t width) const;  // P
  bool differentiable() const;                         // in one parameter or more

  // Parameters that leave images as they are: [batch, P] float32 on the CPU.
  at::Tensor Identity(int64_t batch, int64_t height, int64_t width) const;

  // Independent uniform draws from the ranges, [image_ids.size(), P] float32 on the CPU (whole
  // numbers for integer parameters). A row depends on seed, draw and its id alone, never on the
  // rest of the batch.
  at::Tensor Sample(int64_t height, int64_t width, uint64_t seed,
                    std::span<const int64_t> image_ids, uint64_t draw = 0) const;

  // images: [B, 3, H, W] float32 in [0, 1]; parameters: [B, P] float32 on the same device, in the
  // range or not -> [B, 3, H, W] float32 in [0, 1]. Autograd follows images and parameters; rows
  // are independent. Throws kUsage stating shapes when they do not fit, kUnsupported when this
  // transform cannot work on images of this size.
  at::Tensor Apply(const at::Tensor& images, const at::Tensor& parameters) const;

 protected:
  explicit Transform(std::string name) : name_(std::move(name)) {}

 private:
  // As Apply, with checked shapes; the result is clamped to [0, 1] by Apply.
  virtual at::Tensor Change(const at::Tensor& images, const at::Tensor& parameters) const = 0;

  std::string name_;
};

// Names, in snake_case (stain, jpeg, ...) or as the reference writes them (Stain, ZoomOut; any
// case); "blur" with kReet is the rectangle. Names joined by '+' ("stain+jpeg") make a chain that
// is applied from left to right; its parameters are those of its parts in order, named
// "stain.weights", "jpeg.quality" ("2.stain.weights" where a part occurs again). Throws kNotFound
// listing the names; kUnsupported for options that the transform cannot honour.
std::unique_ptr<Transform> MakeTransform(std::string_view name,
                                         const TransformOptions& options = {});

// Every name (snake_case) that MakeTransform takes with this compatibility, chains aside.
std::vector<std::string> TransformNames(Compatibility compatibility = Compatibility::kNone);

// The columns of one named group, with its shape: [B, shape...]. Throws kNotFound.
at::Tensor ParameterGroup(const Transform& transform, const at::Tensor& parameters,
                          std::string_view group, int64_t height, int64_t width);

}  // namespace assay::transforms
