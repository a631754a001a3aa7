// The folder that `assay robust study make` writes for observers: pairs of pictures, one of each
// altered. The server shows the pairs and keeps answers in the form that `assay robust study score`
// reads; it never sees the key, so nothing here tells which picture was altered. Thread-safe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "serve/kept_reading.h"

namespace assay::serve {

class PairStudy {
 public:
  struct Facts {
    std::string name;  // "study-1a2b3c4d", which answers carry
    int pairs = 0;
  };
  struct Answer {
    int pair = 0;    // from 1
    int choice = 0;  // 1 or 2: the picture that was taken for the altered one
    int64_t milliseconds = 0;
    std::string person;  // may be empty
  };

  explicit PairStudy(std::filesystem::path folder) : folder_(std::move(folder)) {}

  bool exists() const;  // study.html and the first pair
  // Throws kNotFound without a study, kBadInput when study.html does not name it.
  Facts Read() const;
  // The PNG of a side, 1 or 2. Throws kNotFound.
  std::string Picture(int pair, int side) const;
  // The pairs that a session has answered, in the order of answering. Throws kUsage for a session
  // that is not 8 to 40 letters and digits.
  std::vector<int> Answered(const std::string& session) const;
  // Appends to answers/STUDY-SESSION.csv. Throws kUsage for a pair or choice that does not exist, a
  // pair that the session has answered before, and a person with commas, quotes or control
  // characters; kIo when it cannot be written.
  void Keep(const std::string& session, const Answer& answer);

 private:
  std::filesystem::path FileOf(const std::string& session) const;

  std::filesystem::path folder_;
  mutable KeptReading<Facts> kept_;
  mutable std::mutex mutex_;  // of the files with answers
};

}  // namespace assay::serve
