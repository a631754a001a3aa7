// The report of a robustness evaluation in a run folder (docs/robustness-report.md), as the server
// hands it out: the document, and the pictures that it names and no others. Thread-safe.
#pragma once

#include <filesystem>
#include <memory>
#include <set>
#include <string>

#include "serve/kept_reading.h"

namespace assay::serve {

struct ReportText {
  std::string json;                // the document
  std::set<std::string> pictures;  // "gallery/NAME.png"
};

class ServedReport {
 public:
  explicit ServedReport(std::filesystem::path folder) : folder_(std::move(folder)) {}

  bool exists() const;
  // As it is now, or was a moment ago. Throws kNotFound without one, kBadInput when it is no JSON
  // object.
  std::shared_ptr<const ReportText> Read() const;
  // The bytes of a PNG that the report names as "folder/file". Throws kNotFound for any other name,
  // for a file that is missing or is a link out of the run, kBadInput when it is no PNG.
  std::string Picture(const std::string& folder, const std::string& file) const;

 private:
  std::filesystem::path folder_;
  mutable KeptReading<ReportText> kept_;
};

// The pictures that a report names: every text in it of the form FOLDER/FILE.png, both of letters,
// digits, '-', '_' and '.', neither starting with '.'.
std::set<std::string> PicturesOf(const Json& report);

}  // namespace assay::serve
