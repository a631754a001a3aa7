// Runs, the overview of one, and the map of a layer.
#include <algorithm>
#include <map>

#include "base/rng.h"
#include "serve/service.h"
#include "view/score_html.h"
#include "view/style.h"

namespace assay::serve {
namespace {

struct Means {
  double f1 = 0, recall = 0, precision = 0;
  int units = 0, excluded = 0, precision_units = 0;

  // As the paper: the mean of the neurons' values; a graph that predicts nothing has no precision.
  void Add(const store::Score& score) {
    if (!score.excluded.empty()) {
      ++excluded;
      return;
    }
    ++units;
    f1 += (score.f1.value_or(0) - f1) / units;
    recall += (score.recall.value_or(0) - recall) / units;
    if (score.precision) precision += (*score.precision - precision) / ++precision_units;
  }
};

Json ScoresByLayer(const RunFacts& facts) {
  std::map<std::tuple<std::string, int, std::string>, Means> means;
  for (const store::Score& score : facts.scores)
    means[{score.set, score.unit.layer, score.method}].Add(score);
  Json out = Json::array();
  for (const auto& [key, row] : means) {
    const auto& [set, layer, method] = key;
    Json line = {{"set", set},         {"layer", layer},
                 {"method", method},   {"title", view::MethodTitle(method)},
                 {"units", row.units}, {"excluded", row.excluded},
                 {"f1", nullptr},      {"precision", nullptr},
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

// Units of an image classifier (`assay neurons embed --images`), with tiles for examples.
bool IsImageRun(const RunFacts& facts) {
  const Json model = facts.manifest.value("model", Json::object());
  return model.is_object() && model.value("type", "") == "image classifier";
}

Json DescribeRun(const ServedRun& run, const Service& service) {
  Json out = {{"name", run.name()},
              {"model", nullptr},
              {"neurons", run.has_store()},
              {"robustness", run.has_robustness()},
              {"clusters", false},
              {"sae", false},
              {"images", false},
              {"try", run.has_store() && service.work().try_text != nullptr}};
  if (!run.has_store()) return out;
  const auto facts = run.Facts();
  out["model"] = facts->model;
  out["units"] = facts->units.size();
  out["graphs"] = facts->graphs.size();
  out["clusters"] = !facts->measures.empty();
  out["sae"] = facts->manifest.contains("sae_evaluation");
  const Json model = facts->manifest.value("model", Json::object());
  const bool images = IsImageRun(*facts);
  out["images"] = images;
  out["unit_name"] = images ? "unit" : model.contains("sae") ? "feature" : "neuron";
  if (images) out["try"] = false;
  return out;
}

// Held-out F1 of a unit's graph, and of the lookup of single tokens that it must beat.
struct Held {
  std::optional<double> graph, lookup;
};

// Neurons worth a look first: clear graphs whose context tells more than the token alone does, and
// the most polysemantic units of those with enough examples to say so.
Json Highlights(const RunFacts& facts) {
  constexpr double kClear = 0.8;
  constexpr int kEnoughExamples = 10;
  constexpr size_t kShown = 6;
  std::map<base::UnitId, Held> held;
  for (const store::Score& score : facts.scores) {
    if (score.set != "held_out" || !score.excluded.empty()) continue;
    if (score.method == "n2g") held[score.unit].graph = score.f1;
    if (score.method == "token_lookup") held[score.unit].lookup = score.f1;
  }
  struct Place {
    double rank = 0, value = 0;
    base::UnitId unit;
    bool operator<(const Place& other) const {
      return rank != other.rank ? rank > other.rank : unit < other.unit;
    }
  };
  std::vector<Place> best, mixed;
  for (const auto& [unit, f1] : held) {
    if (!f1.graph) continue;
    // Below the clear ones, in the order of F1 itself.
    const bool clear = *f1.graph >= kClear;
    best.push_back(
        {clear ? 1 + *f1.graph - f1.lookup.value_or(0) : *f1.graph - 1, *f1.graph, unit});
  }
  for (const store::UnitMeasures& row : facts.measures) {
    if (row.polysemanticity && row.examples >= kEnoughExamples)
      mixed.push_back({*row.polysemanticity, *row.polysemanticity, row.unit});
  }
  const auto take = [](std::vector<Place>& places) {
    const size_t count = std::min(places.size(), kShown);
    std::partial_sort(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(count),
                      places.end());
    Json out = Json::array();
    for (size_t i = 0; i < count; ++i) {
      out.push_back({{"layer", places[i].unit.layer},
                     {"index", places[i].unit.index},
                     {"value", places[i].value}});
    }
    return out;
  };
  return {{"best", take(best)}, {"polysemantic", take(mixed)}};
}

Reply Overview(const Service& service, const Request& request) {
  const ServedRun& run = service.Run(request.Text("run"));
  Json out = DescribeRun(run, service);
  if (!run.has_store()) return JsonReply(out);
  const auto facts = run.Facts();
  out["hook"] = facts->hook;
  out["manifest"] = facts->manifest;
  out["layers"] = LayersOf(*facts);
  out["scores"] = ScoresByLayer(*facts);
  out["polysemanticity"] = PolysemanticityByLayer(*facts);
  out["highlights"] = Highlights(*facts);
  return JsonReply(out);
}

// Columns, as one layer can have many thousand neurons.
Reply LayerMap(const Service& service, const Request& request) {
  const ServedRun& run = service.Run(request.Text("run"));
  const int layer = static_cast<int>(request.Integer("layer", 0, 1'000'000));
  const auto facts = run.Facts();
  const auto store = run.Borrow();
  Json index = Json::array(), graph = Json::array(), f1 = Json::array(),
       polysemanticity = Json::array(), firing = Json::array();
  for (const UnitRow& row : facts->units) {
    if (row.unit.layer != layer) continue;
    index.push_back(row.unit.index);
    graph.push_back(row.has_graph);
    f1.push_back(NumberOrNull(row.f1));
    polysemanticity.push_back(NumberOrNull(row.polysemanticity));
    const auto stats = store->GetStats(row.unit);
    firing.push_back(stats ? Json(stats->firing_rate) : Json(nullptr));
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
  // Of those with a graph, where there are graphs at all.
  const size_t count = facts->graphs.empty() ? facts->units.size() : facts->graphs.size();
  if (count == 0) base::Fail(base::ErrorKind::kNotFound, "{}: has no units yet", run.name());
  const auto seed = static_cast<uint64_t>(request.Integer("seed", 0, 1'000'000'000));
  const uint64_t at = base::Rng(seed, "random neuron", 0).Below(count);
  const base::UnitId unit = facts->units[facts->graphs.empty() ? at : facts->graphs[at]].unit;
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
