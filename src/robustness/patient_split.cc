#include "robustness/patient_split.h"

#include <algorithm>
#include <map>
#include <string>

#include "base/error.h"
#include "base/rng.h"

namespace assay::robustness {
namespace {

constexpr int kDraws = 64;
constexpr double kEnough = 0.6;  // of the share asked for, in every class

// The share of the class that has the smallest one in the validation part.
double LeastShare(const std::vector<data::TileInfo>& infos,
                  const std::vector<int64_t>& validation) {
  std::map<int64_t, double> all, part;
  for (const data::TileInfo& info : infos) ++all[info.label];
  for (const int64_t row : validation) ++part[infos[static_cast<size_t>(row)].label];
  double least = 1;
  for (const auto& [label, count] : all) least = std::min(least, part[label] / count);
  return least;
}

}  // namespace

PatientSplit SplitByPatient(const std::vector<data::TileInfo>& infos, double share, uint64_t seed) {
  std::map<std::string, std::vector<int64_t>> rows_of;
  bool named = false;
  for (size_t i = 0; i < infos.size(); ++i) {
    named = named || !infos[i].patient.empty();
    const std::string patient =
        infos[i].patient.empty() ? "tile " + infos[i].name : "patient " + infos[i].patient;
    rows_of[patient].push_back(static_cast<int64_t>(i));
  }
  if (rows_of.size() < 2) {
    base::Fail(base::ErrorKind::kBadInput,
               "the training tiles are of one patient; a validation split needs two or more");
  }
  std::vector<std::string> patients;
  for (const auto& [patient, rows] : rows_of) patients.push_back(patient);
  base::Rng rng(seed, "validation patients");
  const double wanted = share * static_cast<double>(infos.size());
  PatientSplit best{.by_patient = named};
  double least = -1;
  // Classes may be whole patients, and a part with one class only would choose the epoch badly: the
  // first draw with enough of each, or else the one that comes nearest.
  for (int draw = 0; draw < kDraws && least < share * kEnough; ++draw) {
    rng.Shuffle(patients);
    PatientSplit split{.by_patient = named};
    for (size_t i = 0; i < patients.size(); ++i) {
      const auto& rows = rows_of.at(patients[i]);
      const bool last = i + 1 == patients.size();
      const bool validates =
          !last && (i == 0 || static_cast<double>(split.validation.size() + rows.size()) <= wanted);
      auto& part = validates ? split.validation : split.train;
      part.insert(part.end(), rows.begin(), rows.end());
    }
    const double found = LeastShare(infos, split.validation);
    if (found <= least) continue;
    least = found;
    best = std::move(split);
  }
  std::sort(best.train.begin(), best.train.end());
  std::sort(best.validation.begin(), best.validation.end());
  return best;
}

}  // namespace assay::robustness
