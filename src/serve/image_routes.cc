// Robustness evaluations: the report as it was written, and its pictures.
#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "serve/service.h"

namespace assay::serve {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using base::Fail;

Reply Report(const Service& service, const Request& request) {
  const ServedRun& run = service.Run(request.Text("run"));
  if (!run.has_robustness()) Fail(ErrorKind::kNotFound, "{}: has no robustness report", run.name());
  return JsonReply(Json(base::ReadJson(run.folder() / "report.json")));
}

// Names of ours only: no path separators, nothing hidden, nothing but PNG.
void CheckName(const std::string& name) {
  const bool plain = !name.empty() && name.size() <= 200 && name.front() != '.' &&
                     std::all_of(name.begin(), name.end(), [](unsigned char c) {
                       return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                              (c >= 'a' && c <= 'z') || c == '-' || c == '_' || c == '.';
                     });
  if (!plain) Fail(ErrorKind::kUsage, "'{}' is no name of a picture", name);
}

Reply Picture(const Service& service, const Request& request) {
  const ServedRun& run = service.Run(request.Text("run"));
  const std::string folder = request.Text("folder"), name = request.Text("file");
  CheckName(folder);
  CheckName(name);
  if (!name.ends_with(".png")) Fail(ErrorKind::kUsage, "'{}' is no PNG picture", name);
  const fs::path path = run.folder() / folder / name;
  // A link could lead out of the folder.
  const fs::path real = fs::weakly_canonical(path), root = fs::canonical(run.folder());
  if (std::mismatch(root.begin(), root.end(), real.begin(), real.end()).first != root.end())
    Fail(ErrorKind::kNotFound, "{}: is not in the run", name);
  return {.type = "image/png", .body = base::ReadFile(path)};
}

}  // namespace

void AddImageRoutes(Router& router, Service& service) {
  router.Add("GET", "/api/runs/{run}/robustness",
             [&service](const Request& request) { return Report(service, request); });
  router.Add("GET", "/api/runs/{run}/pictures/{folder}/{file}",
             [&service](const Request& request) { return Picture(service, request); });
}

}  // namespace assay::serve
