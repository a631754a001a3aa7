#include "robustness/nuclei_segmentation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <opencv2/imgproc.hpp>

namespace assay::robustness {
namespace {

using base::ErrorKind;
using base::Fail;

void CheckRgb(const data::Tile& tile) {
  if (tile.channels != 3 || tile.height < 1 || tile.width < 1) {
    Fail(ErrorKind::kBadInput, "{}: nuclei are looked for in RGB tiles; this one has {} channels",
         tile.name, tile.channels);
  }
}

// Density of each stain in a pixel: optical density times the inverse of the stain matrix, whose
// rows are haematoxylin, eosin and what is perpendicular to both.
cv::Matx33d Unmixing() {
  const cv::Vec3d h = cv::normalize(cv::Vec3d(0.65, 0.70, 0.29));
  const cv::Vec3d e = cv::normalize(cv::Vec3d(0.07, 0.99, 0.11));
  const cv::Vec3d rest = cv::normalize(h.cross(e));
  return cv::Matx33d(h[0], h[1], h[2], e[0], e[1], e[2], rest[0], rest[1], rest[2]).inv();
}

double OtsuThreshold(const cv::Mat& values) {  // [H, W] float32, >= 0
  double largest = 0;
  cv::minMaxLoc(values, nullptr, &largest);
  if (largest <= 0) return 0;
  cv::Mat bytes, ignored;
  values.convertTo(bytes, CV_8U, 255 / largest);
  return cv::threshold(bytes, ignored, 0, 255, cv::THRESH_BINARY | cv::THRESH_OTSU) / 255 * largest;
}

// Pieces smaller than the least area are dropped, and holes smaller than it are filled.
void CleanMask(cv::Mat& mask, int least_area_px) {
  for (const bool holes : {false, true}) {
    cv::Mat pieces, stats, centres;
    const cv::Mat wanted = holes ? cv::Mat(255 - mask) : mask;
    const int count =
        cv::connectedComponentsWithStats(wanted, pieces, stats, centres, holes ? 4 : 8);
    std::vector<bool> small(static_cast<size_t>(count));
    for (int i = 1; i < count; ++i)
      small[static_cast<size_t>(i)] = stats.at<int>(i, cv::CC_STAT_AREA) < least_area_px;
    for (int y = 0; y < mask.rows; ++y) {
      for (int x = 0; x < mask.cols; ++x) {
        if (small[static_cast<size_t>(pieces.at<int>(y, x))])
          mask.at<uint8_t>(y, x) = holes ? 255 : 0;
      }
    }
  }
}

cv::Mat LocalMean(const cv::Mat& values, int radius_px) {
  cv::Mat mean;
  const int side = 2 * radius_px + 1;
  cv::blur(values, mean, {side, side}, {-1, -1}, cv::BORDER_REFLECT);
  return mean;
}

// [H, W] float32: distance to the outside in pixels, smoothed; 0 outside. What is cut by the edge
// of the tile goes on beyond it.
cv::Mat SmoothDistance(const cv::Mat& mask, double sigma_px) {
  cv::Mat distance;
  cv::distanceTransform(mask, distance, cv::DIST_L2, cv::DIST_MASK_PRECISE);
  cv::GaussianBlur(distance, distance, {0, 0}, sigma_px, 0, cv::BORDER_REFLECT);
  distance.setTo(0, mask == 0);
  return distance;
}

// Regions that grow from the peaks of a height map, highest pixels first. Where two meet, they are
// one region unless the pass between them is below `neck` times the lower peak.
class Regions {
 public:
  Regions(const cv::Mat& height, double neck)
      : height_(height), neck_(neck), parent_(height.total(), -1) {
    std::vector<int> order;
    for (int i = 0; i < static_cast<int>(height.total()); ++i) {
      if (Height(i) > 0) order.push_back(i);
    }
    std::stable_sort(order.begin(), order.end(),
                     [this](int a, int b) { return Height(a) > Height(b); });
    for (const int place : order) Add(place);
  }

  // The peak of the region that the place is in; -1: none.
  int PeakOf(int place) { return parent_[static_cast<size_t>(place)] < 0 ? -1 : Find(place); }

 private:
  float Height(int place) const { return height_.ptr<float>()[place]; }

  int Find(int place) {
    while (parent_[static_cast<size_t>(place)] != place) {
      int& parent = parent_[static_cast<size_t>(place)];
      parent = parent_[static_cast<size_t>(parent)];
      place = parent;
    }
    return place;
  }

  void Add(int place) {
    const int y = place / height_.cols, x = place % height_.cols;
    int best = -1;
    std::vector<int> met;
    for (int dy = -1; dy <= 1; ++dy) {
      for (int dx = -1; dx <= 1; ++dx) {
        const int ny = y + dy, nx = x + dx;
        if (ny < 0 || nx < 0 || ny >= height_.rows || nx >= height_.cols) continue;
        const int peak = PeakOf(ny * height_.cols + nx);
        if (peak < 0) continue;
        met.push_back(peak);
        if (best < 0 || Height(peak) > Height(best)) best = peak;
      }
    }
    parent_[static_cast<size_t>(place)] = best < 0 ? place : best;
    for (const int peak : met) {
      const int a = Find(best), b = Find(peak);
      if (a == b) continue;
      const int lower = Height(a) < Height(b) ? a : b, higher = lower == a ? b : a;
      if (Height(place) >= neck_ * Height(lower)) parent_[static_cast<size_t>(lower)] = higher;
    }
  }

  cv::Mat height_;  // [H, W] float32
  double neck_;
  std::vector<int> parent_;  // of each place, towards the peak of its region
};

// Numbers the regions that are large enough, in reading order.
LabelImage Numbered(Regions& regions, int height, int width, int least_area_px) {
  const size_t places = static_cast<size_t>(height) * static_cast<size_t>(width);
  std::vector<int> area(places), number(places);
  for (size_t i = 0; i < places; ++i) {
    const int peak = regions.PeakOf(static_cast<int>(i));
    if (peak >= 0) ++area[static_cast<size_t>(peak)];
  }
  LabelImage image{.height = height, .width = width, .labels = std::vector<int32_t>(places)};
  for (size_t i = 0; i < places; ++i) {
    const int peak = regions.PeakOf(static_cast<int>(i));
    if (peak < 0 || area[static_cast<size_t>(peak)] < least_area_px) continue;
    int& label = number[static_cast<size_t>(peak)];
    if (label == 0) label = ++image.count;
    image.labels[i] = label;
  }
  return image;
}

}  // namespace

StainDensity SeparateStains(const data::Tile& tile) {
  CheckRgb(tile);
  const cv::Matx33d unmix = Unmixing();
  std::array<double, 256> density;
  for (int value = 0; value < 256; ++value)
    density[static_cast<size_t>(value)] = -std::log((value + 1.0) / 256);
  const size_t places = static_cast<size_t>(tile.height) * static_cast<size_t>(tile.width);
  StainDensity stains{std::vector<float>(places), std::vector<float>(places)};
  for (size_t i = 0; i < places; ++i) {
    const double r = density[tile.pixels[3 * i]], g = density[tile.pixels[3 * i + 1]],
                 b = density[tile.pixels[3 * i + 2]];
    const auto amount = [&](int stain) {
      return static_cast<float>(
          std::max(0.0, r * unmix(0, stain) + g * unmix(1, stain) + b * unmix(2, stain)));
    };
    stains.haematoxylin[i] = amount(0);
    stains.eosin[i] = amount(1);
  }
  return stains;
}

LabelImage SplitPieces(const std::vector<uint8_t>& inside, int height, int width, double neck,
                       int least_area_px) {
  ASSAY_CHECK(inside.size() == static_cast<size_t>(height) * static_cast<size_t>(width));
  cv::Mat mask(height, width, CV_8U);
  std::copy(inside.begin(), inside.end(), mask.begin<uint8_t>());
  mask = mask != 0;
  Regions regions(SmoothDistance(mask, 1.0), neck);
  return Numbered(regions, height, width, least_area_px);
}

LabelImage SegmentNuclei(const data::Tile& tile, const NucleiOptions& options) {
  base::ValidateFields(options);
  StainDensity stains = SeparateStains(tile);
  cv::Mat stain(tile.height, tile.width, CV_32F, stains.haematoxylin.data());
  if (options.blur_px > 0)
    cv::GaussianBlur(stain, stain, {0, 0}, options.blur_px, 0, cv::BORDER_REFLECT);
  cv::Mat threshold =
      options.strictness * (options.local_weight * LocalMean(stain, options.local_px) +
                            (1 - options.local_weight) * OtsuThreshold(stain));
  cv::Mat mask = stain > cv::max(threshold, options.least_stain);
  cv::morphologyEx(mask, mask, cv::MORPH_OPEN,
                   cv::getStructuringElement(cv::MORPH_ELLIPSE, {3, 3}));
  // In a disc, the mean distance to the edge is a third of the radius.
  cv::Mat distance;
  cv::distanceTransform(mask, distance, cv::DIST_L2, cv::DIST_MASK_PRECISE);
  const double radius = std::clamp(3 * cv::mean(distance, mask)[0], 3.0, 60.0);
  const int least_area_px =
      std::max(1, static_cast<int>(options.least_area * CV_PI * radius * radius));
  CleanMask(mask, least_area_px);
  // Cores are darker than what surrounds them; what is left of a nucleus goes to the core that its
  // stain leads to.
  const int around = std::max(1, static_cast<int>(std::lround(options.core_radii * radius)));
  cv::Mat cores = (stain > options.core_strictness * LocalMean(stain, around)) & mask;
  cv::morphologyEx(cores, cores, cv::MORPH_OPEN,
                   cv::getStructuringElement(cv::MORPH_ELLIPSE, {3, 3}));
  CleanMask(cores, least_area_px / 4);
  cv::Mat height = SmoothDistance(cores, std::max(1.0, radius / 6));
  double darkest = 1;
  cv::minMaxLoc(stain, nullptr, &darkest);
  cv::Mat(stain * (1e-3 / std::max(darkest, 1e-6))).copyTo(height, mask & ~cores);
  Regions regions(height, options.neck);
  return Numbered(regions, tile.height, tile.width, least_area_px);
}

}  // namespace assay::robustness
