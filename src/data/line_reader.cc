#include "data/line_reader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/error.h"

namespace assay::data {
namespace {

using base::ErrorKind;
using base::Fail;

constexpr size_t kBufferBytes = 1 << 16;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

LineReader::LineReader(const std::filesystem::path& path) : path_(path), buffer_(kBufferBytes) {
  std::error_code code;
  if (!std::filesystem::is_regular_file(path, code)) {
    Fail(ErrorKind::kNotFound, "{}: no such file", path.string());
  }
  in_.open(path, std::ios::binary);
  if (!in_) Fail(ErrorKind::kIo, "{}: cannot be opened: {}", path.string(), std::strerror(errno));
  if (Fill() && std::string_view(buffer_.data(), end_).starts_with(kByteOrderMark)) {
    begin_ = kByteOrderMark.size();
  }
}

bool LineReader::Fill() {
  in_.read(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
  begin_ = 0;
  end_ = static_cast<size_t>(in_.gcount());
  if (in_.bad()) {
    Fail(ErrorKind::kIo, "{}: reading failed after line {}", path_.string(), lines_);
  }
  return end_ > 0;
}

bool LineReader::Next(Line& line, size_t max_bytes) {
  line.text.clear();
  line.cut_short = false;
  bool any = false;
  for (;;) {
    if (begin_ == end_ && !Fill()) break;
    any = true;
    const char* const from = buffer_.data() + begin_;
    const auto* const newline = static_cast<const char*>(std::memchr(from, '\n', end_ - begin_));
    const size_t length = newline ? static_cast<size_t>(newline - from) : end_ - begin_;
    const size_t taken = std::min(length, max_bytes - line.text.size());
    line.text.append(from, taken);
    if (taken < length) line.cut_short = true;
    begin_ += length + (newline ? 1 : 0);
    if (newline) break;
  }
  if (!any) return false;
  line.number = ++lines_;
  if (!line.cut_short && line.text.ends_with('\r')) line.text.pop_back();
  return true;
}

}  // namespace assay::data
