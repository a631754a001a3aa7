#include "robustness/perception_study.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

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

int LargestChange(const data::Tile& a, const data::Tile& b) {
  int largest = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i)
    largest = std::max(largest, std::abs(int{a.pixels[i]} - int{b.pixels[i]}));
  return largest;
}

// The change, made larger until its largest value is `level` grey levels; a change that is nothing
// stays nothing.
at::Tensor ScaledTo(const at::Tensor& images, const at::Tensor& altered, int level) {
  const at::Tensor change = altered - images;
  const at::Tensor largest = change.abs().amax({1, 2, 3}, true).clamp_min(1e-12);
  return at::clamp(images + change * ((level / 255.0) / largest), 0, 1);
}

// Copies of these tiles, attacked within the level, as 8 bits hold them. Steps go on where the
// answer was wrong from the start, so that these tiles change as well.
at::Tensor AttackedCopies(const model::ImageClassifier& model, const AttackInput& input, int level,
                          const StudyOptions& options) {
  const AttackOptions attack{.attack = "pgd",
                             .objective = "margin",
                             .epsilon = level / 255.0,
                             .steps = options.steps,
                             .last_iterate = true,
                             .seed = options.seed};
  const AttackResult result = RunInBatches(*MakeAttack(attack), model, input, 64);
  return ThroughPng(ScaledTo(input.images, result.images, level));
}

// Hands out tiles as evenly as possible, in a random order that goes on from level to level, so
// that tiles and levels do not go together.
class TileOrder {
 public:
  TileOrder(int64_t tiles, base::Rng& rng) : order_(static_cast<size_t>(tiles)) {
    for (size_t i = 0; i < order_.size(); ++i) order_[i] = static_cast<int64_t>(i);
    rng.Shuffle(order_);
  }
  int64_t Next() { return order_[next_++ % order_.size()]; }

 private:
  std::vector<int64_t> order_;
  size_t next_ = 0;
};

// `trials` pairs whose altered tile, as stored, differs by the level exactly. Tiles that cannot (a
// gradient that is zero, values at the end of the range) make way for others.
std::vector<StudyPair> PairsOfLevel(const model::ImageClassifier& model, const TileBatch& tiles,
                                    int level, const StudyOptions& options, TileOrder& order) {
  std::vector<StudyPair> pairs;
  const auto wanted = static_cast<size_t>(options.trials);
  int64_t refused = 0;  // since the last that could
  while (pairs.size() < wanted) {
    std::vector<int64_t> rows;
    for (size_t i = pairs.size(); i < wanted; ++i) rows.push_back(order.Next());
    const at::Tensor which = at::tensor(rows, at::kLong);
    const AttackInput input{.images = tiles.images.index_select(0, which),
                            .labels = tiles.labels.index_select(0, which)};
    const at::Tensor stored = AttackedCopies(model, input, level, options);
    const ImageEnergies energies = MeasureEnergies(input.images, stored);
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto place = static_cast<int64_t>(i);
      StudyPair pair{.tile = tiles.infos[static_cast<size_t>(rows[i])].name,
                     .level = static_cast<double>(level),
                     .first = ToTile(input.images[place]),
                     .second = ToTile(stored[place]),
                     .rmse_grey = 255 * energies.rmse[place].item<double>(),
                     .ssim = energies.ssim[place].item<double>(),
                     .delta_e = energies.delta_e[place].item<double>()};
      if (LargestChange(pair.first, pair.second) == level) {
        pairs.push_back(std::move(pair));
        refused = 0;
      } else if (++refused >= tiles.labels.size(0)) {
        base::Fail(base::ErrorKind::kBadInput,
                   "the attack changes none of {} tiles by {} grey levels; a study needs other "
                   "tiles or another model",
                   tiles.labels.size(0), level);
      }
    }
  }
  return pairs;
}

}  // namespace

std::vector<StudyPair> MakeStudy(const model::ImageClassifier& model, const TileBatch& tiles,
                                 const StudyOptions& options) {
  base::ValidateFields(options);
  const std::vector<int> levels = ParseLevels(options.levels);
  base::Rng rng(options.seed, "perception study");
  TileOrder order(tiles.labels.size(0), rng);
  std::vector<StudyPair> pairs;
  for (const int level : levels) {
    for (StudyPair& pair : PairsOfLevel(model, tiles, level, options, order)) {
      pair.altered_first = rng.Below(2) == 0;
      if (pair.altered_first) std::swap(pair.first, pair.second);
      pairs.push_back(std::move(pair));
    }
  }
  rng.Shuffle(pairs);
  return pairs;
}

}  // namespace assay::robustness
