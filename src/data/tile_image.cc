#include "data/tile_image.h"

#include <fmt/core.h>

#include <algorithm>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "base/error.h"

namespace assay::data {
namespace {

using Kind = TileProblemKind;

uint8_t ByteAt(std::string_view bytes, size_t at) { return static_cast<uint8_t>(bytes[at]); }
uint32_t BigEndian(std::string_view bytes, size_t at, int count) {
  uint32_t value = 0;
  for (int i = 0; i < count; ++i) value = value << 8 | ByteAt(bytes, at + static_cast<size_t>(i));
  return value;
}

constexpr std::string_view kPng = "\x89PNG\r\n\x1a\n";

// Whether the chunks reach IEND. Decoders give out what they have of a cut file.
void CheckPng(std::string_view bytes) {
  for (size_t at = kPng.size(); at + 12 <= bytes.size();) {
    const size_t length = BigEndian(bytes, at, 4);
    if (bytes.substr(at + 4, 4) == "IEND") return;
    if (length > bytes.size() - at - 12) break;
    at += 12 + length;
  }
  throw TileError(
      Kind::kTruncated,
      fmt::format("the PNG file ends after {} bytes, before its end marker", bytes.size()));
}

// Components of the frame, and whether the end marker is there.
void CheckJpeg(std::string_view bytes) {
  const auto cut = [&] {
    return TileError(
        Kind::kTruncated,
        fmt::format("the JPEG file ends after {} bytes, before its end marker", bytes.size()));
  };
  for (size_t at = 2; at + 4 <= bytes.size();) {
    if (ByteAt(bytes, at) != 0xFF)
      throw TileError(Kind::kTruncated, fmt::format("damaged at byte {}: no JPEG marker", at));
    const uint8_t marker = ByteAt(bytes, at + 1);
    if (marker == 0xFF) {  // fill
      ++at;
      continue;
    }
    const size_t length = BigEndian(bytes, at + 2, 2);
    const bool frame =
        marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (frame && at + 10 <= bytes.size() && ByteAt(bytes, at + 9) == 4)
      throw TileError(Kind::kCmyk, "a JPEG of four inks, whose colours depend on a profile");
    if (marker == 0xDA) {  // the scans; the last bytes must be the end marker, but for padding
      size_t end = bytes.size();
      while (end > at && ByteAt(bytes, end - 1) == 0) --end;
      if (bytes.substr(at, end - at).rfind("\xFF\xD9") == std::string_view::npos) throw cut();
      return;
    }
    at += 2 + length;
  }
  throw cut();
}

// TIFF: photometric 5 is separated inks. Only the first directory is looked at.
void CheckTiff(std::string_view bytes) {
  const bool big = bytes[0] == 'M';
  const auto number = [&](size_t at, int count) -> uint32_t {
    if (at + static_cast<size_t>(count) > bytes.size())
      throw TileError(
          Kind::kTruncated,
          fmt::format("the TIFF file ends after {} bytes, within its directory", bytes.size()));
    if (big) return BigEndian(bytes, at, count);
    uint32_t value = 0;
    for (int i = count; i-- > 0;) value = value << 8 | ByteAt(bytes, at + static_cast<size_t>(i));
    return value;
  };
  if (number(2, 2) != 42) return;  // BigTIFF: left to the decoder
  const size_t directory = number(4, 4);
  const uint32_t entries = number(directory, 2);
  for (uint32_t i = 0; i < entries; ++i) {
    const size_t at = directory + 2 + 12 * static_cast<size_t>(i);
    if (number(at, 2) == 262 && number(at + 8, 2) == 5)
      throw TileError(Kind::kCmyk, "a TIFF of separated inks, whose colours depend on a profile");
  }
}

bool IsPng(std::string_view bytes) { return bytes.starts_with(kPng); }
bool IsJpeg(std::string_view bytes) { return bytes.starts_with("\xFF\xD8"); }
bool IsTiff(std::string_view bytes) { return bytes.starts_with("II") || bytes.starts_with("MM"); }

cv::Mat View(std::string_view bytes) {
  // OpenCV takes no pointer to const; decoding does not write.
  return cv::Mat(1, static_cast<int>(bytes.size()), CV_8U, const_cast<char*>(bytes.data()));
}

cv::Mat Decode(std::string_view bytes) {
  if (bytes.empty()) throw TileError(Kind::kTruncated, "the file is empty");
  if (IsPng(bytes)) {
    CheckPng(bytes);
  } else if (IsJpeg(bytes)) {
    CheckJpeg(bytes);
  } else if (bytes.size() >= 8 && IsTiff(bytes)) {
    CheckTiff(bytes);
  }
  cv::Mat image;
  try {
    image = cv::imdecode(View(bytes), cv::IMREAD_UNCHANGED);
  } catch (const cv::Exception& error) {
    throw TileError(Kind::kUnreadable, fmt::format("cannot be decoded: {}", error.err));
  }
  if (image.empty()) {
    const bool known = IsPng(bytes) || IsJpeg(bytes) || IsTiff(bytes);
    throw TileError(
        known ? Kind::kTruncated : Kind::kUnreadable,
        known ? "the file is damaged: it does not decode" : "no image in a format that is known");
  }
  return image;
}

// Grey with alpha decodes as BGRA with equal colours, which needs no case of its own.
RawTile ToRaw(const cv::Mat& image) {
  const int channels = image.channels();
  if (channels != 1 && channels != 3 && channels != 4)
    throw TileError(Kind::kUnreadable, fmt::format("{} channels; expected 1, 3 or 4", channels));
  if (image.depth() != CV_8U && image.depth() != CV_16U)
    throw TileError(Kind::kUnreadable, "samples are neither 8 nor 16 bit whole numbers");
  cv::Mat wide;
  image.convertTo(wide, CV_16U);
  RawTile raw{.height = image.rows,
              .width = image.cols,
              .channels = channels,
              .bits = image.depth() == CV_8U ? 8 : 16};
  raw.samples.resize(wide.total() * static_cast<size_t>(channels));
  for (int y = 0; y < wide.rows; ++y) {
    const auto* row = wide.ptr<uint16_t>(y);
    uint16_t* out =
        raw.samples.data() + static_cast<size_t>(y) * static_cast<size_t>(wide.cols * channels);
    std::copy(row, row + wide.cols * channels, out);
    if (channels >= 3) {
      for (int x = 0; x < wide.cols; ++x) std::swap(out[x * channels], out[x * channels + 2]);
    }
  }
  return raw;
}

// The samples in 8 bit: [height, width, channels].
std::vector<uint8_t> ToBytes(const RawTile& raw, std::vector<TileProblem>* problems) {
  std::vector<uint8_t> out(raw.samples.size());
  if (raw.bits == 8) {
    std::copy(raw.samples.begin(), raw.samples.end(), out.begin());
    if (raw.rounded)
      problems->push_back({"", Kind::kDeepColour, false, "fractional values; rounded to 8 bit"});
    return out;
  }
  problems->push_back({"", Kind::kDeepColour, false, "16 bit; divided by 257 and rounded"});
  std::transform(raw.samples.begin(), raw.samples.end(), out.begin(),
                 [](uint16_t value) { return static_cast<uint8_t>((value + 128) / 257); });
  return out;
}

// Lays the colours over white and drops the alpha channel. Returns the channels left.
int LayOverWhite(std::vector<uint8_t>& pixels, int channels, std::vector<TileProblem>* problems) {
  const int colours = channels - 1;
  const auto pixels_count = pixels.size() / static_cast<size_t>(channels);
  bool opaque = true;
  std::vector<uint8_t> out(pixels_count * static_cast<size_t>(colours));
  for (size_t i = 0; i < pixels_count; ++i) {
    const uint8_t* from = &pixels[i * static_cast<size_t>(channels)];
    const int alpha = from[colours];
    opaque = opaque && alpha == 255;
    for (int c = 0; c < colours; ++c) {
      out[i * static_cast<size_t>(colours) + static_cast<size_t>(c)] =
          static_cast<uint8_t>((from[c] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
  }
  pixels = std::move(out);
  problems->push_back(
      {"", Kind::kAlpha, false,
       opaque ? "an opaque alpha channel; dropped" : "an alpha channel; laid over white"});
  return colours;
}

void ToGrey(std::vector<uint8_t>& pixels) {
  for (size_t i = 0; i < pixels.size() / 3; ++i) {
    if (pixels[3 * i] != pixels[3 * i + 1] || pixels[3 * i] != pixels[3 * i + 2])
      throw TileError(Kind::kColour, "coloured; expected a grey tile");
    pixels[i] = pixels[3 * i];
  }
  pixels.resize(pixels.size() / 3);
}

void ToRgb(std::vector<uint8_t>& pixels, std::vector<TileProblem>* problems) {
  std::vector<uint8_t> out(3 * pixels.size());
  for (size_t i = 0; i < out.size(); ++i) out[i] = pixels[i / 3];
  pixels = std::move(out);
  problems->push_back({"", Kind::kGrey, false, "one grey channel; repeated to three"});
}

void Resize(Tile& tile, int height, int width) {
  const cv::Mat from(tile.height, tile.width, CV_8UC(tile.channels), tile.pixels.data());
  cv::Mat to;
  const bool shrinks = height <= tile.height && width <= tile.width;
  cv::resize(from, to, cv::Size(width, height), 0, 0, shrinks ? cv::INTER_AREA : cv::INTER_LINEAR);
  tile.pixels.assign(to.datastart, to.dataend);
  tile.height = height;
  tile.width = width;
}

std::string Encoded(const char* extension, const cv::Mat& image, const std::vector<int>& options) {
  std::vector<uchar> bytes;
  ASSAY_CHECK(cv::imencode(extension, image, bytes, options));
  return {bytes.begin(), bytes.end()};
}

// OpenCV's order of channels.
cv::Mat ToMat(const Tile& tile) {
  ASSAY_CHECK(tile.channels == 1 || tile.channels == 3);
  ASSAY_CHECK(tile.pixels.size() ==
              static_cast<size_t>(tile.height) * static_cast<size_t>(tile.width * tile.channels));
  const cv::Mat view(tile.height, tile.width, CV_8UC(tile.channels),
                     const_cast<uint8_t*>(tile.pixels.data()));
  if (tile.channels == 1) return view.clone();
  cv::Mat image;
  cv::cvtColor(view, image, cv::COLOR_RGB2BGR);
  return image;
}

}  // namespace

RawTile DecodeImage(std::string_view bytes) { return ToRaw(Decode(bytes)); }

Tile ConvertTile(const RawTile& raw, const TileShape& shape, std::vector<TileProblem>* problems) {
  const bool fits = (shape.height == 0 || raw.height == shape.height) &&
                    (shape.width == 0 || raw.width == shape.width);
  if (!fits && !shape.resize) {
    throw TileError(Kind::kWrongSize,
                    fmt::format("{}x{} pixels (height, width); expected {}x{}", raw.height,
                                raw.width, shape.height, shape.width));
  }
  Tile tile;
  tile.height = raw.height;
  tile.width = raw.width;
  tile.channels = raw.channels;
  tile.pixels = ToBytes(raw, problems);
  if (tile.channels == 2 || tile.channels == 4)
    tile.channels = LayOverWhite(tile.pixels, tile.channels, problems);
  if (tile.channels != shape.channels) {
    if (shape.channels == 1) {
      ToGrey(tile.pixels);
    } else {
      ToRgb(tile.pixels, problems);
    }
    tile.channels = shape.channels;
  }
  if (!fits) {
    problems->push_back({"", Kind::kWrongSize, false,
                         fmt::format("{}x{} pixels; resized to {}x{}", raw.height, raw.width,
                                     shape.height, shape.width)});
    Resize(tile, shape.height == 0 ? raw.height : shape.height,
           shape.width == 0 ? raw.width : shape.width);
  }
  return tile;
}

std::string EncodePng(const Tile& tile) { return Encoded(".png", ToMat(tile), {}); }

std::string EncodeJpeg(const Tile& tile, int quality) {
  ASSAY_CHECK(quality >= 1 && quality <= 100);
  return Encoded(".jpg", ToMat(tile), {cv::IMWRITE_JPEG_QUALITY, quality});
}

std::string EncodeLabelMap(const std::vector<uint16_t>& labels, int height, int width) {
  ASSAY_CHECK(labels.size() == static_cast<size_t>(height) * static_cast<size_t>(width));
  return Encoded(".png", cv::Mat(height, width, CV_16U, const_cast<uint16_t*>(labels.data())), {});
}

LabelMap DecodeLabelMap(std::string_view bytes) {
  RawTile raw = DecodeImage(bytes);
  if (raw.channels != 1)
    throw TileError(Kind::kUnreadable,
                    fmt::format("{} channels; a label map has one", raw.channels));
  return {raw.height, raw.width, std::move(raw.samples)};
}

}  // namespace assay::data
