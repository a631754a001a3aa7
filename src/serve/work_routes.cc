// What needs a model: a text tried now, and jobs.
#include "serve/service.h"

namespace assay::serve {
namespace {

constexpr size_t kLongestText = 8000;  // bytes

Reply TryText(const Service& service, const Request& request) {
  const ServedRun& run = service.Run(request.Text("run"));
  request.BodyText("text", kLongestText);  // refused early when it is missing or too long
  request.OptionalBodyText("unit", 40);
  if (!service.work().try_text)
    base::Fail(base::ErrorKind::kUnsupported, "this server runs no models");
  return JsonReply(service.work().try_text(run, request.body));
}

Reply StartJob(Service& service, const Request& request) {
  const std::string name = request.BodyText("kind", 40);
  const ServedRun& run = service.Run(request.BodyText("run", 400));
  const auto found = service.work().jobs.find(name);
  if (found == service.work().jobs.end())
    base::Fail(base::ErrorKind::kUsage, "there are no jobs of the kind '{}'", name);
  const JobKind& kind = found->second;
  if (kind.offered && !kind.offered(run))
    base::Fail(base::ErrorKind::kUsage, "{}: jobs of the kind '{}' cannot be done in this run",
               run.name(), name);
  const auto given = request.body.find("parameters");
  const Json parameters = given == request.body.end() || given->is_null() ? Json::object() : *given;
  if (!parameters.is_object())
    base::Fail(base::ErrorKind::kUsage, "'parameters' is {}; expected an object",
               parameters.type_name());
  const std::string title = request.OptionalBodyText("title", 200).value_or(name);
  if (kind.check) kind.check(run, parameters);
  const int64_t id = service.jobs().Start(
      name, title,
      [&run, parameters, &kind](const JobContext& job) { return kind.work(run, parameters, job); });
  return JsonReply(service.jobs().Describe(id), 202);
}

int64_t JobId(const Request& request) { return request.Integer("job", 1, INT64_MAX); }

}  // namespace

void AddWorkRoutes(Router& router, Service& service) {
  router.Add("POST", "/api/runs/{run}/try",
             [&service](const Request& request) { return TryText(service, request); });
  router.Add("GET", "/api/jobs", [&service](const Request&) {
    return JsonReply({{"jobs", service.jobs().DescribeAll()}});
  });
  router.Add("POST", "/api/jobs",
             [&service](const Request& request) { return StartJob(service, request); });
  router.Add("GET", "/api/jobs/{job}", [&service](const Request& request) {
    return JsonReply(service.jobs().Describe(JobId(request)));
  });
  router.Add("DELETE", "/api/jobs/{job}", [&service](const Request& request) {
    service.jobs().Cancel(JobId(request));
    return JsonReply(service.jobs().Describe(JobId(request)));
  });
}

}  // namespace assay::serve
