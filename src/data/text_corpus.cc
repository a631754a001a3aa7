#include "data/text_corpus.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/hash.h"

namespace assay::data {
namespace fs = std::filesystem;
namespace {

using base::ErrorKind;
using base::Fail;

bool IsTextFile(const fs::path& path) { return path.extension() == ".txt"; }
bool IsJsonFile(const fs::path& path) {
  return path.extension() == ".jsonl" || path.extension() == ".json";
}

// The text files below the folder, sorted by path.
std::vector<fs::path> FilesBelow(const fs::path& folder) {
  std::vector<fs::path> files;
  try {
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.is_regular_file() && (IsTextFile(entry.path()) || IsJsonFile(entry.path()))) {
        files.push_back(entry.path());
      }
    }
  } catch (const fs::filesystem_error& error) {
    Fail(ErrorKind::kIo, "{}: the folder cannot be listed: {}", folder.string(),
         error.code().message());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<fs::path> ListFiles(const std::vector<fs::path>& inputs) {
  std::vector<fs::path> files;
  for (const fs::path& input : inputs) {
    std::error_code code;
    if (fs::is_directory(input, code)) {
      const auto below = FilesBelow(input);
      if (below.empty()) {
        Fail(ErrorKind::kBadInput, "{}: the folder has no .txt, .jsonl or .json file",
             input.string());
      }
      files.insert(files.end(), below.begin(), below.end());
    } else if (!fs::exists(input, code)) {
      Fail(ErrorKind::kNotFound, "{}: no such file or folder", input.string());
    } else if (!IsTextFile(input) && !IsJsonFile(input)) {
      Fail(ErrorKind::kBadInput, "{}: expected a .txt, .jsonl or .json file, or a folder",
           input.string());
    } else {
      files.push_back(input);
    }
  }
  if (files.empty()) Fail(ErrorKind::kUsage, "no text was given: expected files or folders");
  return files;
}

}  // namespace

TextCorpus::TextCorpus(const std::vector<fs::path>& inputs, const TextCorpusOptions& options,
                       ProblemReporter report)
    : options_(options), report_(std::move(report)) {
  base::ValidateFields(options_);
  files_ = ListFiles(inputs);
}

void TextCorpus::Report(const CorpusProblem& problem) {
  ++counts_.problems;
  if (problems_.size() < kMaxKeptProblems) problems_.push_back(problem);
  if (report_) report_(problem);
}

bool TextCorpus::OpenNextFile() {
  while (next_file_ < files_.size()) {
    const fs::path& file = files_[next_file_++];
    const FileFormat format = IsJsonFile(file)                   ? FileFormat::kJsonLines
                              : options_.txt_documents == "file" ? FileFormat::kTextWhole
                                                                 : FileFormat::kTextParagraphs;
    try {
      reader_ = OpenDocuments(file, format, static_cast<size_t>(options_.max_document_bytes),
                              [this](const CorpusProblem& problem) { Report(problem); });
      return true;
    } catch (const base::Error& error) {
      Report({file, 0, ProblemKind::kUnreadable, error.what()});
    }
  }
  return false;
}

// The next document of any file, duplicates included.
bool TextCorpus::ReadDocument(RawDocument& raw) {
  while (reader_ || OpenNextFile()) {
    try {
      if (reader_->Next(raw)) return true;
    } catch (const base::Error& error) {
      Report({files_[next_file_ - 1], 0, ProblemKind::kUnreadable, error.what()});
    }
    reader_.reset();
  }
  return false;
}

std::optional<Document> TextCorpus::Next() {
  RawDocument raw;
  while (ReadDocument(raw)) {
    if (options_.drop_duplicates && !seen_.FindOrInsert(base::HashBytes(raw.text)).inserted) {
      ++counts_.duplicates;
      continue;
    }
    ++counts_.documents;
    counts_.text_bytes += static_cast<int64_t>(raw.text.size());
    return Document{std::move(raw.text), next_file_ - 1, raw.index, raw.line};
  }
  if (counts_.documents == 0) {
    Fail(ErrorKind::kBadInput, "no usable document in {} file(s){}", files_.size(),
         problems_.empty() ? "" : "; the first problem: " + ToString(problems_.front()));
  }
  return std::nullopt;
}

std::string TextCorpus::ContentHash() const {
  std::string hashes;
  for (const fs::path& file : files_) {
    try {
      hashes += base::HashFile(file);
    } catch (const base::Error&) {
      hashes += "absent";
    }
  }
  return base::HashText(hashes);
}

}  // namespace assay::data
