#include "data/array_samples.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <cmath>

#include "base/error.h"

namespace assay::data {

NumberSpan SpanOf(double largest, bool is_float, int64_t item_bytes) {
  if (is_float && largest <= 1) return NumberSpan::kUnit;
  if (!is_float && item_bytes == 2 && largest > 255) return NumberSpan::kWords;
  return NumberSpan::kBytes;
}

ArrayLayout LayoutOf(const std::vector<int64_t>& shape, const std::string& name) {
  const auto fits = [](int64_t channels) {
    return channels == 1 || channels == 3 || channels == 4;
  };
  const auto size = [](int64_t pixels) { return pixels > 0 && pixels < (1 << 20); };
  const bool rank = shape.size() == 3 || shape.size() == 4;
  if (rank && shape.size() == 3 && size(shape[1]) && size(shape[2]))
    return {static_cast<int>(shape[1]), static_cast<int>(shape[2]), 1, false};
  if (rank && shape.size() == 4 && fits(shape[3]) && size(shape[1]) && size(shape[2]))
    return {static_cast<int>(shape[1]), static_cast<int>(shape[2]), static_cast<int>(shape[3]),
            false};
  if (rank && shape.size() == 4 && fits(shape[1]) && size(shape[2]) && size(shape[3]))
    return {static_cast<int>(shape[2]), static_cast<int>(shape[3]), static_cast<int>(shape[1]),
            true};
  base::Fail(base::ErrorKind::kBadInput,
             "{}: has the shape [{}]; expected images [n, H, W], [n, H, W, C] or [n, C, H, W] with "
             "1, 3 or 4 channels",
             name, fmt::join(shape, ", "));
}

RawTile ToRawTile(const std::vector<double>& numbers, const ArrayLayout& layout, NumberSpan span) {
  const double most = span == NumberSpan::kWords ? 65535 : span == NumberSpan::kUnit ? 1 : 255;
  const double scale = span == NumberSpan::kUnit ? 255 : 1;
  RawTile raw{.height = layout.height,
              .width = layout.width,
              .channels = layout.channels,
              .bits = span == NumberSpan::kWords ? 16 : 8};
  const auto pixels = static_cast<size_t>(layout.height) * static_cast<size_t>(layout.width);
  const auto channels = static_cast<size_t>(layout.channels);
  ASSAY_CHECK(numbers.size() == pixels * channels);
  raw.samples.resize(numbers.size());
  for (size_t i = 0; i < pixels; ++i) {
    for (size_t c = 0; c < channels; ++c) {
      const double number = numbers[layout.channels_first ? c * pixels + i : i * channels + c];
      if (!(number >= 0 && number <= most)) {
        throw TileError(TileProblemKind::kUnreadable,
                        fmt::format("the value {} at pixel {}; expected 0 to {}", number, i, most));
      }
      const double value = std::round(number * scale);
      if (std::abs(value - number * scale) > 1e-3) raw.rounded = true;
      raw.samples[i * channels + c] = static_cast<uint16_t>(value);
    }
  }
  return raw;
}

}  // namespace assay::data
