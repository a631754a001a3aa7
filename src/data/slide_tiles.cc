#include "data/slide_tiles.h"

#include <openslide.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "base/error.h"
#include "data/tile_source.h"

namespace assay::data {
namespace fs = std::filesystem;
namespace {

using base::ErrorKind;
using base::Fail;

constexpr double kMaskMicrons = 8;
constexpr double kLeastSaturation = 0.05;

struct Closer {
  void operator()(openslide_t* slide) const { openslide_close(slide); }
};
using SlideHandle = std::unique_ptr<openslide_t, Closer>;

// Premultiplied ARGB to RGB over white: [height, width] of CV_8UC3.
cv::Mat OverWhite(const std::vector<uint32_t>& argb, int height, int width) {
  cv::Mat rgb(height, width, CV_8UC3);
  for (int y = 0; y < height; ++y) {
    auto* row = rgb.ptr<cv::Vec3b>(y);
    for (int x = 0; x < width; ++x) {
      const uint32_t value =
          argb[static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x)];
      const uint32_t white = 255 - (value >> 24);
      for (int c = 0; c < 3; ++c) {
        const uint32_t colour = (value >> (16 - 8 * c) & 0xFF) + white;
        row[x][c] = static_cast<uint8_t>(std::min<uint32_t>(colour, 255));
      }
    }
  }
  return rgb;
}

double Resolution(openslide_t* slide, const fs::path& file, const SlideOptions& options) {
  if (options.slide_microns_per_pixel > 0) return options.slide_microns_per_pixel;
  double sum = 0;
  for (const char* name : {OPENSLIDE_PROPERTY_NAME_MPP_X, OPENSLIDE_PROPERTY_NAME_MPP_Y}) {
    const char* text = openslide_get_property_value(slide, name);
    double value = 0;
    if (text != nullptr) std::from_chars(text, text + std::char_traits<char>::length(text), value);
    if (!(value > 0 && value < 1000)) {
      Fail(ErrorKind::kBadInput, "{}: does not say how many microns a pixel has; give --slide-mpp",
           file.string());
    }
    sum += value;
  }
  return sum / 2;
}

}  // namespace

TissueMask FindTissue(const Tile& rgb, double microns_per_pixel) {
  ASSAY_CHECK(rgb.channels == 3);
  cv::Mat image(rgb.height, rgb.width, CV_8UC3, const_cast<uint8_t*>(rgb.pixels.data())), blurred,
      hsv, saturation, binary;
  cv::medianBlur(image, blurred, 3);
  cv::cvtColor(blurred, hsv, cv::COLOR_RGB2HSV);
  cv::extractChannel(hsv, saturation, 1);
  const double otsu =
      cv::threshold(saturation, binary, 0, 255, cv::THRESH_BINARY | cv::THRESH_OTSU) / 255;
  TissueMask mask{.height = rgb.height,
                  .width = rgb.width,
                  .microns_per_pixel = microns_per_pixel,
                  .threshold = std::max(otsu, kLeastSaturation)};
  for (int y = 0; y < rgb.height; ++y) {
    for (int x = 0; x < rgb.width; ++x)
      mask.tissue.push_back(saturation.at<uint8_t>(y, x) > 255 * mask.threshold ? 1 : 0);
  }
  return mask;
}

struct Slide::State {
  SlideHandle slide;
  fs::path file;
  SlideOptions options;
  double resolution = 0;  // microns per pixel of level 0
  int64_t height = 0, width = 0;
  TissueMask mask;
  std::vector<Place> places;

  // A region with its corner at (x, y) of level 0, at `microns` per pixel: [rows, columns] RGB.
  cv::Mat Region(int64_t x, int64_t y, double microns, int rows, int columns) const {
    const double down = microns / resolution;
    const int level = openslide_get_best_level_for_downsample(slide.get(), down * 1.001);
    const double level_down = openslide_get_level_downsample(slide.get(), level);
    const double scale = down / level_down;
    const int high = std::max(1, static_cast<int>(std::lround(rows * scale)));
    const int wide = std::max(1, static_cast<int>(std::lround(columns * scale)));
    std::vector<uint32_t> argb(static_cast<size_t>(high) * static_cast<size_t>(wide));
    openslide_read_region(slide.get(), argb.data(), x, y, level, wide, high);
    if (const char* error = openslide_get_error(slide.get())) {
      throw TileError(TileProblemKind::kTruncated,
                      fmt::format("{} cannot be read at {},{}: {}", file.string(), x, y, error));
    }
    cv::Mat region = OverWhite(argb, high, wide);
    if (high == rows && wide == columns) return region;
    cv::Mat out;
    cv::resize(region, out, cv::Size(columns, rows), 0, 0,
               scale > 1 ? cv::INTER_AREA : cv::INTER_LINEAR);
    return out;
  }

  // The whole slide in strips, so that memory is that of one.
  void MakeMask() {
    const double down = std::max(1.0, kMaskMicrons / resolution);
    const double microns = down * resolution;
    const int rows = std::max(1, static_cast<int>(static_cast<double>(height) / down));
    const int columns = std::max(1, static_cast<int>(static_cast<double>(width) / down));
    Tile thumbnail;
    thumbnail.height = rows;
    thumbnail.width = columns;
    thumbnail.pixels.reserve(static_cast<size_t>(rows) * static_cast<size_t>(columns) * 3);
    constexpr int kStrip = 64;
    for (int row = 0; row < rows; row += kStrip) {
      const int count = std::min(kStrip, rows - row);
      const cv::Mat strip = Region(0, std::lround(row * down), microns, count, columns);
      for (int y = 0; y < count; ++y) {
        const auto* from = strip.ptr<uint8_t>(y);
        thumbnail.pixels.insert(thumbnail.pixels.end(), from, from + 3 * columns);
      }
    }
    mask = FindTissue(thumbnail, microns);
  }

  void FindPlaces() {
    const double down = options.microns_per_pixel / resolution;
    const double side = options.tile_px * down;
    const double stride = (options.stride_px == 0 ? options.tile_px : options.stride_px) * down;
    cv::Mat sums;
    cv::integral(cv::Mat(mask.height, mask.width, CV_8U, mask.tissue.data()), sums, CV_32S);
    const double to_mask = resolution / mask.microns_per_pixel;
    const auto at = [&](double pixels, int limit) {
      return std::clamp(static_cast<int>(std::lround(pixels * to_mask)), 0, limit);
    };
    for (double y = 0; y + side <= static_cast<double>(height) + 0.5; y += stride) {
      for (double x = 0; x + side <= static_cast<double>(width) + 0.5; x += stride) {
        const int top = at(y, mask.height - 1), left = at(x, mask.width - 1);
        const int bottom = std::max(top + 1, at(y + side, mask.height));
        const int right = std::max(left + 1, at(x + side, mask.width));
        const int inside = sums.at<int>(bottom, right) - sums.at<int>(top, right) -
                           sums.at<int>(bottom, left) + sums.at<int>(top, left);
        const double share = static_cast<double>(inside) / ((bottom - top) * (right - left));
        if (share >= options.min_tissue) places.push_back({std::lround(x), std::lround(y), share});
      }
    }
  }
};

bool IsSlide(const fs::path& file) { return openslide_detect_vendor(file.c_str()) != nullptr; }

Slide::Slide(std::unique_ptr<State> state) : state_(std::move(state)) {}
Slide::Slide(Slide&&) noexcept = default;
Slide::~Slide() = default;

const std::vector<Slide::Place>& Slide::places() const { return state_->places; }
const TissueMask& Slide::mask() const { return state_->mask; }
double Slide::microns_per_pixel() const { return state_->resolution; }
int64_t Slide::height() const { return state_->height; }
int64_t Slide::width() const { return state_->width; }
std::string Slide::name() const { return state_->file.stem().string(); }

Slide Slide::Open(const fs::path& file, const SlideOptions& options) {
  base::ValidateFields(options);
  if (!fs::exists(file)) Fail(ErrorKind::kNotFound, "{}: no such file", file.string());
  auto state = std::make_unique<State>();
  state->slide.reset(openslide_open(file.c_str()));
  if (!state->slide)
    Fail(ErrorKind::kBadInput, "{}: is no slide that OpenSlide knows", file.string());
  if (const char* error = openslide_get_error(state->slide.get()))
    Fail(ErrorKind::kBadInput, "{}: the slide cannot be read: {}", file.string(), error);
  state->file = file;
  state->options = options;
  openslide_get_level0_dimensions(state->slide.get(), &state->width, &state->height);
  state->resolution = Resolution(state->slide.get(), file, options);
  if (options.microns_per_pixel < 0.5 * state->resolution) {
    Fail(ErrorKind::kUsage,
         "{}: has {:.4g} microns per pixel; tiles of {:.4g} would be enlarged more than twofold "
         "(--mpp)",
         file.string(), state->resolution, options.microns_per_pixel);
  }
  try {
    state->MakeMask();
  } catch (const TileError& error) {
    Fail(ErrorKind::kBadInput, "{}", error.what());
  }
  state->FindPlaces();
  return Slide(std::move(state));
}

Tile Slide::Read(const Place& place) const {
  const int side = state_->options.tile_px;
  const cv::Mat region =
      state_->Region(place.x, place.y, state_->options.microns_per_pixel, side, side);
  Tile tile;
  tile.name = fmt::format("{}@{},{}", state_->file.filename().string(), place.x, place.y);
  tile.slide = state_->file.stem().string();
  tile.x = place.x;
  tile.y = place.y;
  tile.height = tile.width = side;
  ASSAY_CHECK(region.isContinuous());
  tile.pixels.assign(region.datastart, region.dataend);
  return tile;
}

namespace {

class SlideTileSource : public TileSource {
 public:
  explicit SlideTileSource(Slide slide, const fs::path& file) : slide_(std::move(slide)) {
    for (const Slide::Place& place : slide_.places()) {
      SourceEntry entry;
      entry.info.name = fmt::format("{}@{},{}", file.filename().string(), place.x, place.y);
      entry.info.slide = file.stem().string();
      entry.info.x = place.x;
      entry.info.y = place.y;
      entries_.push_back(std::move(entry));
    }
  }
  RawTile Read(size_t index) override {
    const Tile tile = slide_.Read(slide_.places().at(index));
    return {.height = tile.height,
            .width = tile.width,
            .channels = 3,
            .samples = {tile.pixels.begin(), tile.pixels.end()}};
  }
  std::string Bytes(size_t index) override {
    const Tile tile = slide_.Read(slide_.places().at(index));
    return {tile.pixels.begin(), tile.pixels.end()};
  }

 private:
  Slide slide_;
};

}  // namespace

std::unique_ptr<TileSource> OpenSlideTiles(const fs::path& file, const SlideOptions& options) {
  Slide slide = Slide::Open(file, options);
  if (slide.places().empty()) {
    Fail(ErrorKind::kBadInput, "{}: no tile of {} pixels has {:.0f}% tissue", file.string(),
         options.tile_px, 100 * options.min_tissue);
  }
  return std::make_unique<SlideTileSource>(std::move(slide), file);
}

}  // namespace assay::data
