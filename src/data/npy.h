// Arrays of NumPy: .npy files (mapped, not read) and the members of .npz archives (unpacked when
// asked for). Little-endian numbers, booleans and strings in C order. Thread-safe once opened.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace assay::data {

class NpyArray {
 public:
  // Throw kNotFound, kBadInput naming the file (cut short, or no array), kUnsupported (Fortran
  // order, big-endian, objects).
  static NpyArray Open(const std::filesystem::path& file);
  static NpyArray FromBytes(std::string bytes, const std::string& name);

  const std::string& name() const { return name_; }
  const std::vector<int64_t>& shape() const { return shape_; }
  int64_t rows() const { return shape_.empty() ? 1 : shape_[0]; }
  int64_t row_size() const { return row_size_; }  // elements below the first dimension
  bool IsText() const { return kind_ == 'U' || kind_ == 'S'; }
  bool IsFloat() const { return kind_ == 'f'; }
  int64_t item_bytes() const { return item_bytes_; }

  // Row `row` as numbers, [row_size]. Requires an array of numbers.
  std::vector<double> Numbers(int64_t row) const;
  // Element `index` (flat) as text: strings as they are, whole numbers without a point.
  std::string Text(int64_t index) const;
  std::string_view RowBytes(int64_t row) const;

 private:
  NpyArray(std::shared_ptr<const char> bytes, size_t size, std::string name);
  void CountElements(int64_t most);
  double NumberAt(int64_t index) const;

  std::string name_;
  std::shared_ptr<const char> bytes_;
  size_t begin_ = 0;
  char kind_ = 'u';  // u, i, f, b; U (UCS-4) and S (bytes) for text
  int64_t item_bytes_ = 1, row_size_ = 1;
  std::vector<int64_t> shape_;
};

// The members of a .npz archive, names without .npy. Throw kNotFound, kBadInput naming the file.
std::vector<std::string> NpzMembers(const std::filesystem::path& file);
NpyArray ReadNpz(const std::filesystem::path& file, const std::string& member);

}  // namespace assay::data
