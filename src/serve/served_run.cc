#include "serve/served_run.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <utility>

namespace assay::serve {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using base::Fail;
using store::RunStore;

constexpr size_t kIdleConnections = 8;

// Entries that only programs read, and which can be as long as the run.
Json ShortManifest(const nlohmann::json& manifest) {
  Json out = Json::object();
  for (const auto& [key, value] : manifest.items()) {
    if (key == "given_examples") continue;
    out[key] = Json(value);
    if (out[key].is_object()) out[key].erase("sampled");
  }
  return out;
}

std::string TextMember(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string PlainName(const fs::path& folder) {
  std::string name = fs::absolute(folder).lexically_normal().filename().string();
  if (name.empty())
    name = fs::absolute(folder).lexically_normal().parent_path().filename().string();
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_' && c != '.') c = '-';
  }
  return name.empty() ? "run" : name;
}

}  // namespace

const UnitRow* RunFacts::Find(base::UnitId unit) const {
  const auto at =
      std::lower_bound(units.begin(), units.end(), unit,
                       [](const UnitRow& row, base::UnitId wanted) { return row.unit < wanted; });
  return at == units.end() || at->unit != unit ? nullptr : &*at;
}

bool RunFacts::IsFaint(const UnitRow& row) const {
  constexpr float kShare = 0.01f;
  const auto layer = layer_maxima.find(row.unit.layer);
  return layer != layer_maxima.end() && row.maximum < kShare * layer->second;
}

void KeepHighest(std::vector<UnitValue>& rows, size_t count) {
  count = std::min(count, rows.size());
  std::partial_sort(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(count), rows.end(),
                    [](const UnitValue& a, const UnitValue& b) {
                      return a.rank != b.rank ? a.rank > b.rank : a.unit < b.unit;
                    });
  rows.resize(count);
  rows.shrink_to_fit();
}

ServedRun::ServedRun(std::string name, fs::path folder)
    : name_(std::move(name)),
      folder_(std::move(folder)),
      report_(folder_),
      pairs_(folder_),
      has_store_(fs::exists(folder_ / "assay.db")) {
  if (!has_store_ && !has_robustness() && !has_pairs()) {
    Fail(ErrorKind::kNotFound, "{}: no run here (neither assay.db nor report.json nor study.html)",
         folder_.string());
  }
  if (has_store_) Borrow();  // an unreadable run is told at the start, not on the page
}

ServedRun::Lease::Lease(const ServedRun& run, std::unique_ptr<RunStore> store, uint64_t file)
    : run_(&run), store_(std::move(store)), file_(file) {}

ServedRun::Lease::~Lease() {
  if (!store_) return;
  const std::lock_guard lock(run_->mutex_);
  if (file_ == run_->idle_file_ && run_->idle_.size() < kIdleConnections)
    run_->idle_.push_back(std::move(store_));
}

ServedRun::Lease ServedRun::Borrow() const {
  if (!has_store_) Fail(ErrorKind::kNotFound, "{}: this run has no neurons", name_);
  const uint64_t file = ReadStamp().file;
  {
    const std::lock_guard lock(mutex_);
    if (file != idle_file_) {  // the run was made anew under our hands
      idle_.clear();
      idle_file_ = file;
    }
    if (!idle_.empty()) {
      auto store = std::move(idle_.back());
      idle_.pop_back();
      return Lease(*this, std::move(store), file);
    }
  }
  auto store = std::make_unique<RunStore>(RunStore::Open(folder_, RunStore::Mode::kRead));
  return Lease(*this, std::move(store), file);
}

FileStamp ServedRun::ReadStamp() const {
  FileStamp stamp = StampOf(folder_ / "assay.db");
  stamp.log = StampOf(folder_ / "assay.db-wal").written;
  return stamp;
}

std::shared_ptr<const RunFacts> ServedRun::Facts() const {
  return facts_.Get([this] { return ReadStamp(); }, [this] { return ReadFacts(); });
}

std::shared_ptr<const ScoreFacts> ServedRun::Scores() const {
  return scores_.Get([this] { return ReadStamp(); }, [this] { return ReadScores(); });
}

ScoreFacts ServedRun::ReadScores() const {
  constexpr double kClear = 0.75;
  const auto facts = Facts();
  const Lease store = Borrow();
  const store::GraphIndex index(*store);
  ScoreFacts out{.means = index.MeanScores(), .best = {}};
  const std::vector<store::UnitF1> lookups = index.F1s("held_out", "token_lookup");
  auto lookup = lookups.begin();  // both lists ascend
  for (const store::UnitF1& graph : index.F1s("held_out", "n2g")) {
    while (lookup != lookups.end() && lookup->unit < graph.unit) ++lookup;
    const bool same = lookup != lookups.end() && lookup->unit == graph.unit;
    if (!graph.f1) continue;
    const UnitRow* row = facts->Find(graph.unit);
    if (row && facts->IsFaint(*row)) continue;
    // Below the clear ones, in the order of F1 itself.
    const double gain = *graph.f1 - (same ? lookup->f1.value_or(0) : 0);
    const double rank =
        *graph.f1 >= kClear ? 1 + gain + (row && row->context ? 1 : 0) : *graph.f1 - 1;
    out.best.push_back({graph.unit, *graph.f1, rank});
  }
  KeepHighest(out.best, kHighlights);
  return out;
}

RunFacts ServedRun::ReadFacts() const {
  const Lease store = Borrow();
  RunFacts facts;
  facts.manifest = ShortManifest(store->WholeManifest());
  const auto model = store->Manifest("model");
  if (model && model->is_object()) {
    facts.model = fs::path(TextMember(*model, "folder")).filename().string();
    if (facts.model.empty()) facts.model = TextMember(*model, "name");
    facts.hook = TextMember(*model, "hook");
    facts.images = TextMember(*model, "type") == "image classifier";
  }
  const bool features = model && model->contains("sae") && !model->at("sae").is_null();
  facts.unit_name = facts.images ? "unit" : features ? "feature" : "neuron";
  facts.token_texts = store->TokenTexts();
  const std::vector<store::UnitF1> graphs = store::GraphIndex(*store).GraphF1s();
  for (const store::UnitMaximum& row : store::GraphIndex(*store).Maxima()) {
    const auto maximum = static_cast<float>(row.maximum);
    facts.units.push_back({.unit = row.unit, .maximum = maximum});
    float& most = facts.layer_maxima.try_emplace(row.unit.layer, maximum).first->second;
    most = std::max(most, maximum);
  }
  if (facts.units.empty()) {
    for (const store::UnitF1& graph : graphs) facts.units.push_back({.unit = graph.unit});
  }
  const auto row = [&](base::UnitId unit) {
    return const_cast<UnitRow*>(std::as_const(facts).Find(unit));
  };
  for (const store::UnitF1& graph : graphs) {
    UnitRow* found = row(graph.unit);
    if (!found) continue;
    found->has_graph = true;
    found->f1 = graph.f1;
    found->context = graph.context_tokens > 0;
    facts.graphs.push_back(static_cast<size_t>(found - facts.units.data()));
  }
  facts.measures = store->GetMeasures();
  for (const store::UnitMeasures& measures : facts.measures) {
    if (UnitRow* found = row(measures.unit)) found->polysemanticity = measures.polysemanticity;
  }
  return facts;
}

std::vector<std::unique_ptr<ServedRun>> OpenRuns(const std::vector<fs::path>& folders) {
  std::vector<std::unique_ptr<ServedRun>> runs;
  std::set<std::string> taken;
  for (const fs::path& folder : folders) {
    const std::string plain = PlainName(folder);
    std::string name = plain;
    for (int copy = 2; !taken.insert(name).second; ++copy)
      name = plain + "-" + std::to_string(copy);
    runs.push_back(std::make_unique<ServedRun>(name, folder));
  }
  return runs;
}

}  // namespace assay::serve
