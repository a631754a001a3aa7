// The readers of NumPy arrays and of comma-separated values on arbitrary bytes: they give values or
// throw base::Error.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/error.h"
#include "data/csv.h"
#include "data/npy.h"

namespace {

void ReadArray(const std::string& bytes) {
  using assay::data::NpyArray;
  const NpyArray array = NpyArray::FromBytes(bytes, "fuzz");
  const int64_t rows = std::min<int64_t>(array.rows(), 8);
  for (int64_t row = 0; row < rows; ++row) {
    if (array.RowBytes(row).size() > bytes.size()) __builtin_trap();
    if (array.row_size() == 0) continue;
    array.Text(row * array.row_size());
    if (!array.IsText()) array.Numbers(row);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  try {
    ReadArray(bytes);
  } catch (const assay::base::Error&) {
    // What the readers promise to throw. Anything else ends the process and is a finding.
  }
  try {
    for (const auto& row : assay::data::ParseCsv(bytes, "fuzz").rows) {
      for (const std::string& field : row) assay::data::CsvField(field);
    }
  } catch (const assay::base::Error&) {
  }
  return 0;
}
