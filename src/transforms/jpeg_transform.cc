// JPEG compression, differentiable (Shin and Song 2017): r(x) = round(x) + (x - round(x))^3 stands
// for rounding. 4:2:0 chroma, Annex K tables. All blocks of a batch go through one 64 x 64 matrix.
#include <ATen/ATen.h>

#include <array>
#include <cmath>
#include <numbers>

#include "transforms/transform_kinds.h"

namespace assay::transforms {
namespace {

constexpr int64_t kSide = 8, kBlock = 64;

constexpr std::array<float, 64> kLuma{16, 11, 10, 16, 24,  40,  51,  61,   //
                                      12, 12, 14, 19, 26,  58,  60,  55,   //
                                      14, 13, 16, 24, 40,  57,  69,  56,   //
                                      14, 17, 22, 29, 51,  87,  80,  62,   //
                                      18, 22, 37, 56, 68,  109, 103, 77,   //
                                      24, 35, 55, 64, 81,  104, 113, 92,   //
                                      49, 64, 78, 87, 103, 121, 120, 101,  //
                                      72, 92, 95, 98, 112, 100, 103, 99};
constexpr std::array<float, 16> kChroma{17, 18, 24, 47, 18, 21, 26, 66,
                                        24, 26, 56, 99, 47, 66, 99, 99};  // 99 outside

at::Tensor LumaTable(bool transposed) {  // [64]
  const at::Tensor table = at::tensor(at::ArrayRef<float>(kLuma)).reshape({kSide, kSide});
  return (transposed ? table.t() : table).reshape({kBlock}).clone();
}

at::Tensor ChromaTable() {
  at::Tensor table = at::full({kSide, kSide}, 99.0f);
  table.narrow(0, 0, 4).narrow(1, 0, 4).copy_(
      at::tensor(at::ArrayRef<float>(kChroma)).reshape({4, 4}));
  return table.reshape({kBlock});
}

// Orthonormal: coefficients (u, v) = basis * pixels (y, x), both flattened row by row.
at::Tensor CosineBasis() {  // [64, 64]
  at::Tensor line = at::empty({kSide, kSide}, at::kDouble);
  double* value = line.data_ptr<double>();
  for (int64_t u = 0; u < kSide; ++u) {
    for (int64_t x = 0; x < kSide; ++x) {
      const double angle = static_cast<double>((2 * x + 1) * u) * std::numbers::pi / 16;
      *value++ = (u == 0 ? std::sqrt(0.125) : 0.5) * std::cos(angle);
    }
  }
  return at::kron(line, line).to(at::kFloat);
}

// planes: [B, h, w] -> [B, h w / 64, 64]
at::Tensor ToBlocks(const at::Tensor& planes) {
  const int64_t down = planes.size(1) / kSide, across = planes.size(2) / kSide;
  return planes.reshape({-1, down, kSide, across, kSide})
      .permute({0, 1, 3, 2, 4})
      .reshape({-1, down * across, kBlock});
}

at::Tensor FromBlocks(const at::Tensor& blocks, int64_t height, int64_t width) {
  return blocks.reshape({-1, height / kSide, width / kSide, kSide, kSide})
      .permute({0, 1, 3, 2, 4})
      .reshape({-1, height, width});
}

at::Tensor SmoothRound(const at::Tensor& x) {
  const at::Tensor whole = x.detach().round();
  const at::Tensor rest = x - whole;
  return whole + rest * rest * rest;
}

class JpegTransform final : public Transform {
 public:
  explicit JpegTransform(bool reet)
      : Transform("jpeg"),
        reet_(reet),
        basis_(CosineBasis()),
        luma_(LumaTable(/*transposed=*/reet)),
        chroma_(ChromaTable()),
        to_ycc_(at::tensor({0.299f, 0.587f, 0.114f, -0.168736f, -0.331264f, 0.5f, 0.5f, -0.418688f,
                            -0.081312f})
                    .reshape({3, 3})),
        to_rgb_(at::tensor({1.0f, 0.0f, 1.402f, 1.0f, -0.344136f, -0.714136f, 1.0f, 1.772f, 0.0f})
                    .reshape({3, 3})) {}

  std::vector<ParameterSpec> Parameters(int64_t, int64_t) const override {
    return {{.name = "quality",
             .low = {5},
             .high = {reet_ ? 20.0 : 95.0},
             .identity = {101},
             .unit = "1 to 100; above 100: not compressed"}};
  }

 private:
  at::Tensor Change(const at::Tensor& images, const at::Tensor& parameters) const override {
    const int64_t height = images.size(2), width = images.size(3);
    const at::Tensor quality = parameters.reshape({-1, 1, 1});
    const at::Tensor padded = Padded(images);
    const at::Tensor decoded = Decode(Encode(padded), quality, padded.size(2), padded.size(3));
    const at::Tensor result = decoded.narrow(2, 0, height).narrow(3, 0, width);
    return at::where(quality.unsqueeze(3) > 100, images, result);
  }

  // Whole macroblocks of 16 x 16, the last row and column repeated.
  static at::Tensor Padded(const at::Tensor& images) {
    const int64_t below = (16 - images.size(2) % 16) % 16, right = (16 - images.size(3) % 16) % 16;
    return below + right == 0 ? images : at::replication_pad2d(images, {0, right, 0, below});
  }

  // [B, 3, H, W] -> [B, N, 64], centred at 0, in grey levels: luma blocks, then both chromas.
  at::Tensor Encode(const at::Tensor& images) const {
    const int64_t height = images.size(2), width = images.size(3);
    const at::Tensor ycc =
        at::matmul(to_ycc_.to(images.device()) * 255, images.reshape({-1, 3, height * width}))
            .reshape(images.sizes());
    const at::Tensor luma = ToBlocks(ycc.select(1, 0) - 128);
    const at::Tensor chroma = at::avg_pool2d(ycc.narrow(1, 1, 2), {2, 2});
    const at::Tensor blocks = ToBlocks(chroma.reshape({-1, height / 2, width / 2}));
    return at::cat({luma, blocks.reshape({images.size(0), -1, kBlock})}, 1);
  }

  // Quantised blocks back to [B, 3, H, W] in [0, 1] (before clamping).
  at::Tensor Decode(const at::Tensor& blocks, const at::Tensor& quality, int64_t height,
                    int64_t width) const {
    const int64_t luma_blocks = height * width / kBlock, chroma_blocks = luma_blocks / 4;
    const at::Tensor basis = basis_.to(blocks.device());
    const at::Tensor steps = Steps(quality, luma_blocks, chroma_blocks);
    const at::Tensor quantised = SmoothRound(at::matmul(blocks, basis.t()) / steps) * steps;
    const at::Tensor pixels = at::matmul(quantised, basis);
    const at::Tensor luma = FromBlocks(pixels.narrow(1, 0, luma_blocks), height, width);
    const at::Tensor chroma = at::upsample_nearest2d(
        FromBlocks(
            pixels.narrow(1, luma_blocks, 2 * chroma_blocks).reshape({-1, chroma_blocks, kBlock}),
            height / 2, width / 2)
            .reshape({-1, 2, height / 2, width / 2}),
        {height, width});
    const at::Tensor ycc = at::cat({(luma + 128).unsqueeze(1), chroma}, 1).flatten(2);
    return at::matmul(to_rgb_.to(blocks.device()) / 255, ycc).reshape({-1, 3, height, width});
  }

  // What a quantised coefficient counts, [B, N, 64]: an encoder's steps are at least 1, the
  // reference's go to 0.
  at::Tensor Steps(const at::Tensor& quality, int64_t luma_blocks, int64_t chroma_blocks) const {
    const at::Tensor factor =
        at::where(quality < 50, 50 / quality.clamp_min(1), 2 - quality.clamp_max(100) / 50);
    const at::Tensor luma = luma_.to(quality.device()).expand({1, luma_blocks, kBlock});
    const at::Tensor chroma = chroma_.to(quality.device()).expand({1, 2 * chroma_blocks, kBlock});
    return (at::cat({luma, chroma}, 1) * factor).clamp_min(reet_ ? 1e-3 : 1.0);
  }

  bool reet_;
  at::Tensor basis_;            // [64, 64]
  at::Tensor luma_, chroma_;    // [64]
  at::Tensor to_ycc_, to_rgb_;  // [3, 3]
};

}  // namespace

std::unique_ptr<Transform> MakeJpeg(const TransformOptions& options) {
  return std::make_unique<JpegTransform>(options.compatibility == Compatibility::kReet);
}

}  // namespace assay::transforms
