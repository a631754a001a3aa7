// Readings of files that others may be writing. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <memory>
#include <mutex>

#include "serve/http.h"

namespace assay::serve {

// Which state of a file something was read from.
struct FileStamp {
  uint64_t file = 0;             // changes when the file is replaced by another one
  int64_t written = 0, log = 0;  // when it was changed, and a database's log
  auto operator<=>(const FileStamp&) const = default;
};

FileStamp StampOf(const std::filesystem::path& path);  // zeros when it does not exist

// Something read from a file, kept until the file has changed: read again at most every second, and
// for at most a twentieth of the time, so that a run that is being written does not keep the server
// busy. While one thread reads it again the others get the old one.
template <typename T>
class KeptReading {
 public:
  template <typename Stamp, typename Read>
  std::shared_ptr<const T> Get(Stamp&& stamp, Read&& read) {
    std::unique_lock lock(mutex_);
    const FileStamp now = stamp();
    // Nothing to give meanwhile.
    while (!kept_ || now.file != stamp_.file || had_ < wanted_) {
      if (!reading_) return ReadAgain(lock, now, read);
      changed_.wait(lock);
    }
    if (now == stamp_ || reading_ || std::chrono::steady_clock::now() < next_) return kept_;
    return ReadAgain(lock, now, read);
  }

  // Whoever asks from now on waits for a fresh reading: for changes that this process made.
  void Expire() {
    const std::lock_guard lock(mutex_);
    ++wanted_;
  }

 private:
  template <typename Read>
  std::shared_ptr<const T> ReadAgain(std::unique_lock<std::mutex>& lock, const FileStamp& now,
                                     Read& read) {
    reading_ = true;
    const int64_t wanted = wanted_;
    lock.unlock();
    const auto start = std::chrono::steady_clock::now();
    std::shared_ptr<const T> fresh;
    std::exception_ptr failure;
    try {
      fresh = std::make_shared<const T>(read());
    } catch (...) {
      failure = std::current_exception();
    }
    const auto end = std::chrono::steady_clock::now();
    lock.lock();
    reading_ = false;
    changed_.notify_all();
    if (failure) std::rethrow_exception(failure);
    kept_ = fresh;
    had_ = wanted;
    stamp_ = now;
    next_ = end + std::chrono::seconds(1) + 20 * (end - start);
    return fresh;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool reading_ = false;
  int64_t wanted_ = 0, had_ = 0;  // how often it was expired, and was when kept_ was read
  std::shared_ptr<const T> kept_;
  FileStamp stamp_;
  std::chrono::steady_clock::time_point next_;
};

}  // namespace assay::serve
