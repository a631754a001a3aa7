#include "view/style.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace assay::view {
namespace {

double Channel(const std::string& hex) {
  const double c = std::stoi(hex, nullptr, 16) / 255.0;
  return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
}

double Luminance(std::string_view colour) {
  const std::string text(colour);
  return 0.2126 * Channel(text.substr(1, 2)) + 0.7152 * Channel(text.substr(3, 2)) +
         0.0722 * Channel(text.substr(5, 2));
}

TEST(ScalePaintTest, TextIsReadableOnEveryStep) {
  for (const Scale scale : {Scale::kActivation, Scale::kImportance, Scale::kQuality}) {
    for (const Theme theme : {Theme::kLight, Theme::kDark}) {
      for (int step = 0; step < kScaleSteps; ++step) {
        const Paint paint = ScalePaint(scale, step, theme);
        const double a = Luminance(paint.fill), b = Luminance(paint.text);
        EXPECT_GE((std::max(a, b) + 0.05) / (std::min(a, b) + 0.05), 4.5) << paint.fill;
      }
    }
  }
}

TEST(ScalePaintTest, StrongerIsDarkerOnWhiteAndBrighterOnBlack) {
  for (const Scale scale : {Scale::kActivation, Scale::kImportance}) {
    for (int step = 1; step < kScaleSteps; ++step) {
      EXPECT_LT(Luminance(ScalePaint(scale, step).fill),
                Luminance(ScalePaint(scale, step - 1).fill));
      EXPECT_GT(Luminance(ScalePaint(scale, step, Theme::kDark).fill),
                Luminance(ScalePaint(scale, step - 1, Theme::kDark).fill));
    }
  }
}

TEST(ScaleStepTest, CoversTheRange) {
  EXPECT_EQ(ScaleStep(0), 0);
  EXPECT_EQ(ScaleStep(0.5), 5);
  EXPECT_EQ(ScaleStep(1), 10);
  EXPECT_EQ(ScaleStep(7), 10);
  EXPECT_EQ(ScaleStep(-7), 0);
  EXPECT_EQ(ScaleStep(NAN), 0);
  EXPECT_EQ(ScaleStep(0.75, 0.5), 5);
  EXPECT_EQ(ScaleStep(0.4, 0.5), 0);
}

}  // namespace
}  // namespace assay::view
