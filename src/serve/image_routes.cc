// Robustness evaluations: the report as it was written, and its pictures.
#include "serve/service.h"

namespace assay::serve {

void AddImageRoutes(Router& router, Service& service) {
  router.Add("GET", "/api/runs/{run}/robustness", [&service](const Request& request) {
    return Reply{.body = service.Run(request.Text("run")).report().Read()->json};
  });
  router.Add("GET", "/api/runs/{run}/pictures/{folder}/{file}", [&service](const Request& request) {
    const ServedReport& report = service.Run(request.Text("run")).report();
    return Reply{.type = "image/png",
                 .body = report.Picture(request.Text("folder"), request.Text("file"))};
  });
}

}  // namespace assay::serve
