#include "serve/service.h"

namespace assay::serve {

const ServedRun& Service::Run(const std::string& name) const {
  for (const auto& run : runs_) {
    if (run->name() == name) return *run;
  }
  base::Fail(base::ErrorKind::kNotFound, "no run '{}' is served", name);
}

Router MakeRouter(Service& service) {
  Router router;
  AddRunRoutes(router, service);
  AddNeuronRoutes(router, service);
  AddWorkRoutes(router, service);
  AddImageRoutes(router, service);
  AddStudyRoutes(router, service);
  AddPairRoutes(router, service);
  return router;
}

}  // namespace assay::serve
