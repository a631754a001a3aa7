// Runs, the overview of one, and the map of a layer.
#include <algorithm>
#include <map>

#include "base/rng.h"
#include "serve/service.h"
#include "view/score_html.h"
#include "view/style.h"

namespace assay::serve {
namespace {

Json ScoresByLayer(const std::vector<store::ScoreMeans>& means) {
  Json out = Json::array();
  for (const store::ScoreMeans& row : means) {
    Json line = {{"set", row.set},       {"layer", row.layer},
                 {"method", row.method}, {"title", view::MethodTitle(row.method)},
                 {"units", row.units},   {"excluded", row.excluded},
                 {"f1", nullptr},        {"precision", nullptr},
                 {"recall", nullptr}};
    if (row.units > 0) {
      line["f1"] = row.f1;
      line["recall"] = row.recall;
    }
    if (row.precision_units > 0) line["precision"] = row.precision;
    out.push_back(std::move(line));
  }
  return out;
}

Json PolysemanticityByLayer(const RunFacts& facts) {
  std::map<int, std::vector<const store::UnitMeasures*>> layers;
  for (const store::UnitMeasures& row : facts.measures) {
    if (row.polysemanticity) layers[row.unit.layer].push_back(&row);
  }
  Json out = Json::array();
  for (const auto& [layer, rows] : layers) {
    double polysemanticity = 0, clusters = 0;
    int single = 0;
    for (const store::UnitMeasures* row : rows) {
      polysemanticity += *row->polysemanticity;
      clusters += row->clusters;
      single += row->clusters == 1 ? 1 : 0;
    }
    const auto count = static_cast<double>(rows.size());
    out.push_back({{"layer", layer},
                   {"units", rows.size()},
                   {"polysemanticity", polysemanticity / count},
                   {"clusters", clusters / count},
                   {"single_cluster", single}});
  }
  return out;
}

Json LayersOf(const RunFacts& facts) {
  std::map<int, std::pair<int, int>> layers;  // units, graphs
  for (const UnitRow& row : facts.units) {
    ++layers[row.unit.layer].first;
    layers[row.unit.layer].second += row.has_graph ? 1 : 0;
  }
  Json out = Json::array();
  for (const auto& [layer, counts] : layers) {
    out.push_back({{"layer", layer}, {"units", counts.first}, {"graphs", counts.second}});
  }
  return out;
}

Json DescribeRun(const ServedRun& run, const Service& service) {
  Json out = {{"name", run.name()},
              {"model", nullptr},
              {"neurons", run.has_store()},
              {"robustness", run.has_robustness()},
              {"clusters", false},
              {"sae", false},
              {"try", run.has_store() && service.work().try_text != nullptr}};
  out["jobs"] = Json::array();
  for (const auto& [name, kind] : service.work().jobs) {
    if (!kind.offered || kind.offered(run)) out["jobs"].push_back(name);
  }
  if (!run.has_store()) return out;
  const auto facts = run.Facts();
  out["model"] = facts->model;
  out["units"] = facts->units.size();
  out["graphs"] = facts->graphs.size();
  out["clusters"] = !facts->measures.empty();
  out["sae"] = facts->manifest.contains("sae_evaluation");
  out["unit_name"] = "neuron";
  const auto model = facts->manifest.find("model");
  if (model != facts->manifest.end() && model->contains("sae") && !(*model)["sae"].is_null())
    out["unit_name"] = "feature";
  return out;
}

// Neurons worth a look first: the best graphs of several tokens, and the most polysemantic ones.
Json Highlights(const RunFacts& facts) {
  std::vector<const UnitRow*> best, mixed;
  for (const UnitRow& row : facts.units) {
    if (row.f1 && row.has_graph) best.push_back(&row);
    if (row.polysemanticity) mixed.push_back(&row);
  }
  const auto take = [](std::vector<const UnitRow*>& rows, auto value) {
    const size_t count = std::min<size_t>(rows.size(), 6);
    std::partial_sort(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(count), rows.end(),
                      [&](const UnitRow* a, const UnitRow* b) {
                        return value(*a) != value(*b) ? value(*a) > value(*b) : a->unit < b->unit;
                      });
    Json out = Json::array();
    for (size_t i = 0; i < count; ++i) {
      out.push_back({{"layer", rows[i]->unit.layer},
                     {"index", rows[i]->unit.index},
                     {"value", value(*rows[i])}});
    }
    return out;
  };
  return {{"best", take(best, [](const UnitRow& row) { return *row.f1; })},
          {"polysemantic", take(mixed, [](const UnitRow& row) { return *row.polysemanticity; })}};
}

Reply Overview(const Service& service, const Request& request) {
  const ServedRun& run = service.Run(request.Text("run"));
  Json out = DescribeRun(run, service);
  if (!run.has_store()) return JsonReply(out);
  const auto facts = run.Facts();
  out["hook"] = facts->hook;
  out["manifest"] = facts->manifest;
  out["layers"] = LayersOf(*facts);
  out["scores"] = ScoresByLayer(*run.MeanScores());
  out["polysemanticity"] = PolysemanticityByLayer(*facts);
  out["highlights"] = Highlights(*facts);
  return JsonReply(out);
}

// Columns, as one layer can have many thousand neurons.
Reply LayerMap(const Service& service, const Request& request) {
  const ServedRun& run = service.Run(request.Text("run"));
  const int layer = static_cast<int>(request.Integer("layer", 0, 1'000'000));
  const auto facts = run.Facts();
  const std::map<base::UnitId, double> rates = run.Borrow()->FiringRates(layer);
  Json index = Json::array(), graph = Json::array(), f1 = Json::array(),
       polysemanticity = Json::array(), firing = Json::array();
  for (const UnitRow& row : facts->units) {
    if (row.unit.layer != layer) continue;
    index.push_back(row.unit.index);
    graph.push_back(row.has_graph);
    f1.push_back(NumberOrNull(row.f1));
    polysemanticity.push_back(NumberOrNull(row.polysemanticity));
    const auto rate = rates.find(row.unit);
    firing.push_back(rate == rates.end() ? Json(nullptr) : NumberOrNull(rate->second));
  }
  if (index.empty())
    base::Fail(base::ErrorKind::kNotFound, "{}: has no layer {}", run.name(), layer);
  return JsonReply({{"layer", layer},
                    {"index", index},
                    {"has_graph", graph},
                    {"f1", f1},
                    {"polysemanticity", polysemanticity},
                    {"firing_rate", firing}});
}

Reply RandomNeuron(const Service& service, const Request& request) {
  const ServedRun& run = service.Run(request.Text("run"));
  const auto facts = run.Facts();
  if (facts->graphs.empty())
    base::Fail(base::ErrorKind::kNotFound, "{}: has no graphs yet", run.name());
  const auto seed = static_cast<uint64_t>(request.Integer("seed", 0, 1'000'000'000));
  const uint64_t at = base::Rng(seed, "random neuron", 0).Below(facts->graphs.size());
  const base::UnitId unit = facts->units[facts->graphs[at]].unit;
  return JsonReply({{"layer", unit.layer}, {"index", unit.index}});
}

}  // namespace

void AddRunRoutes(Router& router, Service& service) {
  router.Add("GET", "/api/runs", [&service](const Request&) {
    Json runs = Json::array();
    for (const auto& run : service.runs()) runs.push_back(DescribeRun(*run, service));
    return JsonReply({{"runs", runs}});
  });
  router.Add("GET", "/api/runs/{run}",
             [&service](const Request& request) { return Overview(service, request); });
  router.Add("GET", "/api/runs/{run}/layers/{layer}",
             [&service](const Request& request) { return LayerMap(service, request); });
  router.Add("GET", "/api/runs/{run}/random",
             [&service](const Request& request) { return RandomNeuron(service, request); });
  // The rules of `assay neurons show --html`, so that both look alike.
  router.Add("GET", "/api/style.css", [](const Request&) {
    return Reply{.type = "text/css; charset=utf-8", .body = view::PageCss()};
  });
}

}  // namespace assay::serve
