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
              {"pairs", run.has_pairs()},
              {"clusters", false},
              {"sae", false},
              {"images", false},
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
  out["images"] = facts->images;
  out["unit_name"] = facts->unit_name;
  if (facts->images) out["try"] = false;
  return out;
}

// Neurons worth a look first: clear graphs whose context tells more than the token alone does, and
// the most polysemantic units of those with enough examples to say so.
Json Highlights(const RunFacts& facts, const std::vector<UnitValue>& best) {
  constexpr int kEnoughExamples = 10;
  std::vector<UnitValue> mixed;
  for (const store::UnitMeasures& row : facts.measures) {
    const UnitRow* unit = facts.Find(row.unit);
    if (row.polysemanticity && row.examples >= kEnoughExamples && unit && !facts.IsFaint(*unit))
      mixed.push_back({row.unit, *row.polysemanticity, *row.polysemanticity});
  }
  KeepHighest(mixed, kHighlights);
  const auto clusters = [&](base::UnitId unit) {
    const auto row = std::find_if(facts.measures.begin(), facts.measures.end(),
                                  [&](const auto& measures) { return measures.unit == unit; });
    return row == facts.measures.end() ? 0 : row->clusters;
  };
  const auto list = [](const std::vector<UnitValue>& rows) {
    Json out = Json::array();
    for (const UnitValue& row : rows) {
      out.push_back({{"layer", row.unit.layer}, {"index", row.unit.index}, {"value", row.value}});
    }
    return out;
  };
  Json polysemantic = list(mixed);
  for (size_t i = 0; i < mixed.size(); ++i) polysemantic[i]["clusters"] = clusters(mixed[i].unit);
  return {{"best", list(best)}, {"polysemantic", polysemantic}};
}

Reply Overview(const Service& service, const Request& request) {
  const ServedRun& run = service.Run(request.Text("run"));
  Json out = DescribeRun(run, service);
  if (!run.has_store()) return JsonReply(out);
  const auto facts = run.Facts();
  out["hook"] = facts->hook;
  out["manifest"] = facts->manifest;
  out["layers"] = LayersOf(*facts);
  const auto scores = run.Scores();
  out["scores"] = ScoresByLayer(scores->means);
  out["polysemanticity"] = PolysemanticityByLayer(*facts);
  out["highlights"] = Highlights(*facts, scores->best);
  return JsonReply(out);
}

// Columns, as one layer can have many thousand neurons.
Reply LayerMap(const Service& service, const Request& request) {
  const ServedRun& run = service.Run(request.Text("run"));
  const int layer = static_cast<int>(request.Integer("layer", 0, 1'000'000));
  const auto facts = run.Facts();
  const auto store = run.Borrow();
  const std::map<base::UnitId, double> rates = store::GraphIndex(*store).FiringRates(layer);
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
  // Of those with a graph, where there are graphs at all, and of those that are not faint.
  const size_t count = facts->graphs.empty() ? facts->units.size() : facts->graphs.size();
  if (count == 0) base::Fail(base::ErrorKind::kNotFound, "{}: has no units yet", run.name());
  base::Rng rng(static_cast<uint64_t>(request.Integer("seed", 0, 1'000'000'000)), "random neuron",
                0);
  base::UnitId unit;
  for (int draw = 0; draw < 1000; ++draw) {  // then any will do
    const uint64_t at = rng.Below(count);
    const UnitRow& row = facts->units[facts->graphs.empty() ? at : facts->graphs[at]];
    unit = row.unit;
    if (!facts->IsFaint(row)) break;
  }
  return JsonReply({{"layer", unit.layer}, {"index", unit.index}});
}

// The rules of `assay neurons show --html`, so that both look alike, and the quality scale as
// grounds of map squares.
std::string StyleSheet() {
  const auto squares = [](view::Theme theme) {
    std::string css;
    for (int step = 0; step < view::kScaleSteps; ++step) {
      css += "i." + view::ScaleClass(view::Scale::kQuality, step) + ",a." +
             view::ScaleClass(view::Scale::kQuality, step) + "{background:" +
             std::string(view::ScalePaint(view::Scale::kQuality, step, theme).fill) + "}\n";
    }
    return css;
  };
  return view::PageCss() + squares(view::Theme::kLight) + "@media (prefers-color-scheme:dark){\n" +
         squares(view::Theme::kDark) + "}\n";
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
  router.Add("GET", "/api/style.css", [](const Request&) {
    return Reply{.type = "text/css; charset=utf-8", .body = StyleSheet()};
  });
}

}  // namespace assay::serve
