// The report of a robustness evaluation in a run folder (docs/robustness-report.md), as the server
// hands it out: the document with the items that were tried on the page since, and the pictures
// that these name and no others. Thread-safe.
#pragma once

#include <filesystem>
#include <memory>
#include <set>
#include <string>

#include "serve/kept_reading.h"

namespace assay::serve {

struct ReportText {
  std::string json;                // the document; "tried": items that were added, oldest first
  std::set<std::string> pictures;  // "gallery/NAME.png"
};

class ServedReport {
 public:
  explicit ServedReport(std::filesystem::path folder) : folder_(std::move(folder)) {}

  bool exists() const;
  // As it is now, or was a moment ago. Throws kNotFound without one, kBadInput when it is no JSON
  // object.
  std::shared_ptr<const ReportText> Read() const;
  // Adds an item: {"model", "data" (the hashes of the report that it belongs to), "created_at",
  // "item" (docs/robustness-report.md)}, into tried/NAME.json; one of the same name is replaced.
  // The report itself stays what the evaluation wrote. The next Read has it. Throws kIo.
  void AddTried(const Json& tried) const;
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
