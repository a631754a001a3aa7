#include "data/npy.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include <charconv>
#include <cmath>
#include <cstring>

#include "base/error.h"

namespace assay::data {
namespace fs = std::filesystem;
namespace {

using base::ErrorKind;
using base::Fail;

struct Mapped {
  std::shared_ptr<const char> bytes;
  size_t size = 0;
};

Mapped MapFile(const fs::path& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    Fail(ErrorKind::kNotFound, "{}: cannot be opened: {}", file.string(), std::strerror(errno));
  struct stat about {};
  const bool known = ::fstat(fd, &about) == 0;
  const auto size = static_cast<size_t>(about.st_size);
  void* address =
      known && size > 0 ? ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
  ::close(fd);
  if (address == MAP_FAILED)
    Fail(ErrorKind::kBadInput, "{}: is empty or cannot be read", file.string());
  return {std::shared_ptr<const char>(
              static_cast<const char*>(address),
              [size](const char* at) { ::munmap(const_cast<char*>(at), size); }),
          size};
}

// The value after 'key': in the header's dictionary, up to its end.
std::string_view ValueOf(std::string_view header, std::string_view key) {
  const size_t found = header.find(fmt::format("'{}'", key));
  if (found == std::string_view::npos) return {};
  size_t at = header.find(':', found);
  if (at == std::string_view::npos) return {};
  at = header.find_first_not_of(' ', at + 1);
  return at == std::string_view::npos ? std::string_view() : header.substr(at);
}

// "(3, 4)" and "(3,)"; false when it is something else.
bool ParseShape(std::string_view text, std::vector<int64_t>& shape) {
  if (!text.starts_with("(")) return false;
  const char* at = text.data() + 1;
  const char* end = text.data() + text.size();
  while (at < end) {
    while (at < end && (*at == ' ' || *at == ',')) ++at;
    if (at < end && *at == ')') return true;
    int64_t size = 0;
    const auto result = std::from_chars(at, end, size);
    if (result.ec != std::errc() || size < 0) return false;
    shape.push_back(size);
    at = result.ptr;
  }
  return false;
}

template <typename T>
T Load(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

void AppendUtf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (code >> 18 & 7));
    out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

bool IsKnown(char kind, int64_t bytes) {
  switch (kind) {
    case 'u':
    case 'i':
      return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
    case 'f':
      return bytes == 4 || bytes == 8;
    case 'b':
      return bytes == 1;
    default:
      return (kind == 'U' || kind == 'S') && bytes >= 1 && bytes < (1 << 20);
  }
}

// An archive that is closed when it goes out of scope.
using Archive = std::unique_ptr<zip_t, decltype(&zip_discard)>;

Archive OpenZip(const fs::path& file) {
  if (!fs::is_regular_file(file)) Fail(ErrorKind::kNotFound, "{}: no such file", file.string());
  int code = 0;
  Archive archive(zip_open(file.c_str(), ZIP_RDONLY, &code), &zip_discard);
  if (!archive) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string reason = zip_error_strerror(&error);
    zip_error_fini(&error);
    Fail(ErrorKind::kBadInput, "{}: is no readable .npz archive: {}", file.string(), reason);
  }
  return archive;
}

}  // namespace

NpyArray::NpyArray(std::shared_ptr<const char> bytes, size_t size, std::string name)
    : name_(std::move(name)), bytes_(std::move(bytes)) {
  const std::string_view all(bytes_.get(), size);
  if (!all.starts_with("\x93NUMPY") || size < 12)
    Fail(ErrorKind::kBadInput, "{}: is no .npy array", name_);
  const bool first = all[6] == 1;  // version 1 has a header length of 2 bytes, later ones 4
  const size_t length = first ? Load<uint16_t>(all.data() + 8) : Load<uint32_t>(all.data() + 8);
  begin_ = (first ? 10 : 12) + length;
  if (begin_ > size) Fail(ErrorKind::kBadInput, "{}: ends within its header", name_);
  const std::string_view header = all.substr(first ? 10 : 12, length);
  const std::string_view type = ValueOf(header, "descr");
  if (type.size() < 4 || type[0] != '\'')
    Fail(ErrorKind::kUnsupported, "{}: an array of {}; expected numbers or strings", name_,
         type.substr(0, 20));
  if (type[1] == '>')
    Fail(ErrorKind::kUnsupported, "{}: the array is big-endian; expected little-endian", name_);
  kind_ = type[2];
  std::from_chars(type.data() + 3, type.data() + type.size(), item_bytes_);
  if (!IsKnown(kind_, item_bytes_))
    Fail(ErrorKind::kUnsupported, "{}: elements of type {}; expected numbers or strings", name_,
         type.substr(0, type.find('\'', 1) + 1));
  if (kind_ == 'U') item_bytes_ *= 4;
  if (!ParseShape(ValueOf(header, "shape"), shape_))
    Fail(ErrorKind::kBadInput, "{}: the header has no shape", name_);
  if (ValueOf(header, "fortran_order").starts_with("True") && shape_.size() > 1)
    Fail(ErrorKind::kUnsupported, "{}: the array is in Fortran order; expected C order", name_);
  CountElements(static_cast<int64_t>(size - begin_) / item_bytes_);
}

void NpyArray::CountElements(int64_t most) {
  constexpr int64_t kMostRowElements = int64_t{1} << 40;
  int64_t count = 1;
  bool fits = true;
  for (size_t i = 0; i < shape_.size() && fits; ++i) {
    fits = shape_[i] <= kMostRowElements && count <= kMostRowElements;
    if (!fits) break;
    count = shape_[i] > 0 && count > most / shape_[i] ? most + 1 : count * shape_[i];
    if (i == 0) continue;
    fits = shape_[i] == 0 || row_size_ <= kMostRowElements / shape_[i];
    if (fits) row_size_ *= shape_[i];
  }
  if (!fits || count > most) {
    Fail(ErrorKind::kBadInput, "{}: has {} bytes of elements; its shape [{}] promises more", name_,
         most * item_bytes_, fmt::join(shape_, ", "));
  }
}

NpyArray NpyArray::Open(const fs::path& file) {
  Mapped mapped = MapFile(file);
  return {std::move(mapped.bytes), mapped.size, file.string()};
}

NpyArray NpyArray::FromBytes(std::string bytes, const std::string& name) {
  const auto kept = std::make_shared<const std::string>(std::move(bytes));
  return {std::shared_ptr<const char>(kept, kept->data()), kept->size(), name};
}

std::string_view NpyArray::RowBytes(int64_t row) const {
  ASSAY_CHECK(row >= 0 && row < rows());
  const int64_t bytes = row_size_ * item_bytes_;
  return {bytes_.get() + begin_ + static_cast<size_t>(row * bytes), static_cast<size_t>(bytes)};
}

double NpyArray::NumberAt(int64_t index) const {
  const char* at = bytes_.get() + begin_ + static_cast<size_t>(index * item_bytes_);
  if (kind_ == 'f') return item_bytes_ == 4 ? Load<float>(at) : Load<double>(at);
  const bool is_signed = kind_ == 'i';
  switch (item_bytes_) {
    case 1:
      return is_signed ? Load<int8_t>(at) : Load<uint8_t>(at);
    case 2:
      return is_signed ? Load<int16_t>(at) : Load<uint16_t>(at);
    case 4:
      return is_signed ? Load<int32_t>(at) : Load<uint32_t>(at);
    default:
      return is_signed ? static_cast<double>(Load<int64_t>(at))
                       : static_cast<double>(Load<uint64_t>(at));
  }
}

std::vector<double> NpyArray::Numbers(int64_t row) const {
  ASSAY_CHECK(!IsText() && row >= 0 && row < rows());
  std::vector<double> out(static_cast<size_t>(row_size_));
  for (int64_t i = 0; i < row_size_; ++i)
    out[static_cast<size_t>(i)] = NumberAt(row * row_size_ + i);
  return out;
}

std::string NpyArray::Text(int64_t index) const {
  ASSAY_CHECK(index >= 0 && index < rows() * row_size_);
  if (!IsText()) {
    const double number = NumberAt(index);
    return number == std::floor(number) && std::abs(number) < 1e15
               ? fmt::format("{}", static_cast<int64_t>(number))
               : fmt::format("{}", number);
  }
  const char* at = bytes_.get() + begin_ + static_cast<size_t>(index * item_bytes_);
  std::string out;
  if (kind_ == 'S') {
    out.assign(at, ::strnlen(at, static_cast<size_t>(item_bytes_)));
  } else {
    for (int64_t i = 0; i < item_bytes_; i += 4) {
      const auto code = Load<uint32_t>(at + i);
      if (code == 0) break;
      AppendUtf8(out, code);
    }
  }
  return out;
}

std::vector<std::string> NpzMembers(const fs::path& file) {
  const Archive archive = OpenZip(file);
  std::vector<std::string> names;
  for (zip_int64_t i = 0; i < zip_get_num_entries(archive.get(), 0); ++i) {
    const std::string name = zip_get_name(archive.get(), static_cast<zip_uint64_t>(i), 0);
    if (name.ends_with(".npy")) names.push_back(name.substr(0, name.size() - 4));
  }
  return names;
}

NpyArray ReadNpz(const fs::path& file, const std::string& member) {
  const Archive archive = OpenZip(file);
  const std::string name = fmt::format("{}[{}]", file.string(), member);
  zip_stat_t about;
  if (zip_stat(archive.get(), (member + ".npy").c_str(), 0, &about) != 0)
    Fail(ErrorKind::kNotFound, "{}: no such member", name);
  const std::unique_ptr<zip_file_t, decltype(&zip_fclose)> stored(
      zip_fopen_index(archive.get(), about.index, 0), &zip_fclose);
  std::string bytes;
  bytes.reserve(std::min<size_t>(about.size, size_t{1} << 30));  // what the archive promises
  std::string piece(size_t{1} << 20, '\0');
  while (stored) {
    const zip_int64_t count = zip_fread(stored.get(), piece.data(), piece.size());
    if (count < 0) Fail(ErrorKind::kBadInput, "{}: is damaged and cannot be unpacked", name);
    if (count == 0) break;
    bytes.append(piece.data(), static_cast<size_t>(count));
  }
  if (!stored || bytes.size() != about.size)
    Fail(ErrorKind::kBadInput, "{}: is damaged: {} of {} bytes", name, bytes.size(), about.size);
  return NpyArray::FromBytes(std::move(bytes), name);
}

}  // namespace assay::data
