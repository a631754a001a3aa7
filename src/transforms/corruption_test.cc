#include "transforms/corruption.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "transforms/transforms_testing.h"

namespace assay::transforms {
namespace {

// Nuclei-like blobs and fine texture on a pale ground, in the colours of H&E.
at::Tensor TissueLike(int64_t batch, int64_t side) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(4);
  const at::Tensor coarse = at::rand({batch, 1, side / 5, side / 5}, generator);
  const at::Tensor nuclei =
      at::upsample_bilinear2d(coarse, {side, side}, false).mul(2.2).sub(0.7).clamp(0, 1);
  const at::Tensor fine = at::rand({batch, 1, side, side}, generator) * 0.3 + 0.15;
  const at::Tensor haematoxylin = at::tensor({0.65f, 0.70f, 0.29f}).reshape({1, 3, 1, 1});
  const at::Tensor eosin = at::tensor({0.07f, 0.99f, 0.11f}).reshape({1, 3, 1, 1});
  return (-(nuclei * haematoxylin * 1.4 + fine * eosin)).exp();
}

TEST(CorruptionTest, DistortionGrowsWithSeverity) {
  const at::Tensor images = TissueLike(4, 50);
  ASSERT_GE(Corruptions().size(), 12u);
  for (const Corruption& corruption : Corruptions()) {
    double before = 0.001;  // severity 1 does something
    for (int severity = 1; severity <= 5; ++severity) {
      const at::Tensor out = Corrupt(images, corruption.name, severity, Ids(4));
      const double distortion = (out - images).abs().mean().item<double>();
      EXPECT_GT(distortion, before) << corruption.name << " " << severity;
      before = distortion * 1.02;
    }
    EXPECT_LT(before, 0.4) << corruption.name;
  }
}

TEST(CorruptionTest, PatternsBelongToTheImageNotTheBatch) {
  const at::Tensor images = TissueLike(3, 32);
  const std::vector<int64_t> ids{7, 8, 9}, last{9}, other{10};
  const at::Tensor all = Corrupt(images, "noise", 3, ids);
  const at::Tensor one = images.narrow(0, 2, 1);
  EXPECT_TRUE(at::equal(all.narrow(0, 2, 1), Corrupt(one, "noise", 3, last)));
  EXPECT_FALSE(at::equal(all.narrow(0, 2, 1), Corrupt(one, "noise", 3, other)));
}

TEST(CorruptionTest, RefusesUnknownNamesAndSeverities) {
  const at::Tensor images = TissueLike(2, 16);
  EXPECT_THROW(Corrupt(images, "rain", 1, Ids(2)), base::Error);
  EXPECT_THROW(Corrupt(images, "blur", 0, Ids(2)), base::Error);
  EXPECT_THROW(Corrupt(images, "blur", 6, Ids(2)), base::Error);
  EXPECT_THROW(Corrupt(images, "blur", 1, Ids(3)), base::Error);
}

}  // namespace
}  // namespace assay::transforms
