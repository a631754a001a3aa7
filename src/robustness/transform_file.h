// A transform applied to a safetensors file of images and parameters: `assay robust apply`, and how
// values are compared with those of other programs.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>

#include "transforms/transform.h"

namespace assay::robustness {

struct TransformFileRequest {
  // `input` [B, 3, H, W], and one tensor a parameter group, named as in ParameterSpec: [B,
  // shape...] or, for a scalar, [B]. Cutout also takes the reference's `height_width` [2] for both
  // of its sizes. With kReet values lie in 0..255 and so do parameters in units of the image's
  // values; else in 0..1. Other tensors are left alone.
  std::filesystem::path input;
  // As for MakeTransform; also the names of the reference's cases, such as Stain_a, HED_small.
  std::string transform;
  transforms::TransformOptions options;
};

// `output`: [B, 3, H, W] float32 in the scale of the input. Throws kBadInput naming the file and
// the tensor that is missing, misshaped, not finite or out of range, with what was found and
// expected.
at::Tensor ApplyTransformFile(const TransformFileRequest& request);

// The same for a corruption (transforms/corruption.h): the file holds `input` in 0..1, and the
// number of an image decides its noise. Also throws as Corrupt does.
at::Tensor ApplyCorruptionFile(const std::filesystem::path& input, const std::string& corruption,
                               int severity);

// The transform that `name` stands for in a request.
std::unique_ptr<transforms::Transform> MakeNamedTransform(
    const std::string& name, const transforms::TransformOptions& options);

}  // namespace assay::robustness
