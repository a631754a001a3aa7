// The makers of every transform, for the registry (make_transform.cc). Use MakeTransform elsewhere.
#pragma once

#include <memory>

#include "transforms/transform.h"

namespace assay::transforms {

using TransformMaker = std::unique_ptr<Transform> (*)(const TransformOptions&);

// stain_transforms.cc. rgb' = exp(C ln max(rgb, 1e-6)), C from stain matrices (Ruifrok's, rows of
// length 1).
std::unique_ptr<Transform> MakeStain(const TransformOptions& options);
std::unique_ptr<Transform> MakeRandomStain(const TransformOptions& options);
std::unique_ptr<Transform> MakeHed(const TransformOptions& options);

// point_transforms.cc
std::unique_ptr<Transform> MakeMean(const TransformOptions& options);
std::unique_ptr<Transform> MakePixel(const TransformOptions& options);
std::unique_ptr<Transform> MakeBrightness(const TransformOptions& options);
std::unique_ptr<Transform> MakeContrast(const TransformOptions& options);
std::unique_ptr<Transform> MakeGamma(const TransformOptions& options);
std::unique_ptr<Transform> MakeNoise(const TransformOptions& options);

// geometry_transforms.cc: continuous positions, differentiable
std::unique_ptr<Transform> MakeRotate(const TransformOptions& options);
std::unique_ptr<Transform> MakeCrop(const TransformOptions& options);
std::unique_ptr<Transform> MakeZoomIn(const TransformOptions& options);
std::unique_ptr<Transform> MakeZoomOut(const TransformOptions& options);
std::unique_ptr<Transform> MakeCutout(const TransformOptions& options);

// blur_transforms.cc
std::unique_ptr<Transform> MakeBlur(const TransformOptions& options);
std::unique_ptr<Transform> MakeBlurRectangle(const TransformOptions& options);
std::unique_ptr<Transform> MakeDefocus(const TransformOptions& options);
std::unique_ptr<Transform> MakeSharpen(const TransformOptions& options);
std::unique_ptr<Transform> MakeResolution(const TransformOptions& options);

// jpeg_transform.cc
std::unique_ptr<Transform> MakeJpeg(const TransformOptions& options);

// reet_transforms.cc: whole pixels, as the reference has them
std::unique_ptr<Transform> MakeReetRotate(const TransformOptions& options);
std::unique_ptr<Transform> MakeReetCrop(const TransformOptions& options);
std::unique_ptr<Transform> MakeReetZoomIn(const TransformOptions& options);
std::unique_ptr<Transform> MakeReetZoomOut(const TransformOptions& options);
std::unique_ptr<Transform> MakeReetBlur(const TransformOptions& options);
std::unique_ptr<Transform> MakeReetCutout(const TransformOptions& options);

}  // namespace assay::transforms
