// One neuron in parts, search, and neurons with similar graphs.
#include <sstream>

#include "serve/json_values.h"
#include "serve/neuron_json.h"
#include "serve/service.h"
#include "store/graph_index.h"
#include "view/token_text.h"

namespace assay::serve {
namespace {

std::optional<int> ClusterOf(const Request& request) {
  if (request.Text("cluster").empty()) return std::nullopt;
  return static_cast<int>(request.Integer("cluster", 0, 1'000'000));
}

constexpr size_t kMostTokens = 16;  // of a search, in each role
constexpr size_t kMostRanks = 1000;

// The lines of a parameter. Throws kUsage when there are too many.
std::vector<std::string> Tokens(const Request& request, const std::string& name) {
  std::vector<std::string> out;
  std::istringstream lines(request.Text(name));
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty()) out.push_back(line);
  }
  if (out.size() > kMostTokens)
    base::Fail(base::ErrorKind::kUsage, "{} has {} tokens; at most {} are accepted", name,
               out.size(), kMostTokens);
  return out;
}

std::vector<int> Ranks(const Request& request) {
  std::vector<int> out;
  std::istringstream ranks(request.Text("ranks"));
  for (std::string rank; std::getline(ranks, rank, ',');) {
    Request one;
    one.query["ranks"] = rank;
    out.push_back(static_cast<int>(one.Integer("ranks", 0, 1'000'000)));
  }
  if (out.size() > kMostRanks)
    base::Fail(base::ErrorKind::kUsage, "ranks has {} numbers; at most {} are accepted", out.size(),
               kMostRanks);
  return out;
}

Reply Examples(const Service& service, const Request& request) {
  ExampleQuery query{.kind = request.Text("kind", "top"),
                     .cluster = ClusterOf(request),
                     .ranks = Ranks(request),
                     .offset = static_cast<int>(request.Integer("offset", 0, 1'000'000, 0)),
                     .limit = static_cast<int>(request.Integer("limit", 1, 50, 10))};
  return JsonReply(NeuronExamples(service.Run(request.Text("run")), request.Unit(), query));
}

Reply Picture(const Service& service, const Request& request) {
  view::DrawOptions options;
  options.max_nodes = static_cast<int>(request.Integer("nodes", 1, 400, options.max_nodes));
  view::SvgOptions svg;
  svg.wrap_width_px = static_cast<double>(request.Integer("width", 200, 4000, 620));
  return JsonReply(NeuronPicture(service.Run(request.Text("run")), request.Unit(),
                                 ClusterOf(request), options, svg));
}

Reply Sheet(const Service& service, const Request& request) {
  const ServedRun& run = service.Run(request.Text("run"));
  if (!service.work().sheet)
    base::Fail(base::ErrorKind::kUnsupported, "this server draws no tiles");
  return {.type = "image/png",
          .body = service.work().sheet(run, request.Unit(), ClusterOf(request))};
}

Json TokensJson(const std::vector<std::string>& tokens) {
  Json out = Json::array();
  for (const std::string& token : tokens) out.push_back(view::ShowToken(token));
  return out;
}

Json HitJson(const store::GraphHit& hit) {
  return {{"layer", hit.unit.layer},
          {"index", hit.unit.index},
          {"f1", NumberOrNull(hit.f1)},
          {"has_graph", true},
          {"activating", TokensJson(hit.activating)},
          {"context", TokensJson(hit.context)},
          {"activating_tokens", hit.activating_tokens},
          {"context_tokens", hit.context_tokens},
          {"repeated_tokens", hit.repeated_tokens},
          {"label", nullptr}};
}

Json SearchLabels(const ServedRun& run, const std::string& wanted, std::optional<int> layer,
                  int limit) {
  const auto facts = run.Facts();
  const auto store = run.Borrow();
  Json hits = Json::array();
  for (const store::LabelledCluster& row :
       store::GraphIndex(*store).FindClusters(wanted, layer, limit)) {
    const UnitRow* unit = facts->Find(row.unit);
    hits.push_back({{"layer", row.unit.layer},
                    {"index", row.unit.index},
                    {"f1", unit ? NumberOrNull(unit->f1) : Json(nullptr)},
                    {"has_graph", unit != nullptr && unit->has_graph},
                    {"cluster", row.cluster},
                    {"label", LabelText(row.label)},
                    {"activating", Json::array()},
                    {"context", Json::array()}});
  }
  return hits;
}

Reply Search(const Service& service, const Request& request) {
  const ServedRun& run = service.Run(request.Text("run"));
  const int limit = static_cast<int>(request.Integer("limit", 1, 100, 24));
  std::optional<int> layer;
  if (!request.Text("layer").empty())
    layer = static_cast<int>(request.Integer("layer", 0, 1'000'000));
  if (const std::string label = request.Text("label"); !label.empty())
    return JsonReply({{"hits", SearchLabels(run, label, layer, limit)}});
  store::GraphQuery query{.activating = Tokens(request, "activating"),
                          .context = Tokens(request, "context"),
                          .exact = request.Flag("exact"),
                          .repeated = request.Flag("repeated"),
                          .layer = layer,
                          .min_f1 = request.Number("min_f1", 0, 1),
                          .limit = limit};
  const auto store = run.Borrow();
  Json hits = Json::array();
  for (const store::GraphHit& hit : store::GraphIndex(*store).Search(query))
    hits.push_back(HitJson(hit));
  return JsonReply({{"hits", hits}});
}

Reply Similar(const Service& service, const Request& request) {
  const ServedRun& run = service.Run(request.Text("run"));
  const base::UnitId unit = request.Unit();
  const auto store = run.Borrow();
  Json out = Json::array();
  for (const store::SimilarPair& pair :
       store::GraphIndex(*store).Similar(unit, store::SetOverlap::kOverlap, 0.25, 12)) {
    out.push_back({{"layer", pair.second.layer},
                   {"index", pair.second.index},
                   {"activating_overlap", pair.activating_overlap},
                   {"context_overlap", pair.context_overlap}});
  }
  return JsonReply({{"similar", out}});
}

}  // namespace

void AddNeuronRoutes(Router& router, Service& service) {
  const std::string neuron = "/api/runs/{run}/neurons/{layer}/{index}";
  router.Add("GET", neuron, [&service](const Request& request) {
    return JsonReply(NeuronSummary(service.Run(request.Text("run")), request.Unit()));
  });
  router.Add("GET", neuron + "/graph",
             [&service](const Request& request) { return Picture(service, request); });
  router.Add("GET", neuron + "/examples",
             [&service](const Request& request) { return Examples(service, request); });
  router.Add("GET", neuron + "/prompts/{rank}", [&service](const Request& request) {
    return JsonReply(NeuronPrompts(service.Run(request.Text("run")), request.Unit(),
                                   static_cast<int>(request.Integer("rank", 0, 1'000'000))));
  });
  router.Add("GET", neuron + "/sheet",
             [&service](const Request& request) { return Sheet(service, request); });
  router.Add("GET", neuron + "/similar",
             [&service](const Request& request) { return Similar(service, request); });
  router.Add("GET", "/api/runs/{run}/search",
             [&service](const Request& request) { return Search(service, request); });
}

}  // namespace assay::serve
