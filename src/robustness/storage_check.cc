#include "robustness/storage_check.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/grad_mode.h>

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

namespace assay::robustness {
namespace {

using base::ErrorKind;
using base::Fail;

at::Tensor Through(const at::Tensor& images, const char* extension,
                   const std::vector<int>& parameters) {
  const int64_t channels = images.dim() == 4 ? images.size(1) : 0;
  if (channels != 1 && channels != 3)
    Fail(ErrorKind::kUnsupported, "storing as {}: images are [{}]; expected [B, 1 or 3, H, W]",
         extension, fmt::join(images.sizes().vec(), ", "));
  const auto height = static_cast<int>(images.size(2)), width = static_cast<int>(images.size(3));
  // [B, H, W, C] bytes, blue first as OpenCV has it; rounded to the nearest grey level.
  const at::Tensor bytes = images.detach()
                               .to(at::kCPU)
                               .mul(255)
                               .round()
                               .clamp(0, 255)
                               .to(at::kByte)
                               .flip(1)
                               .permute({0, 2, 3, 1})
                               .contiguous();
  at::Tensor out = at::empty_like(bytes);
  const int type = channels == 1 ? CV_8UC1 : CV_8UC3;
  const auto size = static_cast<size_t>(height) * width * static_cast<size_t>(channels);
  std::vector<unsigned char> encoded;
  for (int64_t b = 0; b < images.size(0); ++b) {
    const cv::Mat image(height, width, type, bytes.data_ptr<uint8_t>() + size * b);
    if (!cv::imencode(extension, image, encoded, parameters))
      Fail(ErrorKind::kInternal, "an image cannot be encoded as {}", extension);
    const cv::Mat decoded =
        cv::imdecode(encoded, channels == 1 ? cv::IMREAD_GRAYSCALE : cv::IMREAD_COLOR);
    ASSAY_CHECK(decoded.rows == height && decoded.cols == width && decoded.type() == type &&
                decoded.isContinuous());
    std::copy(decoded.data, decoded.data + size, out.data_ptr<uint8_t>() + size * b);
  }
  return out.permute({0, 3, 1, 2})
      .flip(1)
      .to(images.scalar_type())
      .div(255)
      .contiguous()
      .to(images.device());
}

}  // namespace

at::Tensor ThroughPng(const at::Tensor& images) { return Through(images, ".png", {}); }

at::Tensor ThroughJpeg(const at::Tensor& images, int quality) {
  return Through(images, ".jpg", {cv::IMWRITE_JPEG_QUALITY, quality});
}

StoredSuccess CheckStored(const model::ImageClassifier& model, const at::Tensor& images,
                          const at::Tensor& labels, const at::Tensor& targets) {
  const at::NoGradGuard no_grad;
  StoredSuccess out;
  out.png_logits = model.Logits(ThroughPng(images));
  out.png = measure::Fooled(out.png_logits, labels, targets);
  out.jpeg90 = measure::Fooled(model.Logits(ThroughJpeg(images, 90)), labels, targets);
  out.jpeg75 = measure::Fooled(model.Logits(ThroughJpeg(images, 75)), labels, targets);
  return out;
}

}  // namespace assay::robustness
