// The convolutions and linear layers in the graph of a frozen TorchScript module, and what part of
// the image each location of theirs can see. Thread-safe: pure functions.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <string>
#include <vector>

#include "model/image_units.h"

namespace assay::model {

struct GraphLayer {
  ImageLayer about;
  at::Tensor weight;  // [units, ...] as in the file
  at::Tensor bias;    // [units]
  size_t node = 0;    // position among the graph's own nodes
};

// Layers of the graph's top level whose weights are constants, in order. `images` is the graph's
// value that holds the images.
std::vector<GraphLayer> FindLayers(const torch::jit::Graph& graph, const torch::jit::Value* images);

// The names of those layers by their weights: "layer1.0.conv1"; empty where there is none. To be
// called before passes that replace weights.
std::vector<std::string> LayerNames(const torch::jit::Graph& graph);

// Where the values of a convolution or pooling come from, given where its input does.
PixelReach Through(const PixelReach& input, int64_t kernel, int64_t stride, int64_t padding,
                   int64_t dilation);

}  // namespace assay::model
