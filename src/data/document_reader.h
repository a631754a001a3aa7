// The documents of one file, in order, with bounded memory. TextCorpus puts the files together.
// Not thread-safe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace assay::data {

enum class ProblemKind {
  kUnreadable,  // the file cannot be opened or read
  kNotUtf8,
  kEmpty,      // no text but white space
  kMalformed,  // a line that is no JSON object with a string `text`
  kTooLong,    // a document over the limit, cut there; a JSON line over the limit, left out
};
std::string_view ProblemKindName(ProblemKind kind);  // "unreadable", "not UTF-8", ...

// Something in the input that was left out or cut.
struct CorpusProblem {
  std::filesystem::path file;
  int64_t line = 0;  // from 1; 0: the file as a whole
  ProblemKind kind = ProblemKind::kUnreadable;
  std::string reason;
};
std::string ToString(const CorpusProblem& problem);  // "a/b.jsonl:12: not UTF-8: ..."
using ProblemReporter = std::function<void(const CorpusProblem&)>;

struct RawDocument {
  std::string text;   // UTF-8, at most the limit
  int64_t index = 0;  // among all documents of its file, problems and duplicates counted, from 0
  int64_t line = 0;   // at which it begins, from 1
};

enum class FileFormat {
  kJsonLines,       // an object with a string `text` on every line
  kTextParagraphs,  // documents are separated by blank lines
  kTextWhole,       // the file is one document
};

class DocumentReader {
 public:
  virtual ~DocumentReader() = default;
  // Whether there was another usable document. Whatever is left out on the way is reported. Throws
  // kIo.
  virtual bool Next(RawDocument& document) = 0;
};

// The reader keeps `report`. A text file that is not UTF-8 throughout is reported once and has no
// documents; JSON lines are judged one by one. Throws kNotFound or kIo when the file cannot be
// opened.
std::unique_ptr<DocumentReader> OpenDocuments(const std::filesystem::path& file, FileFormat format,
                                              size_t max_document_bytes, ProblemReporter report);

}  // namespace assay::data
