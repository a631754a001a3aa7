// Where the tiles of a dataset are stored: one implementation a layout, behind TileDataset, which
// looks after labels, splits, conversions and problems. Use TileDataset instead. Not thread-safe.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/tile.h"
#include "data/tile_image.h"

namespace assay::data {

struct SourceEntry {
  TileInfo info;                        // label -1 as long as it is only known by name
  std::optional<std::string> label;     // as written: a number or a class name
  std::optional<std::string> unusable;  // why it has no label, where that is on purpose
};

class TileSource {
 public:
  virtual ~TileSource() = default;
  const std::vector<SourceEntry>& entries() const { return entries_; }
  // Throws TileError when the tile cannot be decoded.
  virtual RawTile Read(size_t index) = 0;
  // The stored bytes, for hashes.
  virtual std::string Bytes(size_t index) = 0;

 protected:
  std::vector<SourceEntry> entries_;
};

// Throw kNotFound, kBadInput naming the file.
std::unique_ptr<TileSource> OpenManifest(const std::filesystem::path& csv);
std::unique_ptr<TileSource> OpenClassFolders(const std::filesystem::path& folder);
std::unique_ptr<TileSource> OpenNumpy(const std::filesystem::path& file);  // .npz, .npy
std::unique_ptr<TileSource> OpenHdf5(const std::filesystem::path& file);

}  // namespace assay::data
