#include "data/document_reader.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "data/line_reader.h"

namespace assay::data {
namespace {

constexpr std::string_view kWhiteSpace = " \t\n\r\v\f";

bool IsBlank(std::string_view text) { return text.find_first_not_of(kWhiteSpace) == text.npos; }

// Cuts the text to at most `size` bytes, at the end of a character.
void CutAtCharacter(std::string& text, size_t size) {
  if (text.size() <= size) return;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  text.resize(size);
}

// Removes what a cut line may end with: the first bytes of a character.
void DropPartialCharacter(std::string& text) {
  for (size_t back = 1; back <= std::min<size_t>(3, text.size()); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xC0) == 0x80) continue;
    const size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
    if (length > back) text.resize(text.size() - back);
    return;
  }
}

// Text files: lines are gathered into documents.
class TextReader : public DocumentReader {
 public:
  TextReader(const std::filesystem::path& file, bool whole, size_t max_bytes,
             ProblemReporter report)
      : file_(file),
        lines_(file),
        whole_(whole),
        max_bytes_(max_bytes),
        report_(std::move(report)) {
    if (!CheckEncoding()) done_ = true;
  }

  bool Next(RawDocument& document) override {
    bool cut = false;
    if (!done_ && Gather(document, cut)) {
      document.index = documents_++;
      if (cut) {
        report_({file_, document.line, ProblemKind::kTooLong,
                 fmt::format("document cut after {} bytes; the limit is {}", document.text.size(),
                             max_bytes_)});
      }
      return true;
    }
    if (documents_ == 0 && !rejected_) {
      report_({file_, 0, ProblemKind::kEmpty, "the file holds no text"});
      rejected_ = true;  // said once
    }
    return false;
  }

 private:
  // Whether the rest of the file holds a document: its lines up to the next blank one, or all.
  bool Gather(RawDocument& document, bool& cut) {
    document.text.clear();
    bool started = false;
    while (lines_.Next(line_, max_bytes_)) {
      const bool blank = IsBlank(line_.text);
      if (blank && !started) continue;
      if (blank && !whole_) return true;
      if (!started) document.line = line_.number;
      Append(document.text, started, cut);
      started = true;
    }
    done_ = true;
    while (document.text.ends_with('\n')) document.text.pop_back();
    return started;
  }

  void Append(std::string& text, bool started, bool& cut) {
    if (cut) return;
    if (started) text += '\n';
    text += line_.text;
    if (line_.cut_short) DropPartialCharacter(text);
    cut = line_.cut_short || text.size() > max_bytes_;
    CutAtCharacter(text, max_bytes_);
  }

  // A pass of its own, so that a file in another encoding gives no documents at all rather than
  // those of its lines that happen to be ASCII. Of a line over the limit, what a document could
  // hold is checked.
  bool CheckEncoding() {
    LineReader lines(file_);
    LineReader::Line line;
    while (lines.Next(line, max_bytes_)) {
      if (line.cut_short) DropPartialCharacter(line.text);
      if (base::IsUtf8(line.text)) continue;
      report_({file_, line.number, ProblemKind::kNotUtf8, "the file is left out"});
      rejected_ = true;
      return false;
    }
    return true;
  }

  std::filesystem::path file_;
  LineReader lines_;
  LineReader::Line line_;
  bool whole_;
  size_t max_bytes_;
  ProblemReporter report_;
  int64_t documents_ = 0;
  bool done_ = false, rejected_ = false;
};

class JsonLinesReader : public DocumentReader {
 public:
  JsonLinesReader(const std::filesystem::path& file, size_t max_bytes, ProblemReporter report)
      : file_(file), lines_(file), max_bytes_(max_bytes), report_(std::move(report)) {}

  bool Next(RawDocument& document) override {
    while (lines_.Next(line_, MaxLineBytes())) {
      if (IsBlank(line_.text)) continue;
      document.index = documents_++;
      document.line = line_.number;
      if (ReadText(document.text)) return true;
    }
    if (documents_ == 0) report_({file_, 0, ProblemKind::kEmpty, "the file holds no lines"});
    return false;
  }

 private:
  // JSON may write each byte of text as \u0041, and a line may have other fields.
  size_t MaxLineBytes() const { return 6 * max_bytes_ + (size_t{1} << 20); }

  bool Reject(ProblemKind kind, std::string reason) {
    report_({file_, line_.number, kind, std::move(reason)});
    return false;
  }

  bool ReadText(std::string& text) {
    if (line_.cut_short) {
      return Reject(ProblemKind::kTooLong,
                    fmt::format("line of over {} bytes left out", MaxLineBytes()));
    }
    if (!base::IsUtf8(line_.text)) return Reject(ProblemKind::kNotUtf8, "the line is left out");
    const auto json = nlohmann::json::parse(line_.text, nullptr, /*allow_exceptions=*/false);
    if (json.is_discarded()) return Reject(ProblemKind::kMalformed, "not valid JSON");
    if (!json.is_object()) return Reject(ProblemKind::kMalformed, "not a JSON object");
    const auto field = json.find("text");
    if (field == json.end()) return Reject(ProblemKind::kMalformed, "no field `text`");
    if (!field->is_string()) {
      return Reject(ProblemKind::kMalformed,
                    fmt::format("`text` is a {}, not a string", field->type_name()));
    }
    text = field->get_ref<const std::string&>();
    if (IsBlank(text)) return Reject(ProblemKind::kEmpty, "`text` is empty");
    if (text.size() > max_bytes_) {
      const size_t size = text.size();
      CutAtCharacter(text, max_bytes_);
      Reject(ProblemKind::kTooLong,
             fmt::format("document of {} bytes cut after {}", size, text.size()));
    }
    return true;
  }

  std::filesystem::path file_;
  LineReader lines_;
  LineReader::Line line_;
  size_t max_bytes_;
  ProblemReporter report_;
  int64_t documents_ = 0;
};

}  // namespace

std::string_view ProblemKindName(ProblemKind kind) {
  switch (kind) {
    case ProblemKind::kUnreadable:
      return "unreadable";
    case ProblemKind::kNotUtf8:
      return "not UTF-8";
    case ProblemKind::kEmpty:
      return "empty";
    case ProblemKind::kMalformed:
      return "malformed";
    case ProblemKind::kTooLong:
      return "too long";
  }
  return "unknown";
}

std::string ToString(const CorpusProblem& problem) {
  const std::string line = problem.line > 0 ? fmt::format(":{}", problem.line) : "";
  return fmt::format("{}{}: {}: {}", problem.file.string(), line, ProblemKindName(problem.kind),
                     problem.reason);
}

std::unique_ptr<DocumentReader> OpenDocuments(const std::filesystem::path& file, FileFormat format,
                                              size_t max_document_bytes, ProblemReporter report) {
  ASSAY_CHECK(max_document_bytes >= 1);
  if (format == FileFormat::kJsonLines) {
    return std::make_unique<JsonLinesReader>(file, max_document_bytes, std::move(report));
  }
  return std::make_unique<TextReader>(file, format == FileFormat::kTextWhole, max_document_bytes,
                                      std::move(report));
}

}  // namespace assay::data
