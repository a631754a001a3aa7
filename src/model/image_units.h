// The channels of convolutions and the outputs of linear layers of an image classifier, as units: a
// TorchScript file is frozen (a built-in network is traced), so that weights are constants and
// batch norms are folded into the convolutions before them, and its graph is run for the inputs and
// outputs of those layers. Then for a unit at a location
//   sum(h * w) + bias = pre-activation,
// with h the receptive patch in the layer's input (zeros where it reaches over the edge). Const
// members are safe to call from several threads.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "model/inspectable_model.h"

namespace assay::model {

// What a location of a layer sees of the image, along one axis: pixels from step * location + low
// to step * location + high, both included; beyond the image there is padding.
struct PixelReach {
  bool whole = false;  // all of the image, or an operation whose reach is not known
  int64_t step = 1, low = 0, high = 0;
};

struct ImageLayer {
  std::string name;  // "layer1.0.conv1", or "conv2d_3" where the file does not say
  bool convolution = false;
  int64_t units = 0;
  // Convolutions, (vertical, horizontal):
  std::array<int64_t, 2> kernel{1, 1}, stride{1, 1}, padding{0, 0}, dilation{1, 1};
  int64_t groups = 1;
  PixelReach rows, columns;  // of the image, for the locations of this layer
};

// Pixels [top, bottom) x [left, right) of an image.
struct PixelBox {
  int64_t top = 0, left = 0, bottom = 0, right = 0;
};

// What a unit reaches at a location (row by row) of an image of that size: beyond its edges too,
// where padding stands in for pixels. output_width: of the layer's output.
PixelBox ReachAt(const ImageLayer& layer, int64_t location, int64_t output_width, int64_t height,
                 int64_t width);
// The part of it within the image: what the unit sees. A patch that lies in the padding shows the
// pixel at the edge.
PixelBox SeenAt(const ImageLayer& layer, int64_t location, int64_t output_width, int64_t height,
                int64_t width);

// What one layer did with a batch.
struct LayerValues {
  // Convolution: [B, C, H, W] and [B, units, H', W']. Linear: [B, D] and [B, units], or with
  // locations (of the tokens of a vision transformer, say) between: [B, T, D] and [B, T, units].
  at::Tensor input, output;
};

class ImageUnits : public InspectableModel {
 public:
  // FILE.pt (TorchScript) or FILE.safetensors (a built-in network, see model/image_network.h).
  // Throws kNotFound, kBadInput naming the file when it cannot be read, kUnsupported when
  // it has no convolution or linear layer that always runs and whose weights are constants.
  static ImageUnits Load(const std::filesystem::path& file, const std::string& device = "cpu");
  ~ImageUnits() override;
  ImageUnits(ImageUnits&&) noexcept;

  std::vector<int> Layers() const override;
  int64_t Units(int layer) const override { return At(layer).units; }
  at::Tensor InputWeights(int layer) const override;  // [units, d], a kernel flattened
  at::Tensor InputBias(int layer) const override;
  const ImageLayer& At(int layer) const;  // in the order in which the file runs them

  // images: [B, C, H, W] float32. One answer for each of `layers`, in float32 on the host. Throws
  // kBadInput when the network cannot take the images.
  std::vector<LayerValues> Run(const at::Tensor& images, const std::vector<int>& layers) const;

  // Locations of a layer's output and how many there are: [B, units, locations] is this view of
  // LayerValues::output, contiguous.
  at::Tensor ByLocation(int layer, const at::Tensor& output) const;
  // h of one unit at a location (row-major): d numbers. values: of Run, `image` within its batch.
  std::vector<float> InputAt(int layer, const LayerValues& values, int64_t image, int64_t unit,
                             int64_t location) const;

 private:
  struct Frozen;
  explicit ImageUnits(std::unique_ptr<Frozen> frozen);
  std::unique_ptr<Frozen> frozen_;
};

}  // namespace assay::model
