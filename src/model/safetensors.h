// The safetensors file format (8-byte header length, JSON header, raw little-endian tensors), read
// and written. An opened file is immutable and safe to read from several threads.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace assay::model {

struct TensorInfo {
  at::ScalarType dtype = at::kFloat;
  std::vector<int64_t> shape;
  size_t begin = 0, end = 0;  // byte range within the data part
};

class SafetensorsFile {
 public:
  // Maps the file. Throws kNotFound, or kBadInput naming the file, the tensor, what was found and
  // what was expected when the header is cut short, is not JSON, or promises what the file does not
  // hold.
  static SafetensorsFile Open(const std::filesystem::path& path);
  // The same for bytes in memory; `name` stands for the file in errors. The bytes are copied.
  static SafetensorsFile FromBytes(std::string_view bytes, const std::string& name);

  const std::string& name() const { return name_; }
  const std::map<std::string, TensorInfo>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  bool Has(const std::string& tensor) const { return tensors_.contains(tensor); }

  // A copy, in the stored type. Throws kBadInput naming the file when there is no such tensor.
  at::Tensor Read(const std::string& tensor) const;

 private:
  SafetensorsFile(std::shared_ptr<const char> bytes, size_t size, std::string name);
  void ParseHeader();

  std::string name_;
  std::shared_ptr<const char> bytes_;
  size_t size_ = 0;
  size_t data_begin_ = 0;
  std::map<std::string, TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
};

// Writes the tensors (any strides, CPU or CUDA) atomically, each aligned to its element size.
// Throws kIo naming the file, kUnsupported for a type safetensors does not have.
void WriteSafetensors(const std::filesystem::path& path,
                      const std::map<std::string, at::Tensor>& tensors,
                      const std::map<std::string, std::string>& metadata = {});

}  // namespace assay::model
