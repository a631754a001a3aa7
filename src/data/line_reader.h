// Reads a file line by line with bounded memory, however long its lines are. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace assay::data {

class LineReader {
 public:
  // Throws kNotFound if the path is no regular file, kIo if it cannot be opened. A UTF-8 byte order
  // mark is left out.
  explicit LineReader(const std::filesystem::path& path);

  struct Line {
    std::string text;        // without its end ("\n" or "\r\n")
    int64_t number = 0;      // from 1
    bool cut_short = false;  // it was longer than max_bytes; the rest of it is passed over
  };

  // Whether there was another line; `line` is filled with at most max_bytes of it. Throws kIo
  // naming the file.
  bool Next(Line& line, size_t max_bytes);

 private:
  bool Fill();

  std::filesystem::path path_;
  std::ifstream in_;
  std::vector<char> buffer_;
  size_t begin_ = 0, end_ = 0;  // unread part of the buffer
  int64_t lines_ = 0;
};

}  // namespace assay::data
