// Colours and style sheets of every picture and page, in one place. Activation is red and
// importance blue, quality (F1) runs from dark violet to yellow; each scale has 11 steps that
// differ in lightness, so that they read without colour vision and in print. Light and dark follow
// the reader's system. Thread-safe: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace assay::view {

enum class Scale { kActivation, kImportance, kQuality };
enum class Theme { kLight, kDark };

constexpr int kScaleSteps = 11;
inline constexpr std::string_view kPictureFonts =
    "'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif";

// 0 for `low` and below (and for no number), 10 for 1 and above.
int ScaleStep(double value, double low = 0);

struct Paint {
  std::string_view fill;
  std::string_view text;  // black or white, at least 4.5:1 against fill
};
Paint ScalePaint(Scale scale, int step, Theme theme = Theme::kLight);  // 0 <= step < kScaleSteps

// Class of a shape or token in that colour: "act-7", "imp-0", "q-10".
std::string ScaleClass(Scale scale, int step);

// Rules for pictures of graphs and charts; an SVG file carries them, a page holds them once.
std::string PictureCss();

// Rules for whole pages, PictureCss included.
std::string PageCss();

}  // namespace assay::view
