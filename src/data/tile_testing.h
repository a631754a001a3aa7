// For tests: tiles of random pixels, image files of unusual kinds, archives.
#pragma once

#include <gtest/gtest.h>
#include <zip.h>

#include <map>
#include <opencv2/imgcodecs.hpp>
#include <string>
#include <vector>

#include "base/rng.h"
#include "data/tile_image.h"

namespace assay::data {

inline Tile RandomTile(int height, int width, int channels, uint64_t seed) {
  Tile tile;
  tile.height = height;
  tile.width = width;
  tile.channels = channels;
  base::Rng rng(seed, "random tile");
  for (int i = 0; i < height * width * channels; ++i)
    tile.pixels.push_back(static_cast<uint8_t>(rng.Below(256)));
  return tile;
}

inline std::string EncodeMat(const cv::Mat& image, const std::string& extension = ".png") {
  std::vector<uchar> bytes;
  EXPECT_TRUE(cv::imencode(extension, image, bytes));
  return {bytes.begin(), bytes.end()};
}

// An 8x8 JPEG of four components, all of one value, made from OpenCV's grey one.
inline std::string CmykJpeg() {
  const std::string grey = EncodeMat(cv::Mat(8, 8, CV_8U, cv::Scalar(128)), ".jpg");
  const size_t frame = grey.find("\xFF\xC0"), scan = grey.find("\xFF\xDA");
  EXPECT_NE(frame, std::string::npos);
  std::string out = grey.substr(0, frame);
  out += std::string("\xFF\xC0\x00\x14\x08\x00\x08\x00\x08\x04", 10);
  for (char id = 1; id <= 4; ++id) out += {id, 0x11, 0};
  const size_t after = frame + 2 + static_cast<uint8_t>(grey[frame + 3]);
  out += grey.substr(after, scan - after);
  out += std::string("\xFF\xDA\x00\x0E\x04", 5);
  for (char id = 1; id <= 4; ++id) out += {id, 0};
  out += std::string("\x00\x3F\x00", 3);
  out += "\x28\xA2\x8A";  // four times: no difference (00), end of block (1010)
  return out + "\xFF\xD9";
}

// A version 1 .npy file. `elements` are its raw bytes.
inline std::string Npy(const std::string& type, const std::string& shape,
                       const std::string& elements) {
  std::string header =
      "{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }";
  while ((10 + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  std::string out = std::string("\x93NUMPY\x01\x00", 8);
  out += static_cast<char>(header.size() & 0xFF);
  out += static_cast<char>(header.size() >> 8);
  return out + header + elements;
}

template <typename T>
std::string RawBytes(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

inline void WriteZip(const std::string& path, const std::map<std::string, std::string>& members) {
  int code = 0;
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  ASSERT_NE(archive, nullptr);
  for (const auto& [name, bytes] : members) {
    zip_source_t* source = zip_source_buffer(archive, bytes.data(), bytes.size(), 0);
    ASSERT_GE(zip_file_add(archive, name.c_str(), source, 0), 0);
  }
  ASSERT_EQ(zip_close(archive), 0);
}

}  // namespace assay::data
