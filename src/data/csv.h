// Comma-separated values with a header line, as in RFC 4180: quotes, doubled quotes, line breaks
// within quotes, LF or CRLF, an optional byte-order mark. Thread-safe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::data {

struct CsvTable {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;  // each as long as columns
  std::vector<int64_t> lines;                  // of the file, from 1, at which each row begins

  // Index of the column; absent when there is none of that name.
  std::optional<size_t> Find(std::string_view column) const;
};

// Throws kBadInput naming `name` and the line when a row has another number of fields than the
// header, a quote does not end, or there is no header. Blank lines are passed over.
CsvTable ParseCsv(std::string_view text, const std::string& name);
CsvTable ReadCsv(const std::filesystem::path& file);  // also kNotFound, kIo

// A field as it must be written: quoted only where needed.
std::string CsvField(std::string_view value);

}  // namespace assay::data
