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

constexpr size_t kIdleConnections = 16;

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

ServedRun::ServedRun(std::string name, fs::path folder)
    : name_(std::move(name)),
      folder_(std::move(folder)),
      has_store_(fs::exists(folder_ / "assay.db")) {
  if (!has_store_ && !has_robustness()) {
    Fail(ErrorKind::kNotFound, "{}: no run here (neither assay.db nor report.json)",
         folder_.string());
  }
  if (has_store_) Borrow();  // an unreadable run is told at the start, not on the page
}

bool ServedRun::has_robustness() const { return fs::exists(folder_ / "report.json"); }

ServedRun::Lease::Lease(const ServedRun& run, std::unique_ptr<RunStore> store)
    : run_(&run), store_(std::move(store)) {}

ServedRun::Lease::~Lease() {
  if (!store_) return;
  const std::lock_guard lock(run_->mutex_);
  if (run_->idle_.size() < kIdleConnections) run_->idle_.push_back(std::move(store_));
}

ServedRun::Lease ServedRun::Borrow() const {
  if (!has_store_) Fail(ErrorKind::kNotFound, "{}: this run has no neurons", name_);
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto store = std::move(idle_.back());
      idle_.pop_back();
      return Lease(*this, std::move(store));
    }
  }
  return Lease(*this, std::make_unique<RunStore>(RunStore::Open(folder_, RunStore::Mode::kRead)));
}

ServedRun::Stamp ServedRun::ReadStamp() const {
  std::error_code absent;
  return {fs::last_write_time(folder_ / "assay.db", absent),
          fs::last_write_time(folder_ / "assay.db-wal", absent)};
}

std::shared_ptr<const RunFacts> ServedRun::Facts() const {
  const std::lock_guard lock(facts_mutex_);
  const Stamp now = ReadStamp();
  const auto start = std::chrono::steady_clock::now();
  if (!facts_ || (now != stamp_ && start >= next_read_)) {
    facts_ = ReadFacts();
    stamp_ = now;
    const auto end = std::chrono::steady_clock::now();
    next_read_ = end + std::chrono::seconds(1) + 20 * (end - start);
  }
  return facts_;
}

std::shared_ptr<const RunFacts> ServedRun::ReadFacts() const {
  const Lease store = Borrow();
  auto facts = std::make_shared<RunFacts>();
  facts->manifest = ShortManifest(store->WholeManifest());
  if (const auto model = store->Manifest("model")) {
    facts->model = fs::path(model->value("folder", "")).filename().string();
    facts->hook = model->value("hook", "");
  }
  facts->token_texts = store->TokenTexts();
  const std::vector<base::UnitId> with_graph = store->UnitsWithGraph();
  std::vector<base::UnitId> units = store->UnitsWithStats();
  if (units.empty()) units = with_graph;
  for (const base::UnitId unit : units) facts->units.push_back({.unit = unit});
  const auto row = [&](base::UnitId unit) {
    return const_cast<UnitRow*>(std::as_const(*facts).Find(unit));
  };
  for (const base::UnitId unit : with_graph) {
    UnitRow* found = row(unit);
    if (!found) continue;
    found->has_graph = true;
    facts->graphs.push_back(static_cast<size_t>(found - facts->units.data()));
  }
  for (const std::string& set : store->ScoreSets()) {
    for (store::Score& score : store->GetScores(set)) {
      if (UnitRow* found = set == "held_out" && score.method == "n2g" ? row(score.unit) : nullptr)
        found->f1 = score.f1;
      facts->scores.push_back(std::move(score));
    }
  }
  facts->measures = store->GetMeasures();
  for (const store::UnitMeasures& measures : facts->measures) {
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
