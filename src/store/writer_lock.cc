#include "store/writer_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/error.h"

namespace assay::store {
namespace {

// "" when the holder has not written its id yet.
std::string HolderOf(int descriptor) {
  char digits[32];
  const ssize_t count = ::pread(descriptor, digits, sizeof(digits), 0);
  return count > 0 ? fmt::format(" (process {})", std::string(digits, static_cast<size_t>(count)))
                   : "";
}

}  // namespace

// The lock is not on assay.db itself: SQLite has its own locks there, which closing any descriptor
// would drop.
WriterLock::WriterLock(const std::filesystem::path& folder) {
  const std::string path = (folder / "assay.lock").string();
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0) {
    base::Fail(base::ErrorKind::kIo, "{}: cannot be opened for writing: {}", path,
               std::strerror(errno));
  }
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    const int code = errno;
    const std::string holder = code == EWOULDBLOCK ? HolderOf(descriptor_) : "";
    ::close(descriptor_);
    if (code == EWOULDBLOCK) {
      base::Fail(base::ErrorKind::kIo, "{}: run is being written by another process{}",
                 folder.string(), holder);
    }
    base::Fail(base::ErrorKind::kIo, "{}: cannot be locked: {}", path, std::strerror(code));
  }
  // Only the message to others depends on this: a full disk must not keep a finished run from being
  // opened.
  const std::string own_id = std::to_string(::getpid());
  if (::ftruncate(descriptor_, 0) == 0) {
    [[maybe_unused]] const ssize_t written = ::pwrite(descriptor_, own_id.data(), own_id.size(), 0);
  }
}

WriterLock::~WriterLock() { ::close(descriptor_); }

}  // namespace assay::store
