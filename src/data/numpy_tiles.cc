// Tiles in NumPy arrays: MedMNIST and Keras archives, plain arrays, PanNuke with its masks.
#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/error.h"
#include "data/array_samples.h"
#include "data/npy.h"
#include "data/tile_source.h"

namespace assay::data {
namespace fs = std::filesystem;
namespace {

using base::ErrorKind;
using base::Fail;

// Images with what describes them, row by row.
struct ArrayPart {
  NpyArray images;
  std::string split;
  std::optional<NpyArray> labels, patients, slides, splits, masks;
};

// A label as text: the element of [n] or [n, 1, ..], the place of the 1 in a row of [n, K].
std::string LabelAt(const NpyArray& labels, int64_t row) {
  if (labels.row_size() == 1) return labels.Text(row);
  const std::vector<double> numbers = labels.Numbers(row);
  const auto hot = std::find(numbers.begin(), numbers.end(), 1.0);
  const auto zeros = std::count(numbers.begin(), numbers.end(), 0.0);
  if (hot == numbers.end() || zeros != static_cast<int64_t>(numbers.size()) - 1)
    Fail(ErrorKind::kBadInput, "{}: row {} is no one-hot label", labels.name(), row);
  return std::to_string(hot - numbers.begin());
}

// PanNuke: class 1 from five neoplastic nuclei (channel 0 of the masks) on, class 0 without any.
void LabelFromMasks(const NpyArray& masks, int64_t row, SourceEntry& entry) {
  const auto channels = static_cast<size_t>(masks.shape().back());
  const std::vector<double> numbers = masks.Numbers(row);
  std::set<double> nuclei;
  for (size_t i = 0; i < numbers.size(); i += channels) nuclei.insert(numbers[i]);
  nuclei.erase(0.0);
  if (nuclei.empty() || nuclei.size() >= 5) {
    entry.label = nuclei.empty() ? "0" : "1";
  } else {
    entry.unusable =
        fmt::format("{} neoplastic nuclei; class 1 begins at 5, class 0 has none", nuclei.size());
  }
}

class NumpyTiles : public TileSource {
 public:
  void Add(ArrayPart part, const std::string& name) {
    const ArrayLayout layout = LayoutOf(part.images.shape(), part.images.name());
    for (const auto* other :
         {&part.labels, &part.patients, &part.slides, &part.splits, &part.masks}) {
      if (*other && (*other)->rows() != part.images.rows()) {
        Fail(ErrorKind::kBadInput, "{}: has {} rows; {} has {} images", (*other)->name(),
             (*other)->rows(), part.images.name(), part.images.rows());
      }
    }
    if (part.labels && part.labels->IsText() && part.labels->row_size() != 1)
      Fail(ErrorKind::kBadInput, "{}: expected one label a row", part.labels->name());
    for (int64_t row = 0; row < part.images.rows(); ++row) {
      SourceEntry entry;
      entry.info.name = fmt::format("{}[{}]", name, row);
      entry.info.split = part.splits ? part.splits->Text(row) : part.split;
      if (part.patients) entry.info.patient = part.patients->Text(row);
      if (part.slides) entry.info.slide = part.slides->Text(row);
      if (part.labels) {
        entry.label = LabelAt(*part.labels, row);
      } else if (part.masks) {
        LabelFromMasks(*part.masks, row, entry);
      }
      entries_.push_back(std::move(entry));
      places_.push_back({parts_.size(), row});
    }
    parts_.push_back(std::move(part));
    layouts_.push_back(layout);
    spans_.push_back(SpanOf(LargestOf(parts_.back().images), parts_.back().images.IsFloat(),
                            parts_.back().images.item_bytes()));
  }

  RawTile Read(size_t index) override {
    const auto [part, row] = places_.at(index);
    return ToRawTile(parts_[part].images.Numbers(row), layouts_[part], spans_[part]);
  }

  std::string Bytes(size_t index) override {
    const auto [part, row] = places_.at(index);
    return std::string(parts_[part].images.RowBytes(row));
  }

 private:
  // Over 16 tiles spread over the array.
  static double LargestOf(const NpyArray& images) {
    double largest = 0;
    const int64_t step = std::max<int64_t>(1, images.rows() / 16);
    for (int64_t row = 0; row < images.rows(); row += step) {
      const std::vector<double> numbers = images.Numbers(row);
      for (const double number : numbers) largest = std::max(largest, number);
    }
    return largest;
  }

  std::vector<ArrayPart> parts_;
  std::vector<ArrayLayout> layouts_;
  std::vector<NumberSpan> spans_;
  std::vector<std::pair<size_t, int64_t>> places_;  // part and row of each entry
};

std::unique_ptr<TileSource> OpenArchive(const fs::path& file) {
  const std::vector<std::string> members = NpzMembers(file);
  const auto has = [&](const std::string& name) {
    return std::find(members.begin(), members.end(), name) != members.end();
  };
  const auto first = [&](std::vector<std::string> names) -> std::optional<NpyArray> {
    for (const std::string& name : names) {
      if (has(name)) return ReadNpz(file, name);
    }
    return std::nullopt;
  };
  auto tiles = std::make_unique<NumpyTiles>();
  const std::string stem = file.filename().string();
  for (const char* split : {"train", "val", "test"}) {
    const std::string s = split;
    if (auto images = first({s + "_images", "x_" + s})) {
      tiles->Add({.images = std::move(*images),
                  .split = s,
                  .labels = first({s + "_labels", "y_" + s}),
                  .patients = first({s + "_patients"}),
                  .slides = first({s + "_slides"})},
                 stem + "/" + s);
    }
  }
  if (auto images = first({"images", "x", "X", "imgs", "data"})) {
    tiles->Add({.images = std::move(*images),
                .labels = first({"labels", "label", "y", "Y", "targets"}),
                .patients = first({"patients", "patient"}),
                .slides = first({"slides", "slide"}),
                .splits = first({"splits", "split"})},
               stem);
  }
  if (tiles->entries().empty()) {
    Fail(ErrorKind::kBadInput,
         "{}: has no images; expected members train_images, x_train, images or x; it has: {}",
         file.string(), fmt::join(members, ", "));
  }
  return tiles;
}

std::unique_ptr<TileSource> OpenArray(const fs::path& file) {
  const std::string stem = file.stem().string();
  const auto beside = [&](const std::vector<std::string>& names) -> std::optional<NpyArray> {
    for (const std::string& name : names) {
      const fs::path path = file.parent_path() / (name + ".npy");
      if (name != stem && fs::exists(path)) return NpyArray::Open(path);
    }
    return std::nullopt;
  };
  const auto renamed = [&](const std::string& from, const std::string& to) {
    std::string name = stem;
    if (const size_t at = name.find(from); at != std::string::npos)
      name.replace(at, from.size(), to);
    return name;
  };
  ArrayPart part{.images = NpyArray::Open(file)};
  part.labels = beside({stem + "_labels", renamed("images", "labels"), renamed("x", "y"),
                        renamed("X", "Y"), "labels"});
  if (!part.labels) part.masks = beside({renamed("images", "masks")});
  part.patients = beside({renamed("images", "patients")});
  auto tiles = std::make_unique<NumpyTiles>();
  tiles->Add(std::move(part), file.filename().string());
  return tiles;
}

}  // namespace

std::unique_ptr<TileSource> OpenNumpy(const fs::path& file) {
  return file.extension() == ".npz" ? OpenArchive(file) : OpenArray(file);
}

}  // namespace assay::data
