#include "data/tile_dataset.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "data/slide_tiles.h"
#include "data/tile_source.h"

namespace assay::data {
namespace fs = std::filesystem;
namespace {

using base::ErrorKind;
using base::Fail;

// The options of the tiles say how a slide is cut.
std::unique_ptr<TileSource> OpenSlideSource(const fs::path& file, const TileOptions& options) {
  if (options.height == 0 || options.height != options.width || options.channels != 3) {
    Fail(
        ErrorKind::kUsage,
        "{}: is a whole slide, whose tiles are square and RGB; {} x {} with {} channels were asked "
        "for{}",
        file.string(), options.height, options.width, options.channels,
        options.height == 0 ? " (no size is declared; cut it with assay robust tiles)" : "");
  }
  if (options.microns_per_pixel == 0) {
    Fail(ErrorKind::kUsage,
         "{}: is a whole slide, and the classifier does not declare the microns per pixel of its "
         "tiles; give --mpp",
         file.string());
  }
  return OpenSlideTiles(file, {.microns_per_pixel = options.microns_per_pixel,
                               .tile_px = options.height,
                               .slide_microns_per_pixel = options.slide_microns_per_pixel});
}

std::unique_ptr<TileSource> OpenSource(const fs::path& path, const TileOptions& options) {
  std::error_code code;
  if (!fs::exists(path, code))
    Fail(ErrorKind::kNotFound, "{}: no such file or folder", path.string());
  if (fs::is_directory(path, code)) {
    for (const char* name : {"manifest.csv", "labels.csv"}) {
      if (fs::exists(path / name, code)) return OpenManifest(path / name);
    }
    if (fs::exists(path / "images.npy", code)) return OpenNumpy(path / "images.npy");
    return OpenClassFolders(path);
  }
  const std::string extension = path.extension().string();
  if (extension == ".csv") return OpenManifest(path);
  if (extension == ".npz" || extension == ".npy") return OpenNumpy(path);
  if (extension == ".h5" || extension == ".hdf5") return OpenHdf5(path);
  if (IsSlide(path)) return OpenSlideSource(path, options);
  Fail(ErrorKind::kBadInput,
       "{}: no layout of tiles that is known; expected a folder, .csv, .npz, .npy, .h5 or a whole "
       "slide that OpenSlide knows",
       path.string());
}

// The whole of the text as a number >= 0.
std::optional<int64_t> ToIndex(const std::string& text) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end || value < 0) return std::nullopt;
  return value;
}

// The classes that the labels themselves speak of: numbers, or sorted names.
std::vector<std::string> ClassesOf(const std::vector<SourceEntry>& entries) {
  constexpr int64_t kMostClasses = 100000;
  std::set<std::string> names;
  for (const SourceEntry& entry : entries) {
    if (entry.label) names.insert(*entry.label);
  }
  int64_t largest = -1;
  for (const std::string& name : names) {
    const auto index = ToIndex(name);
    if (!index || *index >= kMostClasses) return {names.begin(), names.end()};
    largest = std::max(largest, *index);
  }
  std::vector<std::string> out;
  for (int64_t i = 0; i <= largest; ++i) out.push_back(fmt::format("class {}", i));
  return out;
}

}  // namespace

std::string_view TileProblemKindName(TileProblemKind kind) {
  switch (kind) {
    case TileProblemKind::kUnreadable:
      return "unreadable";
    case TileProblemKind::kTruncated:
      return "truncated";
    case TileProblemKind::kWrongSize:
      return "wrong size";
    case TileProblemKind::kDeepColour:
      return "not 8 bit";
    case TileProblemKind::kAlpha:
      return "alpha";
    case TileProblemKind::kGrey:
      return "grey";
    case TileProblemKind::kColour:
      return "coloured";
    case TileProblemKind::kCmyk:
      return "CMYK";
    case TileProblemKind::kBadLabel:
      return "bad label";
  }
  return "";
}

std::string ToString(const TileProblem& problem) {
  return fmt::format("{}: {}: {}", problem.tile, TileProblemKindName(problem.kind),
                     problem.message);
}

TileDataset TileDataset::Open(const fs::path& path, const TileOptions& options,
                              TileReporter report) {
  base::ValidateFields(options);
  return FromSource(OpenSource(path, options), options, path.string(), std::move(report));
}

TileDataset TileDataset::FromSource(std::unique_ptr<TileSource> source, const TileOptions& options,
                                    const std::string& where, TileReporter report) {
  base::ValidateFields(options);
  if (options.channels != 1 && options.channels != 3)
    Fail(ErrorKind::kUsage, "tiles of {} channels were asked for; expected 1 or 3",
         options.channels);
  TileDataset dataset(std::move(source), options, std::move(report));
  if (dataset.source_->entries().empty()) Fail(ErrorKind::kBadInput, "{}: holds no tile", where);
  dataset.CheckPatients(where);
  dataset.KeepSplit(where);
  dataset.ResolveLabels(where);
  dataset.states_.assign(dataset.infos_.size(), State::kNew);
  return dataset;
}

TileDataset::TileDataset(std::unique_ptr<TileSource> source, const TileOptions& options,
                         TileReporter report)
    : source_(std::move(source)), options_(options), report_(std::move(report)) {}
TileDataset::TileDataset(TileDataset&&) noexcept = default;
TileDataset& TileDataset::operator=(TileDataset&&) noexcept = default;
TileDataset::~TileDataset() = default;

// Over all splits, whichever is asked for: a leak spoils the model, not only the figure.
void TileDataset::CheckPatients(const std::string& where) const {
  for (const auto& [what, member] :
       {std::pair{"patient", &TileInfo::patient}, std::pair{"slide", &TileInfo::slide}}) {
    std::map<std::string, std::string> split_of;
    for (const SourceEntry& entry : source_->entries()) {
      const std::string& name = entry.info.*member;
      if (name.empty() || entry.info.split.empty()) continue;
      const auto [place, is_new] = split_of.try_emplace(name, entry.info.split);
      if (!is_new && place->second != entry.info.split) {
        Fail(ErrorKind::kBadInput, "{}: {} '{}' is in the splits '{}' and '{}' ({})", where, what,
             name, place->second, entry.info.split, entry.info.name);
      }
    }
  }
}

void TileDataset::KeepSplit(const std::string& where) {
  const auto& entries = source_->entries();
  for (size_t i = 0; i < entries.size(); ++i) {
    ++splits_[entries[i].info.split];
    if (options_.split.empty() || entries[i].info.split == options_.split) {
      infos_.push_back(entries[i].info);
      places_.push_back(i);
    }
  }
  if (!infos_.empty()) return;
  std::vector<std::string> names;
  for (const auto& [name, count] : splits_)
    names.push_back(fmt::format("{} ({} tiles)", name.empty() ? "no name" : name, count));
  Fail(ErrorKind::kUsage, "{}: the split '{}' is empty; there are: {}", where, options_.split,
       fmt::join(names, ", "));
}

void TileDataset::ResolveLabels(const std::string& where) {
  if (options_.class_names.empty()) options_.class_names = ClassesOf(source_->entries());
  const auto& classes = options_.class_names;
  std::map<std::string, int64_t> index_of;
  for (size_t i = 0; i < classes.size(); ++i) index_of[classes[i]] = static_cast<int64_t>(i);
  std::vector<TileInfo> infos;
  std::vector<size_t> places;
  for (size_t i = 0; i < infos_.size(); ++i) {
    const auto& label = source_->entries()[places_[i]].label;
    if (const auto& reason = source_->entries()[places_[i]].unusable) {
      ++counts_.left_out;
      ReportOnce({infos_[i].name, TileProblemKind::kBadLabel, true, *reason + "; left out"});
      continue;
    }
    if (label) {
      const auto named = index_of.find(*label);
      const auto number = ToIndex(*label);
      if (named != index_of.end()) {
        infos_[i].label = named->second;
      } else if (number && *number < static_cast<int64_t>(classes.size())) {
        infos_[i].label = *number;
      } else {
        ++counts_.left_out;
        ReportOnce({infos_[i].name, TileProblemKind::kBadLabel, true,
                    fmt::format("'{}' is none of the {} classes ({}); left out", *label,
                                classes.size(), fmt::join(classes, ", "))});
        continue;
      }
    }
    infos.push_back(std::move(infos_[i]));
    places.push_back(places_[i]);
  }
  infos_ = std::move(infos);
  places_ = std::move(places);
  if (infos_.empty())
    Fail(ErrorKind::kBadInput, "{}: no tile has a usable label; the first problem: {}", where,
         ToString(problems_.front()));
}

void TileDataset::ReportOnce(const TileProblem& problem) {
  ++counts_.problems[problem.kind];
  if (problems_.size() < kMaxKeptProblems) problems_.push_back(problem);
  if (report_) report_(problem);
}

void TileDataset::Report(size_t index, const TileProblem& problem) {
  if (states_[index] == State::kNew) ReportOnce(problem);
}

std::optional<Tile> TileDataset::Read(int64_t index) {
  const TileInfo& about = info(index);
  const auto at = static_cast<size_t>(index);
  if (states_[at] == State::kLeftOut) return std::nullopt;
  std::vector<TileProblem> conversions;
  try {
    Tile tile = ConvertTile(source_->Read(places_[at]),
                            {.height = options_.height,
                             .width = options_.width,
                             .channels = options_.channels,
                             .resize = options_.other_size == "resize"},
                            &conversions);
    static_cast<TileInfo&>(tile) = about;
    for (TileProblem& conversion : conversions) {
      conversion.tile = about.name;
      Report(at, conversion);
    }
    if (states_[at] == State::kNew) {
      ++counts_.read;
      if (!conversions.empty()) ++counts_.converted;
    }
    states_[at] = State::kRead;
    if (options_.height == 0) options_.height = tile.height;
    if (options_.width == 0) options_.width = tile.width;
    return tile;
  } catch (const TileError& error) {
    Report(at, {about.name, error.kind(), true, fmt::format("{}; left out", error.what())});
    ++counts_.left_out;
    states_[at] = State::kLeftOut;
    return std::nullopt;
  }
}

std::vector<Tile> TileDataset::ReadAll() {
  std::vector<Tile> tiles;
  for (int64_t i = 0; i < size(); ++i) {
    if (auto tile = Read(i)) tiles.push_back(std::move(*tile));
  }
  if (tiles.empty())
    Fail(ErrorKind::kBadInput, "none of the {} tiles can be used; the first problem: {}", size(),
         problems_.empty() ? "none" : ToString(problems_.front()));
  return tiles;
}

std::string TileDataset::ContentHash() const {
  std::string hashes;
  for (size_t i = 0; i < infos_.size(); ++i) {
    std::string bytes;
    try {
      bytes = source_->Bytes(places_[i]);
    } catch (const TileError&) {
      bytes = "absent";
    }
    hashes += fmt::format("{} {} {}\n", infos_[i].name, infos_[i].label, base::HashText(bytes));
  }
  return base::HashText(hashes);
}

}  // namespace assay::data
