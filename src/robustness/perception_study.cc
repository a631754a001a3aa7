#include "robustness/perception_study.h"

#include <ATen/ATen.h>

#include <charconv>

#include "base/rng.h"
#include "robustness/attack_run.h"
#include "robustness/energy.h"
#include "robustness/evaluation_plan.h"

namespace assay::robustness {
namespace {

std::vector<int> ParseLevels(const std::string& text) {
  std::vector<int> levels;
  for (const std::string& word : SplitNames(text)) {
    int level = 0;
    const auto end = word.data() + word.size();
    const auto [at, error] = std::from_chars(word.data(), end, level);
    if (error != std::errc() || at != end || level < 1 || level > 255) {
      base::Fail(base::ErrorKind::kUsage,
                 "--levels has '{}'; expected whole grey levels from 1 to 255", word);
    }
    levels.push_back(level);
  }
  if (levels.size() < 2)
    base::Fail(base::ErrorKind::kUsage, "--levels '{}': two levels or more are needed", text);
  return levels;
}

}  // namespace

std::vector<StudyPair> MakeStudy(const model::ImageClassifier& model, const TileBatch& tiles,
                                 const StudyOptions& options) {
  base::ValidateFields(options);
  const std::vector<int> levels = ParseLevels(options.levels);
  const int64_t count = tiles.labels.size(0);
  base::Rng rng(options.seed, "perception study");
  // Each level starts at another tile, so that tiles and levels do not go together.
  std::vector<int64_t> order(static_cast<size_t>(count));
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  rng.Shuffle(order);
  std::vector<StudyPair> pairs;
  size_t next = 0;
  for (const int level : levels) {
    std::vector<int64_t> rows;
    for (int i = 0; i < options.trials; ++i) rows.push_back(order[next++ % order.size()]);
    const at::Tensor which = at::tensor(rows, at::kLong);
    const AttackInput input{.images = tiles.images.index_select(0, which),
                            .labels = tiles.labels.index_select(0, which)};
    AttackOptions attack{.attack = "pgd",
                         .objective = "margin",
                         .epsilon = level / 255.0,
                         .steps = options.steps,
                         .early_stop = false,
                         .seed = options.seed};
    const AttackResult result = RunAttackInBatches(*MakeAttack(attack), model, input, 64).result;
    const at::Tensor stored = ThroughPng(result.images);
    const ImageEnergies energies = MeasureEnergies(input.images, stored);
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto place = static_cast<int64_t>(i);
      StudyPair pair{.tile = tiles.infos[static_cast<size_t>(rows[i])].name,
                     .level = static_cast<double>(level),
                     .altered_first = rng.Below(2) == 0,
                     .first = ToTile(input.images[place]),
                     .second = ToTile(stored[place]),
                     .rmse_grey = 255 * energies.rmse[place].item<double>(),
                     .ssim = energies.ssim[place].item<double>(),
                     .delta_e = energies.delta_e[place].item<double>()};
      if (pair.altered_first) std::swap(pair.first, pair.second);
      pairs.push_back(std::move(pair));
    }
  }
  rng.Shuffle(pairs);
  return pairs;
}

}  // namespace assay::robustness
