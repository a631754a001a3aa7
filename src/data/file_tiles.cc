// Tiles that are image files: listed in a manifest, or in a folder a class.
#include <algorithm>
#include <cctype>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "data/csv.h"
#include "data/tile_source.h"

namespace assay::data {
namespace fs = std::filesystem;
namespace {

using base::ErrorKind;
using base::Fail;

class FileTiles : public TileSource {
 public:
  explicit FileTiles(fs::path folder) : folder_(std::move(folder)) {}

  void Add(SourceEntry entry) { entries_.push_back(std::move(entry)); }

  RawTile Read(size_t index) override { return DecodeImage(Bytes(index)); }

  std::string Bytes(size_t index) override {
    try {
      return base::ReadFile(folder_ / entries_.at(index).info.name);
    } catch (const base::Error& error) {
      throw TileError(TileProblemKind::kUnreadable, error.what());
    }
  }

 private:
  fs::path folder_;
};

bool IsImage(const fs::path& path) {
  static const std::set<std::string> kExtensions = {".png",  ".jpg", ".jpeg", ".tif",
                                                    ".tiff", ".bmp", ".webp", ".jp2"};
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return kExtensions.contains(extension);
}

std::vector<fs::path> FoldersIn(const fs::path& folder) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory()) out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

// "train", "val" or "test" where the folder's name means one of them.
std::string SplitNamed(const std::string& folder) {
  if (folder == "train" || folder == "test" || folder == "val") return folder;
  return folder == "valid" || folder == "validation" ? "val" : "";
}

void AddClasses(const fs::path& root, const fs::path& folder, const std::string& split,
                FileTiles& tiles) {
  for (const fs::path& by_class : FoldersIn(folder)) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(by_class)) {
      if (entry.is_regular_file() && IsImage(entry.path())) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const fs::path& file : files) {
      SourceEntry entry{.label = by_class.filename().string()};
      entry.info.name = file.lexically_relative(root).generic_string();
      entry.info.split = split;
      tiles.Add(std::move(entry));
    }
  }
}

}  // namespace

std::unique_ptr<TileSource> OpenManifest(const fs::path& csv) {
  const CsvTable table = ReadCsv(csv);
  const auto path = table.Find("path");
  if (!path) {
    Fail(ErrorKind::kBadInput, "{}: has no column 'path'; its columns are: {}", csv.string(),
         fmt::join(table.columns, ", "));
  }
  auto tiles = std::make_unique<FileTiles>(csv.parent_path());
  std::set<std::string> seen;
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const auto field = [&](const char* column) {
      const auto found = table.Find(column);
      return found ? table.rows[i][*found] : std::string();
    };
    SourceEntry entry;
    entry.info.name = table.rows[i][*path];
    if (!seen.insert(entry.info.name).second) {
      Fail(ErrorKind::kBadInput, "{}:{}: '{}' is listed twice", csv.string(), table.lines[i],
           entry.info.name);
    }
    if (table.Find("label")) entry.label = field("label");
    entry.info.patient = field("patient");
    entry.info.slide = field("slide");
    entry.info.split = field("split");
    tiles->Add(std::move(entry));
  }
  return tiles;
}

std::unique_ptr<TileSource> OpenClassFolders(const fs::path& folder) {
  auto tiles = std::make_unique<FileTiles>(folder);
  bool has_folders = false;
  try {
    const auto folders = FoldersIn(folder);
    has_folders = !folders.empty();
    const bool by_split =
        !folders.empty() && std::all_of(folders.begin(), folders.end(), [](const fs::path& path) {
          return !SplitNamed(path.filename().string()).empty();
        });
    if (by_split) {
      for (const fs::path& split : folders)
        AddClasses(folder, split, SplitNamed(split.filename().string()), *tiles);
    } else {
      AddClasses(folder, folder, "", *tiles);
    }
  } catch (const fs::filesystem_error& error) {
    Fail(ErrorKind::kIo, "{}: the folder cannot be listed: {}", folder.string(),
         error.code().message());
  }
  if (tiles->entries().empty() && has_folders) {
    Fail(ErrorKind::kBadInput, "{}: its class folders hold no images", folder.string());
  }
  if (tiles->entries().empty()) {
    Fail(ErrorKind::kBadInput,
         "{}: has no manifest.csv, no labels.csv and no folder of images by class",
         folder.string());
  }
  return tiles;
}

}  // namespace assay::data
