#include "robustness/constructs.h"

#include <ATen/ATen.h>

#include <cmath>
#include <map>

#include "base/error.h"
#include "base/hash.h"

namespace assay::robustness {
namespace {

using base::ErrorKind;
using base::Fail;
using measure::Norm;

constexpr double kTissueDensity = 0.15;

double MeanDensity(const data::Tile& tile, size_t place) {
  double sum = 0;
  for (size_t c = 0; c < 3; ++c) sum -= std::log((tile.pixels[3 * place + c] + 1.0) / 256);
  return sum / 3;
}

// Whether a neighbour (of the 8) has another label.
bool AtOutline(const LabelImage& nuclei, int y, int x) {
  const int32_t own = nuclei.At(y, x);
  for (int dy = -1; dy <= 1; ++dy) {
    for (int dx = -1; dx <= 1; ++dx) {
      const int ny = y + dy, nx = x + dx;
      if (ny < 0 || nx < 0 || ny >= nuclei.height || nx >= nuclei.width) continue;
      if (nuclei.At(ny, nx) != own) return true;
    }
  }
  return false;
}

uint64_t ContentOf(const at::Tensor& image) {
  const at::Tensor stored = image.to(at::kCPU, at::kFloat).contiguous();
  return base::HashBytes({static_cast<const char*>(stored.data_ptr()), stored.nbytes()});
}

class MaskedPixelSpace : public ParameterSpace {
 public:
  MaskedPixelSpace(const at::Tensor& images, const at::Tensor& allowed)
      : pixels_(MakePixelSpace()), allowed_(allowed.unsqueeze(1).to(images.options())) {
    for (int64_t i = 0; i < images.size(0); ++i) rows_[ContentOf(images[i])] = i;
  }
  std::string name() const override { return "pixels of one construct"; }
  bool differentiable() const override { return true; }
  at::Tensor Identity(const at::Tensor& images) const override { return images; }
  at::Tensor Low(const at::Tensor& images) const override { return images * (1 - Mask(images)); }
  at::Tensor High(const at::Tensor& images) const override {
    const at::Tensor mask = Mask(images);
    return images * (1 - mask) + mask;
  }
  at::Tensor Scale(const at::Tensor&) const override { return {}; }
  at::Tensor Apply(const at::Tensor& images, const at::Tensor& parameters) const override {
    return images + Mask(images) * (parameters - images);
  }
  at::Tensor Draw(const at::Tensor& images, Norm norm, const at::Tensor& radius,
                  std::span<const uint64_t> streams, uint64_t number) const override {
    return Apply(images, pixels_->Draw(images, norm, radius, streams, number));
  }

 private:
  // [B, 1, H, W]. Images leave an attack's batch, so rows are found by content.
  at::Tensor Mask(const at::Tensor& images) const {
    std::vector<int64_t> rows;
    for (int64_t i = 0; i < images.size(0); ++i) {
      const auto found = rows_.find(ContentOf(images[i]));
      if (found == rows_.end()) {
        Fail(ErrorKind::kInternal, "an attack confined to masks met an image that has none");
      }
      rows.push_back(found->second);
    }
    return allowed_.index_select(0, at::tensor(rows).to(allowed_.device()));
  }

  std::unique_ptr<ParameterSpace> pixels_;
  at::Tensor allowed_;  // [B, 1, H, W]
  std::map<uint64_t, int64_t> rows_;
};

}  // namespace

TileConstructs FindConstructs(const data::Tile& tile, const LabelImage& nuclei) {
  if (tile.channels != 3 || tile.height != nuclei.height || tile.width != nuclei.width) {
    Fail(ErrorKind::kBadInput, "{}: {} x {} px, {} channels, against a nucleus map of {} x {} px",
         tile.name, tile.width, tile.height, tile.channels, nuclei.width, nuclei.height);
  }
  TileConstructs out{.map = at::empty({tile.height, tile.width}, at::kLong),
                     .nuclei = nuclei.count};
  int64_t* map = out.map.data_ptr<int64_t>();
  int64_t inside = 0;
  for (int y = 0; y < tile.height; ++y) {
    for (int x = 0; x < tile.width; ++x) {
      const auto place =
          static_cast<size_t>(y) * static_cast<size_t>(tile.width) + static_cast<size_t>(x);
      const bool nucleus = nuclei.labels[place] != 0;
      inside += nucleus ? 1 : 0;
      map[place] = AtOutline(nuclei, y, x)                     ? kBorder
                   : nucleus                                   ? kNuclei
                   : MeanDensity(tile, place) < kTissueDensity ? kBackground
                                                               : kStroma;
    }
  }
  out.nuclei_area = static_cast<double>(inside) / static_cast<double>(nuclei.labels.size());
  return out;
}

ConstructShares MeasureConstructs(const at::Tensor& original, const at::Tensor& perturbed,
                                  const at::Tensor& maps) {
  const at::Tensor energy = (perturbed - original).to(at::kDouble).square().sum(1);  // [B, H, W]
  const at::Tensor total = energy.flatten(1).sum(1).clamp_min(1e-300);
  std::vector<at::Tensor> areas, energies;
  for (int64_t construct = 0; construct < 4; ++construct) {
    const at::Tensor inside = (maps == construct).to(at::kDouble);
    areas.push_back(inside.flatten(1).mean(1));
    energies.push_back((energy * inside).flatten(1).sum(1) / total);
  }
  return {at::stack(areas, 1), at::stack(energies, 1)};
}

std::unique_ptr<ParameterSpace> MakeMaskedPixelSpace(const at::Tensor& images,
                                                     const at::Tensor& allowed) {
  if (images.dim() != 4 || allowed.dim() != 3 || images.size(0) != allowed.size(0) ||
      images.size(2) != allowed.size(1) || images.size(3) != allowed.size(2)) {
    Fail(ErrorKind::kBadInput, "masks of an attack do not fit its images");
  }
  return std::make_unique<MaskedPixelSpace>(images, allowed);
}

}  // namespace assay::robustness
