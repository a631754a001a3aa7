// `assay robust train`: a built-in classifier on labelled tiles, plainly or against attacks.
#include <fmt/core.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <set>

#include "app/commands.h"
#include "app/fraction.h"
#include "app/machine.h"
#include "app/option_binding.h"
#include "app/terminal.h"
#include "app/tile_input.h"
#include "base/file.h"
#include "data/slide_tiles.h"
#include "robustness/clean_check.h"
#include "robustness/evaluation_report.h"
#include "robustness/patient_split.h"
#include "robustness/training_method.h"

namespace assay::app {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using base::Fail;

constexpr const char* kCheckpoint = "training.checkpoint";

struct TrainArguments {
  std::string tiles, out, architecture = "cnn", name, task, device = "cpu";
  std::string classes, train_split = "train", validation_split = "val", test_split = "test";
  double validation_share = 0.2, microns_per_pixel = 0;
  bool restart = false, half = false, demonstration = false;
  robustness::ClassifierTrainOptions train;
  robustness::TrainingMethodOptions method;
};

std::vector<std::string> ClassNames(const std::string& list) {
  std::vector<std::string> out;
  for (size_t at = 0; !list.empty() && at <= list.size();) {
    const size_t comma = std::min(list.find(',', at), list.size());
    out.push_back(list.substr(at, comma - at));
    at = comma + 1;
  }
  return out;
}

data::TileDataset OpenSplit(const TrainArguments& arguments, const std::string& split,
                            const data::TileOptions& like) {
  if (data::IsSlide(arguments.tiles)) {
    Fail(ErrorKind::kBadInput,
         "{}: is a whole slide, whose tiles have no labels; assay robust tiles --label cuts tiles "
         "to "
         "train on",
         arguments.tiles);
  }
  data::TileOptions options = like;
  options.split = split;
  return data::TileDataset::Open(arguments.tiles, options, [](const data::TileProblem& problem) {
    fmt::print(stderr, "warning: {}\n", ToString(problem));
  });
}

struct Sets {
  robustness::TileBatch train, validation;
  data::TileOptions options;  // of the test tiles: size and classes
  std::map<std::string, int64_t> splits;
  std::string how_validated, hash;
};

// A split that was asked for by name must be there; only the usual names may be absent.
void CheckSplits(const TrainArguments& arguments, const std::map<std::string, int64_t>& splits) {
  const bool any = splits.size() > (splits.contains("") ? 1U : 0U);
  const TrainArguments usual;
  const auto check = [&](const std::string& name, bool may_lack) {
    if (splits.contains(name) || may_lack) return;
    std::vector<std::string> names;
    for (const auto& [split, tiles] : splits) names.push_back("'" + split + "'");
    Fail(ErrorKind::kBadInput, "{}: no tile is in the split '{}'; there are: {}", arguments.tiles,
         name, fmt::join(names, ", "));
  };
  check(arguments.train_split, !any && arguments.train_split == usual.train_split);
  check(arguments.validation_split, arguments.validation_split == usual.validation_split);
  check(arguments.test_split, arguments.test_split == usual.test_split);
}

Sets ReadSets(const TrainArguments& arguments) {
  Sets sets;
  const model::ImageSpec any;
  data::TileOptions options{.class_names = ClassNames(arguments.classes)};
  // Without any split the whole set trains and validates, and nothing tests.
  const auto splits = OpenSplit(arguments, "", options).splits();
  CheckSplits(arguments, splits);
  const bool has_splits = splits.contains(arguments.train_split);
  auto train = OpenSplit(arguments, has_splits ? arguments.train_split : "", options);
  sets.splits = train.splits();
  sets.train = robustness::ReadAll(train, any);
  sets.hash = train.ContentHash();
  sets.options = {
      .height = train.height(), .width = train.width(), .class_names = train.class_names()};
  if (has_splits && sets.splits.contains(arguments.validation_split)) {
    auto validation = OpenSplit(arguments, arguments.validation_split, sets.options);
    sets.validation = robustness::ReadAll(validation, any);
    sets.how_validated = fmt::format("split '{}'", arguments.validation_split);
    return sets;
  }
  const auto split = robustness::SplitByPatient(sets.train.infos, arguments.validation_share,
                                                arguments.train.seed);
  std::set<std::string> patients;
  for (const int64_t row : split.validation)
    patients.insert(sets.train.infos[static_cast<size_t>(row)].patient);
  sets.how_validated = split.by_patient
                           ? fmt::format("{} of the training patients: {}", patients.size(),
                                         fmt::join(patients, ", "))
                           : std::string("a random part of the tiles, since no patients are named");
  sets.validation = robustness::Rows(sets.train, split.validation);
  sets.train = robustness::Rows(sets.train, split.train);
  return sets;
}

nlohmann::json TrainingJson(const TrainArguments& arguments, const Sets& sets,
                            const robustness::ClassifierTrainer& trainer) {
  nlohmann::json options = base::FieldsToJson(arguments.method);
  options.update(base::FieldsToJson(arguments.train));
  nlohmann::json history = nlohmann::json::array();
  for (const auto& point : trainer.history()) history.push_back(point.ToJson());
  return {{"assay", ASSAY_VERSION},
          {"method", arguments.method.method},
          {"options", options},
          {"tiles", sets.train.infos.size()},
          {"validation", sets.how_validated},
          {"validation_tiles", sets.validation.infos.size()},
          {"tiles_hash", sets.hash},
          {"best_epoch", trainer.best_epoch()},
          {"history", history}};
}

void PrintEpoch(const robustness::EpochPoint& point) {
  std::string perturbed;
  if (point.perturbed_accuracy)
    perturbed = fmt::format(", perturbed {:.4f}", *point.perturbed_accuracy);
  fmt::print(
      "epoch {:3}  train loss {:.4f} accuracy {:.4f}  validation loss {:.4f} accuracy {:.4f}{}  "
      "{:.1f} s\n",
      point.epoch, point.train_loss, point.train_accuracy, point.validation_loss,
      point.validation_accuracy, perturbed, point.seconds);
  std::fflush(stdout);
}

void RunEpochs(const TrainArguments& arguments, const Sets& sets,
               robustness::ClassifierTrainer& trainer) {
  const fs::path out(arguments.out), checkpoint = out / kCheckpoint;
  if (arguments.restart) fs::remove(checkpoint);
  if (fs::exists(checkpoint)) {
    trainer.Restore(checkpoint);
    fmt::print(stderr, "going on after epoch {}\n", trainer.epochs_done());
  }
  const int64_t size = trainer.tiles_per_epoch();
  base::Progress progress("train", "tiles", arguments.train.epochs * size, TerminalProgress(),
                          trainer.epochs_done() * size);
  while (!trainer.Done()) {
    int64_t shown = 0;
    const auto point = trainer.Epoch([&](int64_t done) {
      progress.Add(done - shown);
      shown = done;
    });
    trainer.Save(checkpoint);
    base::WriteFile(out / "history.json", TrainingJson(arguments, sets, trainer).dump(1) + "\n");
    PrintEpoch(point);
  }
  progress.Finish();
}

// The accuracy on the test split of the classifier as it was written.
void DeclareAccuracy(const TrainArguments& arguments, const Sets& sets, const fs::path& file,
                     model::ImageSpec& spec) {
  if (!sets.splits.contains(arguments.test_split)) return;
  auto test = OpenSplit(arguments, arguments.test_split, sets.options);
  const auto classifier = model::LoadImageClassifier(file, arguments.device);
  const auto check = robustness::CheckClean(*classifier, test, 64);
  spec.clean_accuracy = std::round(check.accuracy() * 1e4) / 1e4;
  spec.clean_data = fmt::format("split '{}', {} tiles", arguments.test_split, check.tiles);
  fmt::print("test accuracy {:.4f} ({} tiles)\n", check.accuracy(), check.tiles);
}

void RunTrain(const TrainArguments& arguments) {
  WarnAboutBlas();
  base::ValidateFields(arguments.train);
  base::ValidateFields(arguments.method);
  const Sets sets = ReadSets(arguments);
  const auto statistics = robustness::StatisticsOf(sets.train.images);
  const auto classes = static_cast<int64_t>(sets.options.class_names.size());
  if (classes < 2)
    Fail(ErrorKind::kBadInput, "{}: the tiles have {} class(es); expected 2 or more",
         arguments.tiles, classes);
  model::ImageNetworkConfig config = model::ImageArchitecture(arguments.architecture, classes);
  config.mean = statistics.mean;
  config.std = statistics.std;
  const auto network = std::make_shared<model::ImageNetwork>(config, arguments.train.seed);
  network->To(arguments.device);
  const fs::path out(arguments.out);
  const std::string name = arguments.name.empty()
                               ? fs::absolute(out).lexically_normal().filename().string()
                               : arguments.name;
  model::ImageSpec spec{.name = name,
                        .class_names = sets.options.class_names,
                        .height = sets.options.height,
                        .width = sets.options.width,
                        .any_size = true,
                        .task = arguments.task,
                        .demonstration = arguments.demonstration,
                        .device = arguments.device};
  if (arguments.microns_per_pixel > 0) spec.microns_per_pixel = arguments.microns_per_pixel;
  fmt::print("{} training tiles, {} validation tiles ({}), {} x {} pixels, classes {}\n",
             sets.train.infos.size(), sets.validation.infos.size(), sets.how_validated,
             sets.options.height, sets.options.width, fmt::join(spec.class_names, ", "));
  std::fflush(stdout);
  robustness::TrainingMethod method = robustness::MakeTrainingMethod(
      arguments.method, sets.train.images.size(1), sets.options.height, sets.options.width);
  // A checkpoint belongs to these tiles too.
  for (const auto* batch : {&sets.train, &sets.validation})
    method.description += " " + robustness::HashOf(batch->images, batch->labels);
  robustness::ClassifierTrainer trainer(network, spec, sets.train, sets.validation, arguments.train,
                                        std::move(method));
  fs::create_directories(out);
  RunEpochs(arguments, sets, trainer);
  trainer.TakeBest();
  const fs::path file = out / (name + ".safetensors");
  const nlohmann::json more = {{"training", TrainingJson(arguments, sets, trainer)}};
  model::SaveImageNetwork(*network, spec, file, arguments.half, more);
  DeclareAccuracy(arguments, sets, file, spec);
  model::SaveImageNetwork(*network, spec, file, arguments.half, more);
  fs::remove(out / kCheckpoint);
  fmt::print("epoch {} is the best on validation; wrote {}\n", trainer.best_epoch(), file.string());
}

}  // namespace

void AddRobustTrain(CLI::App& robust) {
  auto arguments = std::make_shared<TrainArguments>();
  CLI::App* command = robust.add_subcommand("train",
                                            "Train a built-in classifier, plainly or against "
                                            "attacks; run again, it goes on from its last "
                                            "epoch");
  TrainArguments& a = *arguments;
  command->add_option("--tiles", a.tiles, "tiles with labels, as for check")->required();
  command->add_option("--out", a.out, "folder to write")->required();
  command->add_option("--architecture", a.architecture, "network")
      ->check(CLI::IsMember(model::ImageArchitectures()))
      ->capture_default_str();
  command->add_option("--name", a.name, "name of the files; the folder's by default");
  command->add_option("--classes", a.classes,
                      "class names in the order of the labels, comma-separated");
  command->add_option("--task", a.task, "what is classified, for the sidecar");
  command->add_option("--train-split", a.train_split, "split to train on")->capture_default_str();
  command
      ->add_option("--validation-split", a.validation_split,
                   "split that picks the epoch; where there is none, training patients do")
      ->capture_default_str();
  command->add_option("--test-split", a.test_split, "split of the declared accuracy")
      ->capture_default_str();
  command
      ->add_option("--validation-share", a.validation_share,
                   "share of the training tiles that validate when no split does")
      ->check(CLI::Range(0.01, 0.9))
      ->capture_default_str();
  command->add_option("--tile-microns-per-pixel", a.microns_per_pixel, "for the sidecar");
  command->add_flag("--half", a.half, "write float16 weights");
  command->add_flag("--demonstration", a.demonstration,
                    "the sidecar says that it is for demonstration only");
  command->add_flag("--restart", a.restart, "do not go on from a checkpoint");
  command->add_option("--device", a.device, "cpu, or cuda where libtorch has it")
      ->capture_default_str();
  BindOptions(*command, a.method, "Method");
  AcceptFraction(*command, "--epsilon");
  AcceptFraction(*command, "--attack-step");
  BindOptions(*command, a.train, "Training");
  command->callback([arguments] { RunTrain(*arguments); });
}

}  // namespace assay::app
