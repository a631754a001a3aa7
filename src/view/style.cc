#include "view/style.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "view/page_css.h"

namespace assay::view {
namespace {

// Interpolated in OKLab between four colours each, so that steps look equally large.
constexpr std::string_view kFill[3][2][kScaleSteps] = {
    {{"#fdeee9", "#fcd8cd", "#fac2b2", "#f7ac96", "#f2947c", "#eb7a63", "#e25e4a", "#d64536",
      "#c63631", "#b5252b", "#a50f26"},
     {"#33201d", "#48241f", "#5d2721", "#732922", "#892e25", "#a0342a", "#b83b2e", "#cd4536",
      "#de5746", "#ee6956", "#ff7a66"}},
    {{"#eaf2fb", "#d3e5f7", "#bbd8f2", "#a4caee", "#8abae7", "#70a8de", "#5495d6", "#3c83cb",
      "#2e72bb", "#2060ab", "#124f9c"},
     {"#1b2836", "#1d324a", "#1e3d60", "#1f4776", "#22558d", "#2764a6", "#2c74bf", "#3785d5",
      "#4e97e3", "#64a9f1", "#79bbff"}},
    {{"#440154", "#472965", "#444577", "#385f88", "#31788c", "#329087", "#34a780", "#55bc75",
      "#95cc68", "#cbda52", "#fde725"},
     {"#7a4fb0", "#7161b6", "#6471bd", "#5281c3", "#4792ba", "#43a4a9", "#40b495", "#5cc481",
      "#9ad071", "#cddc57", "#fde725"}}};
constexpr std::string_view kPrefix[] = {"act", "imp", "q"};

double Linear(std::string_view hex) {
  const double c = std::stoi(std::string(hex), nullptr, 16) / 255.0;
  return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
}

// WCAG 2 relative luminance of "#rrggbb".
double Luminance(std::string_view colour) {
  return 0.2126 * Linear(colour.substr(1, 2)) + 0.7152 * Linear(colour.substr(3, 2)) +
         0.0722 * Linear(colour.substr(5, 2));
}

std::string ScaleRules(Theme theme) {
  std::string css;
  for (const Scale scale : {Scale::kActivation, Scale::kImportance, Scale::kQuality}) {
    for (int step = 0; step < kScaleSteps; ++step) {
      const Paint paint = ScalePaint(scale, step, theme);
      css += fmt::format(
          ".{0}>.box,.box.{0}{{fill:{1}}}.{0}>.label{{fill:{2}}}.line.{0}{{stroke:{1}}}\n",
          ScaleClass(scale, step), paint.fill, paint.text);
    }
  }
  return css;
}

// Tokens of running text take the colour of the measure that their page shows at the moment.
std::string TokenRules(Theme theme) {
  std::string css;
  for (const Scale scale : {Scale::kActivation, Scale::kImportance}) {
    for (int step = 1; step < kScaleSteps; ++step) {
      const Paint paint = ScalePaint(scale, step, theme);
      css += fmt::format("[data-shade=\"{}\"] .{}{{background:{};color:{}}}\n",
                         scale == Scale::kActivation ? "activation" : "importance",
                         ScaleClass(scale, step), paint.fill, paint.text);
    }
  }
  return css;
}

constexpr std::string_view kPictureRules = R"(.picture text{font-size:14px}
.picture .title{font-size:15px;font-weight:600;fill:#1c2127}
.picture .note{font-size:11.5px;fill:#5b6470}
.picture .ground{fill:#ffffff}
.picture .node>.box{stroke:#7d8690;stroke-width:.8}
.picture .end>.box{stroke:#1c2127;stroke-width:2.4}
.picture .key{stroke:#7d8690;stroke-width:.8;fill:none}
.picture .key.end{stroke:#1c2127;stroke-width:2.4}
.picture .edge>path{fill:none;stroke:#98a1ac;stroke-width:1.3}
.picture .edge>.tip{fill:#98a1ac;stroke:none}
.picture .edge.gap>.wire{stroke-dasharray:4 3.5}
.picture .count>.pill{fill:#ffffff;stroke:#98a1ac;stroke-width:.8}
.picture .count>text{font-size:10.5px;fill:#4a525c}
.picture .hidden{fill:none;stroke:#98a1ac;stroke-width:1;stroke-dasharray:3 3}
.picture .line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.picture .axis{stroke:#98a1ac;stroke-width:1;fill:none}
.picture .grid{stroke:#e3e7ec;stroke-width:1;fill:none}
.picture a:hover .box,.picture a:focus .box{stroke:#1c2127;stroke-width:2}
)";

constexpr std::string_view kPictureRulesDark = R"(.picture .title{fill:#e6e9ed}
.picture .note{fill:#a3adb8}
.picture .ground{fill:#14181d}
.picture .node>.box,.picture .key{stroke:#69737e}
.picture .end>.box,.picture .key.end,.picture a:hover .box,.picture a:focus .box{stroke:#f4f6f8}
.picture .edge>path,.picture .axis{stroke:#6f7985}
.picture .edge>.tip{fill:#6f7985}
.picture .count>.pill{fill:#14181d;stroke:#6f7985}
.picture .count>text{fill:#c3cbd4}
.picture .hidden{stroke:#6f7985}
.picture .grid{stroke:#2a313a}
)";

}  // namespace

int ScaleStep(double value, double low) {
  const double share = (value - low) / (1 - low);
  if (!(share > 0)) return 0;
  return share >= 1 ? kScaleSteps - 1 : static_cast<int>(std::lround(share * (kScaleSteps - 1)));
}

Paint ScalePaint(Scale scale, int step, Theme theme) {
  ASSAY_CHECK(step >= 0 && step < kScaleSteps);
  const std::string_view fill = kFill[static_cast<int>(scale)][static_cast<int>(theme)][step];
  const double luminance = Luminance(fill);
  // Contrast is (lighter + .05) / (darker + .05); white wins where 1.05 / (l + .05) > (l + .05) /
  // .05.
  return {fill, (luminance + 0.05) * (luminance + 0.05) < 1.05 * 0.05 ? "#ffffff" : "#000000"};
}

std::string ScaleClass(Scale scale, int step) {
  return fmt::format("{}-{}", kPrefix[static_cast<int>(scale)], step);
}

std::string PictureCss() {
  return fmt::format(
      ".picture text{{font-family:{}}}\n{}{}@media (prefers-color-scheme:dark){{\n{}{}}}\n",
      kPictureFonts, kPictureRules, ScaleRules(Theme::kLight), kPictureRulesDark,
      ScaleRules(Theme::kDark));
}

std::string PageCss() {
  return fmt::format("{}{}{}@media (prefers-color-scheme:dark){{\n{}}}\n", PictureCss(),
                     PageRules(), TokenRules(Theme::kLight), TokenRules(Theme::kDark));
}

}  // namespace assay::view
