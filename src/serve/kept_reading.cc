#include "serve/kept_reading.h"

#include <sys/stat.h>

namespace assay::serve {

FileStamp StampOf(const std::filesystem::path& path) {
  struct stat file {};
  if (::stat(path.c_str(), &file) != 0) return {};
  return {.file = file.st_ino,
          .written = int64_t{file.st_mtim.tv_sec} * 1'000'000'000 + file.st_mtim.tv_nsec};
}

}  // namespace assay::serve
