// Robustness evaluations: the report, what was tried since, and the pictures of both.
#include "serve/service.h"

namespace assay::serve {

void AddImageRoutes(Router& router, Service& service) {
  router.Add("GET", "/api/runs/{run}/robustness", [&service](const Request& request) {
    return Reply{.body = service.Run(request.Text("run")).report().Read()->json};
  });
  router.Add("GET", "/api/runs/{run}/evaluations", [&service](const Request& request) {
    const ServedRun& run = service.Run(request.Text("run"));
    const auto found = service.work().jobs.find("evaluate");
    if (found == service.work().jobs.end() || !service.work().evaluations)
      base::Fail(base::ErrorKind::kUnsupported, "this server runs no classifiers");
    if (found->second.offered && !found->second.offered(run))
      base::Fail(base::ErrorKind::kNotFound, "{}: nothing can be evaluated in this run",
                 run.name());
    return JsonReply(service.work().evaluations(run));
  });
  router.Add("GET", "/api/runs/{run}/pictures/{folder}/{file}", [&service](const Request& request) {
    const ServedReport& report = service.Run(request.Text("run")).report();
    return Reply{.type = "image/png",
                 .body = report.Picture(request.Text("folder"), request.Text("file"))};
  });
}

}  // namespace assay::serve
