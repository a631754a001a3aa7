#include "model/safetensors.h"

#include <ATen/EmptyTensor.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/file.h"

namespace assay::model {
namespace {

using base::ErrorKind;
using base::Fail;

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian");

constexpr size_t kMaxHeaderBytes = 100'000'000;  // the reference implementation's limit

constexpr std::array<std::pair<std::string_view, at::ScalarType>, 9> kTypes = {{
    {"F64", at::kDouble},
    {"F32", at::kFloat},
    {"F16", at::kHalf},
    {"BF16", at::kBFloat16},
    {"I64", at::kLong},
    {"I32", at::kInt},
    {"I16", at::kShort},
    {"U8", at::kByte},
    {"BOOL", at::kBool},
}};

std::shared_ptr<const char> MapFile(const std::filesystem::path& path, size_t& size) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) Fail(ErrorKind::kNotFound, "{}: {}", path.string(), std::strerror(errno));
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd);
    Fail(ErrorKind::kNotFound, "{}: not a regular file", path.string());
  }
  size = static_cast<size_t>(info.st_size);
  if (size == 0) {
    ::close(fd);
    return {"", [](const char*) {}};
  }
  void* mapped = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  ::close(fd);
  if (mapped == MAP_FAILED)
    Fail(ErrorKind::kIo, "{}: cannot be mapped: {}", path.string(), std::strerror(errno));
  return {static_cast<const char*>(mapped),
          [size](const char* p) { ::munmap(const_cast<char*>(p), size); }};
}

TensorInfo ParseTensor(const std::string& file, const std::string& name,
                       const nlohmann::json& entry, size_t data_bytes) {
  const auto fail = [&](const std::string& what) -> void {
    Fail(ErrorKind::kBadInput, "{}: tensor '{}': {}", file, name, what);
  };
  if (!entry.is_object() || !entry.contains("dtype") || !entry.contains("shape") ||
      !entry.contains("data_offsets")) {
    fail("expected an object with dtype, shape and data_offsets, found " +
         entry.dump().substr(0, 80));
  }
  TensorInfo info;
  const nlohmann::json& dtype = entry["dtype"];
  const auto* type = kTypes.end();
  if (dtype.is_string()) {
    type = std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& known) {
      return known.first == dtype.get_ref<const std::string&>();
    });
  }
  if (type == kTypes.end()) fail(fmt::format("unknown dtype {}", dtype.dump().substr(0, 40)));
  info.dtype = type->second;

  const nlohmann::json& shape = entry["shape"];
  if (!shape.is_array() || shape.size() > 16) fail("shape is not a list of at most 16 sizes");
  uint64_t bytes = c10::elementSize(info.dtype);
  for (const nlohmann::json& side : shape) {
    if (!side.is_number_unsigned() || side.get<uint64_t>() > (uint64_t{1} << 48))
      fail("shape has the size " + side.dump().substr(0, 40));
    info.shape.push_back(side.get<int64_t>());
    if (__builtin_mul_overflow(bytes, side.get<uint64_t>(), &bytes))
      fail("shape " + shape.dump() + " overflows");
  }
  const nlohmann::json& offsets = entry["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
      !offsets[1].is_number_unsigned()) {
    fail("data_offsets is not a pair of byte positions: " + offsets.dump().substr(0, 60));
  }
  info.begin = offsets[0].get<size_t>();
  info.end = offsets[1].get<size_t>();
  if (info.begin > info.end || info.end > data_bytes) {
    fail(fmt::format("data_offsets are [{}, {}), but the file holds {} bytes of data (cut short?)",
                     info.begin, info.end, data_bytes));
  }
  if (info.end - info.begin != bytes) {
    fail(fmt::format("data_offsets span {} bytes, but shape {} of {} needs {}",
                     info.end - info.begin, shape.dump(), dtype.dump(), bytes));
  }
  return info;
}

}  // namespace

SafetensorsFile::SafetensorsFile(std::shared_ptr<const char> bytes, size_t size, std::string name)
    : name_(std::move(name)), bytes_(std::move(bytes)), size_(size) {
  ParseHeader();
}

SafetensorsFile SafetensorsFile::Open(const std::filesystem::path& path) {
  size_t size = 0;
  auto bytes = MapFile(path, size);
  return SafetensorsFile(std::move(bytes), size, path.string());
}

SafetensorsFile SafetensorsFile::FromBytes(std::string_view bytes, const std::string& name) {
  auto copy = std::make_shared<std::string>(bytes);
  const char* data = copy->data();
  return SafetensorsFile(std::shared_ptr<const char>(std::move(copy), data), bytes.size(), name);
}

void SafetensorsFile::ParseHeader() {
  if (size_ < 8)
    Fail(ErrorKind::kBadInput,
         "{}: {} bytes long; a safetensors file starts with 8 bytes of header length", name_,
         size_);
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes_.get(), 8);
  if (header_bytes > kMaxHeaderBytes || header_bytes > size_ - 8) {
    Fail(ErrorKind::kBadInput,
         "{}: the header claims {} bytes, but {} bytes follow (not safetensors, or cut short)",
         name_, header_bytes, size_ - 8);
  }
  data_begin_ = 8 + header_bytes;
  const std::string_view text(bytes_.get() + 8, header_bytes);
  nlohmann::json header;
  try {
    // The depth limit keeps hostile nesting from exhausting the stack when the document is
    // destroyed.
    header =
        nlohmann::json::parse(text, [](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
          if (depth > 8) throw base::Error(ErrorKind::kBadInput, "nesting deeper than 8");
          return true;
        });
  } catch (const std::exception& error) {
    Fail(ErrorKind::kBadInput, "{}: the header is not valid JSON: {}", name_, error.what());
  }
  if (!header.is_object()) Fail(ErrorKind::kBadInput, "{}: the header is not a JSON object", name_);
  for (const auto& [key, value] : header.items()) {
    if (key == "__metadata__") {
      if (!value.is_object())
        Fail(ErrorKind::kBadInput, "{}: __metadata__ is not an object", name_);
      for (const auto& [name, text_value] : value.items()) {
        metadata_[name] =
            text_value.is_string() ? text_value.get<std::string>() : text_value.dump();
      }
      continue;
    }
    tensors_.emplace(key, ParseTensor(name_, key, value, size_ - data_begin_));
  }
}

at::Tensor SafetensorsFile::Read(const std::string& tensor) const {
  const auto found = tensors_.find(tensor);
  if (found == tensors_.end()) {
    Fail(ErrorKind::kBadInput, "{}: has no tensor '{}' ({} tensors in the file)", name_, tensor,
         tensors_.size());
  }
  const TensorInfo& info = found->second;
  // Not at::empty: its header is one that clang 14, which builds the fuzz target, cannot compile as
  // C++20.
  at::Tensor out(at::detail::empty_cpu(info.shape, info.dtype));
  if (info.end > info.begin)
    std::memcpy(out.data_ptr(), bytes_.get() + data_begin_ + info.begin, info.end - info.begin);
  return out;
}

void WriteSafetensors(const std::filesystem::path& path,
                      const std::map<std::string, at::Tensor>& tensors,
                      const std::map<std::string, std::string>& metadata) {
  // The largest elements first: every tensor is aligned to its element, as readers that map the
  // file want it.
  std::multimap<size_t, decltype(tensors.begin()), std::greater<>> by_element_bytes;
  for (auto tensor = tensors.begin(); tensor != tensors.end(); ++tensor) {
    by_element_bytes.emplace(c10::elementSize(tensor->second.scalar_type()), tensor);
  }
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::string data;
  for (const auto& [bytes, entry] : by_element_bytes) {
    const auto& [name, tensor] = *entry;
    const auto* type = std::find_if(
        kTypes.begin(), kTypes.end(),
        [type = tensor.scalar_type()](const auto& known) { return known.second == type; });
    if (type == kTypes.end()) {
      Fail(ErrorKind::kUnsupported, "{}: tensor '{}' has a type that safetensors lacks: {}",
           path.string(), name, c10::toString(tensor.scalar_type()));
    }
    const at::Tensor plain = tensor.detach().cpu().contiguous();
    const size_t begin = data.size();
    data.append(static_cast<const char*>(plain.data_ptr()), plain.nbytes());
    header[name] = {{"dtype", type->first},
                    {"shape", plain.sizes().vec()},
                    {"data_offsets", {begin, data.size()}}};
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // tensors start 8-byte aligned
  const uint64_t header_bytes = text.size();
  std::string file(reinterpret_cast<const char*>(&header_bytes), 8);
  file.reserve(8 + text.size() + data.size());
  file += text;
  file += data;
  base::WriteFile(path, file);
}

}  // namespace assay::model
