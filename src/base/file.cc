#include "base/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/error.h"

namespace assay::base {
namespace fs = std::filesystem;

std::string ReadFile(const fs::path& path) {
  std::error_code code;
  if (!fs::is_regular_file(path, code)) {
    Fail(ErrorKind::kNotFound, "{}: no such file", path.string());
  }
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  if (in) out << in.rdbuf();
  // An empty file sets failbit on the output: that is no error.
  if (!in || in.bad())
    Fail(ErrorKind::kIo, "{}: reading failed: {}", path.string(), std::strerror(errno));
  return std::move(out).str();
}

nlohmann::json ReadJson(const fs::path& path) {
  const std::string text = ReadFile(path);
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    Fail(ErrorKind::kBadInput, "{}: not valid JSON: {}", path.string(), error.what());
  }
}

void WriteFile(const fs::path& path, std::string_view bytes) {
  std::error_code code;
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), code);
  if (code) {
    Fail(ErrorKind::kIo, "{}: cannot create the folder: {}", path.parent_path().string(),
         code.message());
  }
  const fs::path temporary = path.string() + fmt::format(".tmp{}", ::getpid());
  const auto fail = [&](const char* what) {
    const std::string reason = std::strerror(errno);
    ::unlink(temporary.c_str());
    Fail(ErrorKind::kIo, "{}: {}: {}", path.string(), what, reason);
  };
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) fail("cannot be opened for writing");
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t wrote = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      ::close(fd);
      fail("writing failed");
    }
    done += static_cast<size_t>(wrote);
  }
  if (::fsync(fd) != 0 || ::close(fd) != 0) fail("writing failed");
  if (::rename(temporary.c_str(), path.c_str()) != 0) fail("cannot be replaced");
}

bool IsUtf8(std::string_view bytes) {
  for (size_t i = 0; i < bytes.size();) {
    const auto byte = [&](size_t k) { return static_cast<unsigned char>(bytes[i + k]); };
    const unsigned char lead = byte(0);
    const size_t length = lead < 0x80                   ? 1
                          : lead >= 0xC2 && lead < 0xE0 ? 2
                          : (lead & 0xF0) == 0xE0       ? 3
                          : lead >= 0xF0 && lead < 0xF5 ? 4
                                                        : 0;
    if (length == 0 || i + length > bytes.size()) return false;
    for (size_t k = 1; k < length; ++k) {
      if ((byte(k) & 0xC0) != 0x80) return false;
    }
    if (length == 3 && lead == 0xE0 && byte(1) < 0xA0) return false;  // overlong
    if (length == 3 && lead == 0xED && byte(1) > 0x9F) return false;  // surrogate
    if (length == 4 && lead == 0xF0 && byte(1) < 0x90) return false;  // overlong
    if (length == 4 && lead == 0xF4 && byte(1) > 0x8F) return false;  // above U+10FFFF
    i += length;
  }
  return true;
}

}  // namespace assay::base
