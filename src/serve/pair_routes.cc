// The study of which changes people see: pairs of pictures, and answers.
#include "serve/service.h"

namespace assay::serve {
namespace {

PairStudy& StudyOf(const Service& service, const Request& request) {
  const ServedRun& run = service.Run(request.Text("run"));
  if (!run.has_pairs())
    base::Fail(base::ErrorKind::kNotFound, "{}: has no pairs of pictures", run.name());
  return run.pairs();
}

Reply Show(const Service& service, const Request& request) {
  const PairStudy& study = StudyOf(service, request);
  const PairStudy::Facts facts = study.Read();
  Json out = {{"study", facts.name}, {"pairs", facts.pairs}, {"answered", Json::array()}};
  if (const std::string session = request.Text("session"); !session.empty())
    out["answered"] = study.Answered(session);
  return JsonReply(out);
}

Reply Picture(const Service& service, const Request& request) {
  return {.type = "image/png",
          .body = StudyOf(service, request)
                      .Picture(static_cast<int>(request.Integer("pair", 1, 1'000'000)),
                               static_cast<int>(request.Integer("side", 1, 2)))};
}

Reply TakeAnswer(const Service& service, const Request& request) {
  PairStudy& study = StudyOf(service, request);
  const std::string session = request.BodyText("session", 40);
  study.Keep(session, {.pair = static_cast<int>(request.BodyInteger("pair", 1, 1'000'000)),
                       .choice = static_cast<int>(request.BodyInteger("choice", 1, 2)),
                       .milliseconds = request.BodyInteger("milliseconds", 0, 86'400'000),
                       .person = request.OptionalBodyText("person", 80).value_or("")});
  return JsonReply({{"answered", study.Answered(session)}});
}

}  // namespace

void AddPairRoutes(Router& router, Service& service) {
  router.Add("GET", "/api/runs/{run}/pairs",
             [&service](const Request& request) { return Show(service, request); });
  router.Add("POST", "/api/runs/{run}/pairs",
             [&service](const Request& request) { return TakeAnswer(service, request); });
  router.Add("GET", "/api/runs/{run}/pairs/{pair}/{side}",
             [&service](const Request& request) { return Picture(service, request); });
}

}  // namespace assay::serve
