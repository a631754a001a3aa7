#include "data/csv.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"

namespace assay::data {
namespace {

using base::ErrorKind;
using base::Fail;

class CsvReader {
 public:
  CsvReader(std::string_view text, const std::string& name) : text_(text), name_(name) {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
  }

  int64_t line() const { return line_; }

  // The next record that is not blank; false at the end.
  bool Next(std::vector<std::string>& fields) {
    while (at_ < text_.size()) {
      start_line_ = line_;
      fields.clear();
      bool more = true;
      while (more) {
        fields.emplace_back();
        more = ReadField(fields.back());
      }
      if (fields.size() > 1 || !fields[0].empty()) return true;
    }
    return false;
  }
  int64_t start_line() const { return start_line_; }

 private:
  // Whether another field follows in the record.
  bool ReadField(std::string& field) {
    if (at_ < text_.size() && text_[at_] == '"') ReadQuoted(field);
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == ',') return true;
      if (c == '\r' && at_ < text_.size() && text_[at_] == '\n') continue;
      if (c == '\n') {
        ++line_;
        return false;
      }
      field += c;
    }
    return false;
  }

  void ReadQuoted(std::string& field) {
    const int64_t began = line_;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\n') ++line_;
      if (text_[at_] != '"') {
        field += text_[at_];
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
        field += text_[at_++];
      } else {
        ++at_;
        return;
      }
    }
    Fail(ErrorKind::kBadInput, "{}:{}: a quote begins here and does not end", name_, began);
  }

  std::string_view text_;
  const std::string& name_;
  size_t at_ = 0;
  int64_t line_ = 1, start_line_ = 1;
};

}  // namespace

std::optional<size_t> CsvTable::Find(std::string_view column) const {
  const auto found = std::find(columns.begin(), columns.end(), column);
  if (found == columns.end()) return std::nullopt;
  return static_cast<size_t>(found - columns.begin());
}

CsvTable ParseCsv(std::string_view text, const std::string& name) {
  CsvReader reader(text, name);
  CsvTable table;
  if (!reader.Next(table.columns))
    Fail(ErrorKind::kBadInput, "{}: is empty; expected a line of column names", name);
  std::vector<std::string> row;
  while (reader.Next(row)) {
    if (row.size() != table.columns.size()) {
      Fail(ErrorKind::kBadInput, "{}:{}: {} fields; the header has {}", name, reader.start_line(),
           row.size(), table.columns.size());
    }
    table.rows.push_back(std::move(row));
    table.lines.push_back(reader.start_line());
    row.clear();
  }
  return table;
}

CsvTable ReadCsv(const std::filesystem::path& file) {
  return ParseCsv(base::ReadFile(file), file.string());
}

std::string CsvField(std::string_view value) {
  if (value.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(value);
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

}  // namespace assay::data
