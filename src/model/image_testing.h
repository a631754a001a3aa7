// For tests: a small image classifier as a TorchScript file.
#pragma once

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <torch/csrc/jit/api/module.h>

#include <filesystem>
#include <string>
#include <vector>

namespace assay::model {

inline constexpr const char* kTinyClassifier = R"(
def forward(self, x):
    x = (x - 0.5) / 0.25
    a = torch.conv2d(x, self.stem, self.stem_bias, [1, 1], [1, 1], [1, 1], 1)
    a = torch.batch_norm(a, self.gain, self.shift, self.mean, self.variance, False, 0.1, 1e-5, False)
    a = torch.leaky_relu_(a, 0.1)
    b = torch.conv2d(a, self.grouped, None, [2, 2], [0, 2], [2, 1], 2)
    b = torch.leaky_relu_(b, 0.1)
    c = torch.conv2d(b, self.square, self.square_bias, [1, 1], [1, 1], [1, 1], 1)
    c += b
    d = torch.max_pool2d(c, [2, 2])
    e = torch.conv2d(d, self.last, None, [1, 1], [0, 0], [1, 1], 1)
    return torch.linear(torch.mean(e, [2, 3]), self.head, self.head_bias)
)";

// Grouped, strided and dilated convolutions, a batch norm, operations in place, a shortcut.
inline void WriteTinyClassifier(const std::filesystem::path& file) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(7);
  torch::jit::Module module("tiny");
  const auto add = [&](const char* name, std::vector<int64_t> shape) {
    module.register_parameter(name, at::randn(shape, generator) * 0.5, false);
  };
  add("stem", {4, 3, 3, 3});
  add("stem_bias", {4});
  for (const char* name : {"gain", "shift", "mean"}) add(name, {4});
  module.register_parameter("variance", at::rand({4}, generator) + 0.5, false);
  add("grouped", {6, 2, 3, 2});
  add("square", {6, 6, 3, 3});
  add("square_bias", {6});
  add("last", {5, 6, 1, 1});
  add("head", {3, 5});
  add("head_bias", {3});
  module.define(kTinyClassifier);
  module.eval();
  module.save(file.string());
}

}  // namespace assay::model
