// `assay robust study`: a blinded study of which changes people see, and its score.
#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <set>

#include "app/commands.h"
#include "app/neurons_run.h"
#include "app/option_binding.h"
#include "app/terminal.h"
#include "app/tile_input.h"
#include "base/file.h"
#include "base/hash.h"
#include "data/tile_image.h"
#include "measure/psychometric.h"
#include "robustness/perception_study.h"
#include "view/study_page.h"

namespace assay::app {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using base::Fail;
using nlohmann::json;

struct MakeArguments {
  TileArguments tiles;
  std::string out, key;
  robustness::StudyOptions options;
};

void RunMake(const MakeArguments& arguments) {
  const auto model = OpenClassifier(arguments.tiles);
  model::CheckDifferentiable(*model);  // gradients are all that it works by
  data::TileDataset dataset = OpenTiles(arguments.tiles, model->spec());
  std::vector<data::Tile> tiles;
  for (const int64_t i : LabelledTiles(dataset, arguments.tiles.tiles)) {
    if (auto tile = dataset.Read(i)) tiles.push_back(std::move(*tile));
  }
  if (tiles.empty())
    Fail(ErrorKind::kBadInput, "{}: no labelled tile is usable", arguments.tiles.tiles);
  const auto pairs = robustness::MakeStudy(*model, robustness::ToBatch(tiles), arguments.options);
  const fs::path out = arguments.out;
  // Beside the folder, not in it: the folder goes to the observers.
  const fs::path key = arguments.key.empty()
                           ? fs::path(out.lexically_normal().string() + ".key.json")
                           : fs::path(arguments.key);
  view::StudyPage page;
  json rows = json::array();
  for (size_t i = 0; i < pairs.size(); ++i) {
    const robustness::StudyPair& pair = pairs[i];
    const std::string left = data::EncodePng(pair.first), right = data::EncodePng(pair.second);
    base::WriteFile(out / "pairs" / fmt::format("{:04}-1.png", i + 1), left);
    base::WriteFile(out / "pairs" / fmt::format("{:04}-2.png", i + 1), right);
    page.pairs.emplace_back(left, right);
    rows.push_back({{"trial", i + 1},
                    {"altered", pair.altered_first ? 1 : 2},
                    {"level", pair.level},
                    {"tile", pair.tile},
                    {"rmse_grey", pair.rmse_grey},
                    {"ssim", pair.ssim},
                    {"delta_e", pair.delta_e}});
  }
  page.name = "study-" + base::HashText(rows.dump()).substr(0, 8);
  base::WriteFile(out / "study.html", view::WriteStudyPage(page));
  json about = json({{"study", page.name},
                     {"model", model->spec().name},
                     {"options", base::FieldsToJson(arguments.options)},
                     {"created_at", TimeNow()},
                     {"unit", "largest change, grey levels"},
                     {"trials", rows}});
  about.update(ProblemsJson(dataset));
  base::WriteFile(key, about.dump(1) + "\n");
  fmt::print("{} pairs in {}\nkey (keep it from the observers): {}\n{}\n", pairs.size(),
             (out / "study.html").string(), key.string(), DescribeProblems(dataset));
}

struct ScoreArguments {
  std::string key, json;
  std::vector<std::string> answers;
  double most_lapse = 0.06;
};

struct Answer {
  int64_t trial = 0, choice = 0;
};

std::vector<Answer> ReadAnswers(const fs::path& file, const std::string& study) {
  std::vector<Answer> out;
  std::set<int64_t> seen;
  const std::string text = base::ReadFile(file);
  size_t line = 0, begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string row = text.substr(begin, end - begin);
    begin = end + 1;
    ++line;
    if (row.empty() || row.starts_with("study,")) continue;
    std::vector<std::string> cells(1);
    for (const char c : row) {
      if (c == ',') {
        cells.emplace_back();
      } else if (c != '\r') {
        cells.back() += c;
      }
    }
    const auto number = [&](size_t column) {
      if (cells.size() < 3 || cells[column].empty() || cells[column].size() > 9 ||
          cells[column].find_first_not_of("0123456789") != std::string::npos) {
        Fail(ErrorKind::kBadInput,
             "{}: line {} is '{}'; expected study,trial,choice,milliseconds,person", file.string(),
             line, row);
      }
      return std::stoll(cells[column]);
    };
    const Answer answer{number(1), number(2)};
    if (cells[0] != study) {
      Fail(ErrorKind::kBadInput, "{}: line {} is of {}; the key is of {}", file.string(), line,
           cells[0], study);
    }
    if (answer.choice != 1 && answer.choice != 2)
      Fail(ErrorKind::kBadInput, "{}: line {}: choice {}; expected 1 or 2", file.string(), line,
           answer.choice);
    if (!seen.insert(answer.trial).second)
      Fail(ErrorKind::kBadInput, "{}: trial {} is answered twice", file.string(), answer.trial);
    out.push_back(answer);
  }
  if (out.empty()) Fail(ErrorKind::kBadInput, "{}: no answers", file.string());
  return out;
}

// "below 2" or "above 16" where the threshold lies outside the levels that were shown, and the
// fitted value is the form of the curve, not an observation; else empty. rows: by rising level.
std::string BeyondLevels(double threshold, const std::vector<measure::LevelAnswers>& rows) {
  if (threshold < rows.front().level) return fmt::format("below {:g}", rows.front().level);
  if (threshold > rows.back().level) return fmt::format("above {:g}", rows.back().level);
  return "";
}

void RunScore(const ScoreArguments& arguments) {
  const json key = base::ReadJson(arguments.key);
  struct Truth {
    int64_t altered;
    double level, ssim, delta_e;
  };
  std::map<int64_t, Truth> truth;
  std::string study;
  try {
    study = key.at("study").get<std::string>();
    for (const json& row : key.at("trials")) {
      truth[row.at("trial").get<int64_t>()] = {
          row.at("altered").get<int64_t>(), row.at("level").get<double>(),
          row.at("ssim").get<double>(), row.at("delta_e").get<double>()};
    }
  } catch (const json::exception& error) {
    Fail(ErrorKind::kBadInput, "{}: is no key of a study: {}", arguments.key, error.what());
  }
  std::map<double, measure::LevelAnswers> levels;
  std::map<double, std::pair<double, double>> proxies;  // sums of SSIM and colour difference
  for (const std::string& file : arguments.answers) {
    for (const Answer& answer : ReadAnswers(file, study)) {
      const auto found = truth.find(answer.trial);
      if (found == truth.end())
        Fail(ErrorKind::kBadInput, "{}: trial {} is not in the key", file, answer.trial);
      measure::LevelAnswers& level = levels[found->second.level];
      level.level = found->second.level;
      ++level.trials;
      level.correct += answer.choice == found->second.altered ? 1 : 0;
      proxies[level.level].first += found->second.ssim;
      proxies[level.level].second += found->second.delta_e;
    }
  }
  std::vector<measure::LevelAnswers> rows;
  std::vector<std::vector<std::string>> table = {
      {"level", "trials", "correct", "share", "fitted", "SSIM", "colour difference"}};
  for (const auto& [value, level] : levels) rows.push_back(level);
  const measure::PsychometricFit fit = measure::FitPsychometric(rows, arguments.most_lapse);
  json out_levels = json::array();
  for (const measure::LevelAnswers& row : rows) {
    const double n = static_cast<double>(row.trials);
    const double share = static_cast<double>(row.correct) / n;
    const double ssim = proxies[row.level].first / n, delta_e = proxies[row.level].second / n;
    table.push_back({fmt::format("{:g}", row.level), std::to_string(row.trials),
                     std::to_string(row.correct), fmt::format("{:.3f}", share),
                     fmt::format("{:.3f}", fit.function.At(row.level)), fmt::format("{:.4f}", ssim),
                     fmt::format("{:.2f}", delta_e)});
    out_levels.push_back({{"level", row.level},
                          {"trials", row.trials},
                          {"correct", row.correct},
                          {"ssim", ssim},
                          {"delta_e", delta_e}});
  }
  const auto bound = [](std::optional<double> value) {
    return value ? fmt::format("{:.3g}", *value) : std::string("open");
  };
  fmt::print("{}", FormatTable(table));
  const std::string beyond = BeyondLevels(fit.threshold, rows);
  fmt::print("threshold (75% correct): {} grey levels, 95% {} to {}; slope {:.2f}, lapse {:.3f}\n",
             beyond.empty() ? fmt::format("{:.3g}", fit.threshold) : beyond, bound(fit.low),
             bound(fit.high), fit.function.slope, fit.function.lapse);
  if (!beyond.empty())
    fmt::print("no level tried reaches that far: the study bounds the threshold on one side\n");
  if (!fit.above_chance)
    fmt::print("these answers do not differ from guessing: the threshold means nothing\n");
  if (arguments.json.empty()) return;
  const auto number = [](std::optional<double> value) {
    return value ? json(*value) : json(nullptr);
  };
  base::WriteFile(arguments.json, json({{"study", study},
                                        {"threshold", fit.threshold},
                                        {"threshold_beyond_levels", beyond},
                                        {"low", number(fit.low)},
                                        {"high", number(fit.high)},
                                        {"slope", fit.function.slope},
                                        {"lapse", fit.function.lapse},
                                        {"above_chance", fit.above_chance},
                                        {"trials", fit.trials},
                                        {"levels", out_levels}})
                                          .dump(1) +
                                      "\n");
}

}  // namespace

void AddRobustStudy(CLI::App& robust) {
  CLI::App* study = robust.add_subcommand("study", "Which changes do people see?");
  study->require_subcommand(1);
  auto make = std::make_shared<MakeArguments>();
  CLI::App* make_command = study->add_subcommand(
      "make", "Pairs of a tile and an attacked copy, a page to answer on, and the key apart");
  AddTileArguments(*make_command, make->tiles);
  make_command->add_option("--out", make->out, "folder for the observers")->required();
  make_command->add_option("--key", make->key, "file of the key; absent: beside the folder");
  BindOptions(*make_command, make->options, "Study");
  make_command->callback([make] { RunMake(*make); });
  auto score = std::make_shared<ScoreArguments>();
  CLI::App* score_command =
      study->add_subcommand("score", "Threshold of visibility from answers, with its interval");
  score_command->add_option("--key", score->key, "key of the study")->required();
  score_command->add_option("--answers", score->answers, "files that the page saved")->required();
  score_command->add_option("--json", score->json, "write the figures to this file too");
  score_command
      ->add_option("--most-lapse", score->most_lapse, "largest share of slips that is fitted")
      ->check(CLI::Range(0.0, 0.19))
      ->capture_default_str();
  score_command->callback([score] { RunScore(*score); });
}

}  // namespace assay::app
