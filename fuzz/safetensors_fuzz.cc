// The safetensors reader on arbitrary bytes: whatever they are, it gives tensors or throws
// base::Error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "model/safetensors.h"

namespace {

// A header may promise any number of empty dimensions, so sizes are judged by bytes.
constexpr size_t kMaxBytesRead = 1 << 20;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using assay::model::SafetensorsFile;
  try {
    const SafetensorsFile file =
        SafetensorsFile::FromBytes({reinterpret_cast<const char*>(data), size}, "fuzz");
    size_t read = 0;
    for (const auto& [name, info] : file.tensors()) {
      if ((read += info.end - info.begin) > kMaxBytesRead) break;
      const at::Tensor tensor = file.Read(name);
      if (tensor.nbytes() != info.end - info.begin) __builtin_trap();
    }
  } catch (const assay::base::Error&) {
    // What the reader promises to throw. Anything else ends the process and is a finding.
  }
  return 0;
}
