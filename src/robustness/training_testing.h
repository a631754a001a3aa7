// Small sets and networks to train, for tests.
#pragma once

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <memory>

#include "model/image_network.h"
#include "robustness/tile_batch.h"

namespace assay::robustness {

// Dark and bright noise of 8 x 8 pixels, patients p0, p1, ...
inline TileBatch Toy(int64_t count, int64_t patients, uint64_t seed) {
  at::manual_seed(seed);
  TileBatch batch;
  std::vector<int64_t> labels;
  std::vector<at::Tensor> images;
  for (int64_t i = 0; i < count; ++i) {
    labels.push_back(i % 2);
    images.push_back(at::rand({3, 8, 8}) * 0.6 + 0.25 * static_cast<double>(i % 2));
    data::TileInfo info{.name = std::to_string(i), .label = i % 2};
    info.patient = fmt::format("p{}", i % patients);
    batch.infos.push_back(info);
  }
  batch.images = at::stack(images);
  batch.labels = at::tensor(labels, at::kLong);
  return batch;
}

inline std::shared_ptr<model::ImageNetwork> Network() {
  return std::make_shared<model::ImageNetwork>(model::ImageArchitecture("cnn", 2), 5);
}

inline bool SameWeights(const model::ImageNetwork& a, const model::ImageNetwork& b) {
  const auto left = a.Tensors(), right = b.Tensors();
  for (const auto& [name, tensor] : left) {
    if (!at::equal(tensor, right.at(name))) return false;
  }
  return true;
}

}  // namespace assay::robustness
