// Where an attack on a batch may go: a ball around each image's identity, within the bounds of the
// space. Rows can be dropped as images leave the batch. Thread-safe for const use.
#pragma once

#include "robustness/attack.h"

namespace assay::robustness {

class Region {
 public:
  // images: [B, C, H, W]; radius: [B] float64, in `norm` and in units of the space's scale.
  Region(const ParameterSpace& space, const at::Tensor& images, Norm norm, at::Tensor radius);

  Norm norm() const { return norm_; }
  const at::Tensor& centre() const { return centre_; }  // [B, ...]
  const at::Tensor& low() const { return low_; }        // broadcast against centre
  const at::Tensor& high() const { return high_; }
  const at::Tensor& radius() const { return radius_; }  // [B] float64

  // The nearest allowed parameters, by ProjectToBallAndBox. parameters: [B, ...].
  at::Tensor Project(const at::Tensor& parameters) const;
  // parameters + step of `direction`, both in units of the scale. step: [B] or one value.
  at::Tensor Moved(const at::Tensor& parameters, const at::Tensor& direction,
                   const at::Tensor& step) const;
  // The gradient with respect to parameters in units of the scale.
  at::Tensor InUnits(const at::Tensor& gradient) const;
  // [B] float64, in units of the scale.
  at::Tensor DistanceOf(const at::Tensor& parameters) const;

  Region Rows(const at::Tensor& rows) const;  // rows: [n] int64
  Region WithRadius(at::Tensor radius) const;

 private:
  Region() = default;

  Norm norm_ = Norm::kLinf;
  at::Tensor centre_, low_, high_, scale_, radius_;
};

// The streams of the images' random numbers: hashes of their content, [B]. Bytes on the CPU.
std::vector<uint64_t> ContentStreams(const at::Tensor& images);
// Streams of the same images for one purpose of a seeded attack.
std::vector<uint64_t> SeededStreams(std::span<const uint64_t> streams, uint64_t seed,
                                    std::string_view purpose);

// rows of a tensor whose first dimension is the batch; other tensors (bounds for all) unchanged.
at::Tensor RowsOf(const at::Tensor& tensor, const at::Tensor& rows, int64_t batch);

// Throws kBadInput unless images are [B, C, H, W] float32 in [0, 1], labels [B], targets and budget
// [B] or undefined.
void CheckInput(const AttackInput& input);

// input.budget, or `epsilon` for all: [B] float64.
at::Tensor Budgets(const AttackInput& input, double epsilon);

}  // namespace assay::robustness
