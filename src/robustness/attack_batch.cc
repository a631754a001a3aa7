#include "robustness/attack_batch.h"

#include <ATen/ATen.h>

namespace assay::robustness {

at::Tensor Places(const at::Tensor& mask) { return mask.nonzero().squeeze(1); }

ActiveImages ActiveImages::Kept(const at::Tensor& keep) const {
  ActiveImages out{.rows = rows.index_select(0, keep),
                   .images = images.index_select(0, keep),
                   .labels = labels.index_select(0, keep),
                   .targets = targets.defined() ? targets.index_select(0, keep) : at::Tensor(),
                   .region = region.Rows(keep)};
  const at::Tensor host = keep.to(at::kCPU).contiguous();
  for (int64_t i = 0; i < host.size(0); ++i)
    out.streams.push_back(streams[static_cast<size_t>(host.data_ptr<int64_t>()[i])]);
  return out;
}

ActiveImages AllImages(const AttackInput& input, const ParameterSpace& space, Norm norm,
                       const at::Tensor& budget) {
  const at::Tensor images = input.images.detach();
  return {.rows = at::arange(images.size(0), images.options().dtype(at::kLong)),
          .images = images,
          .labels = input.labels.to(images.device(), at::kLong),
          .targets = input.targets,
          .region = Region(space, images, norm, budget),
          .streams = ContentStreams(images)};
}

at::Tensor BestStates::Offer(const ActiveImages& active, const at::Tensor& parameters,
                             const ProbeResult& state, bool replace) {
  const at::Tensor distance =
      nearest_ ? active.region.DistanceOf(parameters) : at::Tensor();  // [n]
  if (!parameters_.defined()) {  // the first offer covers all images and is copied
    ASSAY_CHECK(active.size() == input_.images.size(0));
    parameters_ = parameters.clone();
    same_ = state.images.data_ptr() == parameters.data_ptr();
    images_ = same_ ? parameters_ : state.images.clone();
    logits_ = state.logits.clone();
    loss_ = state.loss.clone();
    fooled_ = state.fooled.clone();
    distance_ = distance;
    return at::ones_like(fooled_);
  }
  at::Tensor better = at::ones_like(state.fooled);
  if (!replace) {
    const at::Tensor was = fooled_.index_select(0, active.rows);
    const at::Tensor same = was == state.fooled;
    at::Tensor stronger = state.loss > loss_.index_select(0, active.rows);
    if (nearest_)
      stronger = at::where(was, distance < distance_.index_select(0, active.rows), stronger);
    better = at::logical_or(at::logical_and(state.fooled, was.logical_not()),
                            at::logical_and(same, stronger));
  }
  const at::Tensor from = Places(better), to = active.rows.index_select(0, from);
  if (from.size(0) == 0) return better;
  parameters_.index_copy_(0, to, parameters.detach().index_select(0, from));
  if (!same_) images_.index_copy_(0, to, state.images.index_select(0, from));
  logits_.index_copy_(0, to, state.logits.index_select(0, from));
  loss_.index_copy_(0, to, state.loss.index_select(0, from));
  fooled_.index_copy_(0, to, state.fooled.index_select(0, from));
  if (nearest_) distance_.index_copy_(0, to, distance.index_select(0, from));
  return better;
}

AttackResult BestStates::Result(const Region& all, const ModelCalls& calls) const {
  return {.images = images_,
          .parameters = parameters_,
          .logits = logits_,
          .loss = loss_,
          .fooled = fooled_,
          .distance = all.DistanceOf(parameters_),
          .calls = calls};
}

}  // namespace assay::robustness
