#include "serve/served_report.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/file.h"

namespace assay::serve {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using base::Fail;

constexpr uintmax_t kLargestPicture = 64 << 20;  // bytes
constexpr const char* kTried = "tried";

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

Json MemberOf(const Json& document, const char* part, const char* member) {
  const auto found = document.find(part);
  return found != document.end() && found->is_object() ? found->value(member, Json()) : Json();
}

bool IsInside(const fs::path& file, const fs::path& folder) {
  const fs::path real = fs::weakly_canonical(file), root = fs::canonical(folder);
  return std::mismatch(root.begin(), root.end(), real.begin(), real.end()).first == root.end();
}

// The items in `folder` that belong to this report, oldest first. What is no item is passed over:
// the folder may hold those of an earlier evaluation.
Json TriedItems(const fs::path& folder, const Json& report) {
  std::vector<Json> found;
  std::error_code absent;
  for (const auto& entry : fs::directory_iterator(folder, absent)) {
    if (entry.path().extension() != ".json") continue;
    const Json tried = Json::parse(base::ReadFile(entry.path()), nullptr, false);
    if (!tried.is_object() || !tried.contains("item") || !tried["item"].is_object()) continue;
    const bool same = tried.value("model", Json()) == MemberOf(report, "model", "hash") &&
                      tried.value("data", Json()) == MemberOf(report, "data", "hash");
    if (same) found.push_back(tried);
  }
  std::sort(found.begin(), found.end(), [](const Json& a, const Json& b) {
    return std::pair(a.value("created_at", Json()), a["item"].value("name", Json())) <
           std::pair(b.value("created_at", Json()), b["item"].value("name", Json()));
  });
  Json out = Json::array();
  for (Json& tried : found) {
    out.push_back(std::move(tried["item"]));
    out.back()["created_at"] = tried.value("created_at", Json());
  }
  return out;
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
  const auto stamp = [&] {
    FileStamp now = StampOf(path);
    now.log = StampOf(folder_ / kTried).written;
    return now;
  };
  return kept_.Get(stamp, [&] {
    Json json(base::ReadJson(path));
    if (!json.is_object())
      Fail(ErrorKind::kBadInput, "{}: is {}; expected an object", path.string(), json.type_name());
    Json tried = TriedItems(folder_ / kTried, json);
    if (!tried.empty()) json["tried"] = std::move(tried);
    return ReportText{.json = json.dump(-1, ' ', false, Json::error_handler_t::replace),
                      .pictures = PicturesOf(json)};
  });
}

void ServedReport::AddTried(const Json& tried) const {
  const std::string name = tried.at("item").at("name").get<std::string>();
  base::WriteFile(folder_ / kTried / (name + ".json"), tried.dump() + "\n");
  kept_.Expire();
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
