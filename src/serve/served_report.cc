#include "serve/served_report.h"

#include <algorithm>
#include <utility>

#include "base/file.h"

namespace assay::serve {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using base::Fail;

constexpr uintmax_t kLargestPicture = 64 << 20;  // bytes

bool IsPlainName(std::string_view name) {
  return !name.empty() && name.size() <= 200 && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                  c == '-' || c == '_' || c == '.';
         });
}

bool IsPicture(std::string_view text) {
  const size_t slash = text.find('/');
  return slash != std::string_view::npos && text.ends_with(".png") &&
         IsPlainName(text.substr(0, slash)) && IsPlainName(text.substr(slash + 1));
}

void Collect(const Json& value, std::set<std::string>& out) {
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    if (IsPicture(text)) out.insert(text);
  } else if (value.is_structured()) {
    for (const Json& member : value) Collect(member, out);
  }
}

bool IsInside(const fs::path& file, const fs::path& folder) {
  const fs::path real = fs::weakly_canonical(file), root = fs::canonical(folder);
  return std::mismatch(root.begin(), root.end(), real.begin(), real.end()).first == root.end();
}

}  // namespace

std::set<std::string> PicturesOf(const Json& report) {
  std::set<std::string> out;
  Collect(report, out);
  return out;
}

bool ServedReport::exists() const {
  std::error_code failed;
  return fs::exists(folder_ / "report.json", failed);
}

std::shared_ptr<const ReportText> ServedReport::Read() const {
  const fs::path path = folder_ / "report.json";
  return kept_.Get([&] { return StampOf(path); },
                   [&] {
                     const Json json(base::ReadJson(path));
                     if (!json.is_object())
                       Fail(ErrorKind::kBadInput, "{}: is {}; expected an object", path.string(),
                            json.type_name());
                     return ReportText{
                         .json = json.dump(-1, ' ', false, Json::error_handler_t::replace),
                         .pictures = PicturesOf(json)};
                   });
}

std::string ServedReport::Picture(const std::string& folder, const std::string& file) const {
  const std::string name = folder + "/" + file;
  if (!Read()->pictures.contains(name))
    Fail(ErrorKind::kNotFound, "the report names no picture '{}'", name);
  const fs::path path = folder_ / folder / file;
  std::error_code failed;
  if (!fs::is_regular_file(path, failed) || !IsInside(path, folder_))
    Fail(ErrorKind::kNotFound, "{}: the picture is missing", name);
  if (fs::file_size(path, failed) > kLargestPicture)
    Fail(ErrorKind::kBadInput, "{}: is larger than {} MB", name, kLargestPicture >> 20);
  std::string bytes = base::ReadFile(path);
  if (!bytes.starts_with("\x89PNG\r\n\x1a\n")) Fail(ErrorKind::kBadInput, "{}: is no PNG", name);
  return bytes;
}

}  // namespace assay::serve
