// The corruption suite: what happens to tiles in practice, in five fixed severities each. Use it to
// measure robustness where no adversary chooses. Deterministic and thread-safe.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace assay::transforms {

struct Corruption {
  std::string name;
  std::string transform;             // whose parameters are set; see MakeTransform
  std::string parameter;             // the group that is set, see ParameterSpec
  std::string what;                  // the meaning of the figures, with their unit
  std::array<double, 5> severities;  // at severity 1..5
  // Element e becomes severity x direction[e]; where that is 0 it keeps its identity. One value
  // stands for every element.
  std::vector<double> direction{1};
};

const std::vector<Corruption>& Corruptions();

// images: [B, 3, H, W] float32 in [0, 1] -> the same, worse. severity: 1..5; the mean distortion
// grows with it. image_ids: [B], decide random patterns (noise), so that a result does not depend
// on the batch. Throws kNotFound listing the names, kUsage for another severity or number of ids.
at::Tensor Corrupt(const at::Tensor& images, std::string_view name, int severity,
                   std::span<const int64_t> image_ids);

}  // namespace assay::transforms
