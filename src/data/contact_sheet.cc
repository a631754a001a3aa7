#include "data/contact_sheet.h"

#include <algorithm>
#include <opencv2/imgproc.hpp>

#include "base/error.h"

namespace assay::data {

using base::ErrorKind;
using base::Fail;

namespace {

constexpr int kGapPx = 4, kMarginPx = 12, kTitlePx = 26;
const cv::Scalar kBeyond(222, 225, 229);  // of a patch beyond its tile

// Shares the tile's memory.
cv::Mat View(const Tile& tile) {
  return {tile.height, tile.width, tile.channels == 1 ? CV_8UC1 : CV_8UC3,
          const_cast<uint8_t*>(tile.pixels.data())};
}

Tile FromMat(const cv::Mat& image) {  // RGB, continuous
  Tile out;
  out.height = image.rows;
  out.width = image.cols;
  out.pixels.assign(image.data, image.data + image.total() * image.elemSize());
  return out;
}

// What is shown of one direction, and how much of it is tile and place.
struct Extent {
  int64_t low = 0, high = 0;            // shown, in the tile's pixels
  int64_t tile_low = 0, tile_high = 0;  // of it within the tile
  int64_t seen_low = 0, seen_high = 0;  // of that within the place
  int Size() const { return static_cast<int>(high - low); }
  bool AllSeen() const { return seen_low == tile_low && seen_high == tile_high; }
};

Extent Show(int64_t low, int64_t high, int64_t least, int64_t size) {
  Extent out{.low = low, .high = high};
  least = std::min(least, size);
  if (high - low >= size) {
    out.low = 0;
    out.high = size;
  } else if (high - low < least) {
    out.low = low - (least - (high - low)) / 2;
    out.high = out.low + least;
  }
  out.tile_low = std::clamp<int64_t>(out.low, 0, size);
  out.tile_high = std::clamp<int64_t>(out.high, out.tile_low, size);
  out.seen_low = std::clamp(low, out.tile_low, out.tile_high);
  out.seen_high = std::clamp(high, out.seen_low, out.tile_high);
  return out;
}

std::string Ascii(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xC0) == 0x80) continue;  // within a UTF-8 character
    out += byte >= 32 && byte < 127 ? c : '?';
  }
  return out;
}

}  // namespace

Tile CutPatch(const Tile& tile, const PatchPlace& place, int edge_px, int least_px) {
  if (place.top >= place.bottom || place.left >= place.right) {
    Fail(ErrorKind::kBadInput, "{}: rows {} to {}, columns {} to {} are no part of a tile",
         tile.name, place.top, place.bottom, place.left, place.right);
  }
  const Extent rows = Show(place.top, place.bottom, least_px, tile.height),
               columns = Show(place.left, place.right, least_px, tile.width);
  const auto box = [](int64_t left, int64_t top, int64_t right, int64_t bottom) {
    return cv::Rect(static_cast<int>(left), static_cast<int>(top), static_cast<int>(right - left),
                    static_cast<int>(bottom - top));
  };
  cv::Mat rgb;
  if (tile.channels == 1) {
    cv::cvtColor(View(tile), rgb, cv::COLOR_GRAY2RGB);
  } else {
    rgb = View(tile);
  }
  cv::Mat shown(rows.Size(), columns.Size(), CV_8UC3, kBeyond);
  if (rows.tile_low < rows.tile_high && columns.tile_low < columns.tile_high) {
    const cv::Mat part =
        rgb(box(columns.tile_low, rows.tile_low, columns.tile_high, rows.tile_high));
    part.copyTo(shown(box(columns.tile_low - columns.low, rows.tile_low - rows.low,
                          columns.tile_high - columns.low, rows.tile_high - rows.low)));
  }
  const double scale = static_cast<double>(edge_px) / std::max(shown.rows, shown.cols);
  const auto scaled_px = [scale](int64_t pixels) {
    return static_cast<int>(static_cast<double>(pixels) * scale);
  };
  cv::Mat scaled;
  cv::resize(shown, scaled,
             cv::Size(std::max(1, scaled_px(shown.cols)), std::max(1, scaled_px(shown.rows))), 0, 0,
             scale >= 1 ? cv::INTER_NEAREST : cv::INTER_AREA);
  if (!rows.AllSeen() || !columns.AllSeen()) {  // dark within light: seen on any ground
    const cv::Rect frame =
        box(scaled_px(columns.seen_low - columns.low), scaled_px(rows.seen_low - rows.low),
            scaled_px(columns.seen_high - columns.low), scaled_px(rows.seen_high - rows.low));
    cv::rectangle(scaled, frame, cv::Scalar(255, 255, 255), 3);
    cv::rectangle(scaled, frame, cv::Scalar(0, 0, 0), 1);
  }
  cv::Mat out(edge_px, edge_px, CV_8UC3, cv::Scalar(255, 255, 255));
  scaled.copyTo(out(cv::Rect((edge_px - scaled.cols) / 2, (edge_px - scaled.rows) / 2, scaled.cols,
                             scaled.rows)));
  return FromMat(out);
}

Tile DrawContactSheet(const std::vector<SheetRow>& rows, int columns) {
  ASSAY_CHECK(columns > 0);
  const auto title_px = [](const SheetRow& row) { return row.title.empty() ? 0 : kTitlePx; };
  int width = 0, height = 0, lines = 0, titles = 0;
  for (const SheetRow& row : rows) {
    for (const Tile& patch : row.patches) {
      if (width == 0) {
        width = patch.width;
        height = patch.height;
      }
      if (patch.width != width || patch.height != height || patch.channels != 3)
        Fail(ErrorKind::kBadInput, "patches of {} x {} and {} x {} pixels on one sheet", height,
             width, patch.height, patch.width);
    }
    lines += (static_cast<int>(row.patches.size()) + columns - 1) / columns;
    titles += title_px(row);
  }
  if (width == 0) Fail(ErrorKind::kBadInput, "a contact sheet without patches");
  cv::Mat sheet(
      2 * kMarginPx + static_cast<int>(rows.size()) * kGapPx + titles + lines * (height + kGapPx),
      2 * kMarginPx + columns * (width + kGapPx) - kGapPx, CV_8UC3, cv::Scalar(255, 255, 255));
  int top = kMarginPx;
  for (const SheetRow& row : rows) {
    if (!row.title.empty())
      cv::putText(sheet, Ascii(row.title), cv::Point(kMarginPx, top + kTitlePx - 8),
                  cv::FONT_HERSHEY_SIMPLEX, 0.5, cv::Scalar(28, 33, 39), 1, cv::LINE_AA);
    top += title_px(row);
    for (size_t i = 0; i < row.patches.size(); ++i) {
      const auto column = static_cast<int>(i) % columns;
      if (i > 0 && column == 0) top += height + kGapPx;
      View(row.patches[i])
          .copyTo(sheet(cv::Rect(kMarginPx + column * (width + kGapPx), top, width, height)));
    }
    top += (row.patches.empty() ? 0 : height + kGapPx) + kGapPx;
  }
  return FromMat(sheet);
}

}  // namespace assay::data
