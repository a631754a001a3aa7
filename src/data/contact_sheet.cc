#include "data/contact_sheet.h"

#include <algorithm>
#include <opencv2/imgproc.hpp>

#include "base/error.h"

namespace assay::data {

using base::ErrorKind;
using base::Fail;

namespace {

constexpr int kGapPx = 4, kMarginPx = 12, kTitlePx = 26;

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

// [low, high) widened to `least` where the tile has room for it.
void Widen(int64_t& low, int64_t& high, int64_t least, int64_t size) {
  const int64_t missing = std::min(least, size) - (high - low);
  if (missing <= 0) return;
  low = std::clamp<int64_t>(low - missing / 2, 0, size - std::min(least, size));
  high = low + std::min(least, size);
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
  if (place.top < 0 || place.left < 0 || place.bottom > tile.height || place.right > tile.width ||
      place.top >= place.bottom || place.left >= place.right) {
    Fail(ErrorKind::kBadInput, "{}: rows {} to {}, columns {} to {} are no part of {} x {} pixels",
         tile.name, place.top, place.bottom, place.left, place.right, tile.height, tile.width);
  }
  PatchPlace shown = place;
  Widen(shown.top, shown.bottom, least_px, tile.height);
  Widen(shown.left, shown.right, least_px, tile.width);
  const auto rows = static_cast<int>(shown.bottom - shown.top),
             columns = static_cast<int>(shown.right - shown.left);
  cv::Mat part = View(tile)(
      cv::Rect(static_cast<int>(shown.left), static_cast<int>(shown.top), columns, rows));
  cv::Mat rgb;
  if (tile.channels == 1) {
    cv::cvtColor(part, rgb, cv::COLOR_GRAY2RGB);
  } else {
    rgb = part;
  }
  const double scale = static_cast<double>(edge_px) / std::max(rows, columns);
  cv::Mat scaled;
  cv::resize(rgb, scaled,
             cv::Size(std::max(1, static_cast<int>(columns * scale)),
                      std::max(1, static_cast<int>(rows * scale))),
             0, 0, scale >= 1 ? cv::INTER_NEAREST : cv::INTER_AREA);
  const bool whole = shown.top == place.top && shown.left == place.left &&
                     shown.bottom == place.bottom && shown.right == place.right;
  if (!whole) {  // dark within light: seen on any ground
    const auto at = [&](int64_t pixels) {
      return static_cast<int>(static_cast<double>(pixels) * scale);
    };
    const cv::Rect frame(at(place.left - shown.left), at(place.top - shown.top),
                         at(place.right - place.left), at(place.bottom - place.top));
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
