// A stream of text documents from files and folders: the input of collection, training and scoring.
// Use it wherever text comes from outside: what cannot be used is reported and the rest goes on.
// Memory does not depend on the size of the files, except for 9 bytes or more a document while
// duplicates are dropped. Not thread-safe: one reader at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/options.h"
#include "data/document_reader.h"
#include "data/hash_keyed_map.h"

namespace assay::data {

struct TextCorpusOptions {
  std::string txt_documents = "blank-lines";
  int64_t max_document_bytes = 1 << 20;
  bool drop_duplicates = true;

  template <typename Visitor>
  void VisitFields(Visitor&& visit) {
    visit("txt-documents", txt_documents,
          "what a document is in .txt files: text between blank lines, or the whole file",
          base::OneOf({"blank-lines", "file"}));
    visit("max-document-bytes", max_document_bytes, "longer documents are cut there, with a report",
          base::Between(16, 1 << 30));
    visit("drop-duplicates", drop_duplicates, "use documents with the same text once");
  }
};

struct Document {
  std::string text;   // UTF-8, not blank
  size_t file = 0;    // in TextCorpus::files()
  int64_t index = 0;  // among all documents of its file, left-out ones counted, from 0
  int64_t line = 0;   // at which it begins, from 1
};

struct CorpusCounts {
  int64_t documents = 0;   // given out by Next
  int64_t text_bytes = 0;  // of these
  int64_t duplicates = 0;  // dropped
  int64_t problems = 0;    // reported: left out or cut
};

class TextCorpus {
 public:
  // `inputs` are files (.txt, .jsonl, .json: JSON lines with a `text` field) and folders (every
  // such file below them, in the order of their paths; other files are passed over). `report` sees
  // every problem as it is met; it may be null. Throws kUsage for bad options, kNotFound for an
  // input that does not exist, kBadInput for a file of another kind.
  TextCorpus(const std::vector<std::filesystem::path>& inputs, const TextCorpusOptions& options,
             ProblemReporter report = {});
  TextCorpus(const TextCorpus&) = delete;
  TextCorpus& operator=(const TextCorpus&) = delete;

  // The next document, in the order of files() and of the text; absent after the last one. Throws
  // kBadInput when there was no usable document at all.
  std::optional<Document> Next();

  const std::vector<std::filesystem::path>& files() const { return files_; }
  const CorpusCounts& counts() const { return counts_; }  // so far

  // The first problems met, at most kMaxKeptProblems; counts().problems has them all.
  static constexpr size_t kMaxKeptProblems = 100;
  const std::vector<CorpusProblem>& problems() const { return problems_; }

  // 128-bit hash of the content of all files in order, names left out; 32 hex digits. Reads every
  // file once; an unreadable one counts as absent. For the run manifest.
  std::string ContentHash() const;

 private:
  void Report(const CorpusProblem& problem);
  bool OpenNextFile();
  bool ReadDocument(RawDocument& raw);

  TextCorpusOptions options_;
  ProblemReporter report_;
  std::vector<std::filesystem::path> files_;
  size_t next_file_ = 0;
  std::unique_ptr<DocumentReader> reader_;  // of the file before next_file_
  struct Seen {};
  HashKeyedMap<Seen> seen_;
  CorpusCounts counts_;
  std::vector<CorpusProblem> problems_;
};

}  // namespace assay::data
