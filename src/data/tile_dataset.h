// Labelled image tiles from any of the usual layouts, with random access. Tiles are decoded when
// they are read, so that memory does not depend on the size of the set (arrays of .npz files and
// HDF5 are the exception and the rule: .npz is unpacked at once, HDF5 is read tile by tile).
// Layouts, told apart by what is at the path:
//   DIR/manifest.csv or DIR/labels.csv, or a .csv file   columns path, label and, where known,
//                                 patient, slide, split; paths relative to the file
//   DIR/CLASS/*.png               a folder a class; DIR/SPLIT/CLASS/*.png with splits train,
//                                 val/valid/validation and test
//   FILE.npz                      x (or images, SPLIT_images) and y (or labels, SPLIT_labels)
//   FILE.npy                      images [n, H, W, C]; labels in FILE_labels.npy or labels.npy
//                                 beside it; PanNuke: images.npy, types.npy
//   FILE.h5 (PatchCamelyon)       dataset x [n, H, W, C]; y in the same file or in the file named
//                                 with _y for _x; the split is the word train/valid/test in the
//                                 name
//   a whole slide                 any file that OpenSlide knows: tiles where there is tissue, of
//                                 the options' size and resolution, without labels
// Not thread-safe.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/options.h"
#include "data/tile.h"

namespace assay::data {

struct TileOptions {
  std::string split;  // "": all
  int channels = 3;
  int height = 0, width = 0;  // 0: those of the first usable tile
  std::string other_size = "leave-out";
  // Of the tiles of a whole slide; 0: not said. And of the slide, where its file does not say.
  double microns_per_pixel = 0, slide_microns_per_pixel = 0;
  // Names of the classes in the order of the labels. Labels that are numbers are indices; names are
  // looked up here. Empty: numbers as they are, or the sorted names found in the data.
  std::vector<std::string> class_names;

  template <typename Visitor>
  void VisitFields(Visitor&& visit) {
    visit("split", split, "tiles of this split only; empty: all");
    visit("other-size", other_size, "tiles of another size than the model's",
          base::OneOf({"leave-out", "resize"}));
    visit("mpp", microns_per_pixel,
          "microns per pixel of the tiles of a whole slide; 0: as the classifier declares",
          base::Between(0, 100));
    visit("slide-mpp", slide_microns_per_pixel,
          "microns per pixel of a whole slide whose file does not say", base::Between(0, 100));
  }
};

struct TileCounts {
  int64_t read = 0;       // usable, given out by Read, each counted once
  int64_t left_out = 0;   // of those asked for
  int64_t converted = 0;  // given out after a conversion
  std::map<TileProblemKind, int64_t> problems;
};

// How a layout finds its tiles: data/tile_source.h.
class TileSource;

class TileDataset {
 public:
  // Throws kNotFound when nothing is at the path; kUsage for a split that has no tiles (naming
  // those there are), or a whole slide without height, width and microns_per_pixel; kBadInput for a
  // layout that is not known, a manifest that cannot be read, no tile at all, and a patient or
  // slide in two splits (both named). Tiles whose label is no class are left out, reported and
  // counted. `report` sees every problem once; it may be null.
  static TileDataset Open(const std::filesystem::path& path, const TileOptions& options,
                          TileReporter report = {});
  // The same for a layout of one's own; `where` stands for the path in errors.
  static TileDataset FromSource(std::unique_ptr<TileSource> source, const TileOptions& options,
                                const std::string& where, TileReporter report = {});
  TileDataset(TileDataset&&) noexcept;
  TileDataset& operator=(TileDataset&&) noexcept;
  ~TileDataset();

  // Tiles of the split, in the order of the manifest, file, or sorted paths.
  int64_t size() const { return static_cast<int64_t>(infos_.size()); }
  const TileInfo& info(int64_t index) const { return infos_.at(static_cast<size_t>(index)); }

  // The tile, or nothing when it is left out; either way a problem is reported the first time.
  std::optional<Tile> Read(int64_t index);
  // All usable tiles in order.
  std::vector<Tile> ReadAll();

  // One name a class: of the options, of the data, or "class 0", ...
  const std::vector<std::string>& class_names() const { return options_.class_names; }
  int height() const { return options_.height; }  // 0 until the first tile was read
  int width() const { return options_.width; }
  const std::map<std::string, int64_t>& splits() const { return splits_; }  // tiles by split
  const TileCounts& counts() const { return counts_; }                      // so far

  // The first problems met, at most kMaxKeptProblems; counts().problems has them all.
  static constexpr size_t kMaxKeptProblems = 100;
  const std::vector<TileProblem>& problems() const { return problems_; }

  // 128-bit hash over names, labels and the stored bytes of the tiles of this split; reads them
  // all.
  std::string ContentHash() const;

 private:
  TileDataset(std::unique_ptr<TileSource> source, const TileOptions& options, TileReporter report);
  void Report(size_t index, const TileProblem& problem);
  void ReportOnce(const TileProblem& problem);
  void ResolveLabels(const std::string& where);
  void CheckPatients(const std::string& where) const;
  void KeepSplit(const std::string& where);

  std::unique_ptr<TileSource> source_;
  TileOptions options_;
  TileReporter report_;
  std::vector<TileInfo> infos_;
  std::vector<size_t> places_;  // in the source, of each tile
  enum class State : uint8_t { kNew, kRead, kLeftOut };
  std::vector<State> states_;
  std::map<std::string, int64_t> splits_;
  TileCounts counts_;
  std::vector<TileProblem> problems_;
};

}  // namespace assay::data
