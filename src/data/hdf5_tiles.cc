// Tiles in HDF5 as PatchCamelyon has them: x [n, H, W, C] and y [n, ..] in files of their own or in
// one, and a _meta.csv with the slide of each. One tile is read at a time.
#include <hdf5.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "data/array_samples.h"
#include "data/csv.h"
#include "data/tile_source.h"

namespace assay::data {
namespace fs = std::filesystem;
namespace {

using base::ErrorKind;
using base::Fail;

// An HDF5 handle, closed when it goes out of scope.
class Handle {
 public:
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Handle& operator=(Handle&&) = delete;
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  hid_t id() const { return id_; }
  bool ok() const { return id_ >= 0; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

// A dataset of numbers, read row by row.
class NumberSet {
 public:
  NumberSet(const fs::path& path, const char* name)
      : name_(fmt::format("{}[{}]", path.string(), name)),
        file_(OpenFile(path)),
        set_(H5Dopen2(file_.id(), name, H5P_DEFAULT), H5Dclose) {
    if (!set_.ok()) Fail(ErrorKind::kBadInput, "{}: has no dataset '{}'", path.string(), name);
    const Handle space(H5Dget_space(set_.id()), H5Sclose);
    const int rank = H5Sget_simple_extent_ndims(space.id());
    if (rank < 1 || rank > 8)
      Fail(ErrorKind::kBadInput, "{}: has {} dimensions; expected 1 to 8", name_, rank);
    shape_.resize(static_cast<size_t>(rank));
    H5Sget_simple_extent_dims(space.id(), shape_.data(), nullptr);
    const Handle type(H5Dget_type(set_.id()), H5Tclose);
    const H5T_class_t kind = H5Tget_class(type.id());
    if (kind != H5T_INTEGER && kind != H5T_FLOAT)
      Fail(ErrorKind::kUnsupported, "{}: holds no numbers", name_);
    is_float_ = kind == H5T_FLOAT;
    item_bytes_ = static_cast<int64_t>(H5Tget_size(type.id()));
  }

  const std::string& name() const { return name_; }
  std::vector<int64_t> shape() const { return {shape_.begin(), shape_.end()}; }
  size_t rows() const { return static_cast<size_t>(shape_[0]); }
  bool is_float() const { return is_float_; }
  int64_t item_bytes() const { return item_bytes_; }

  std::vector<double> Row(size_t row) const {
    std::vector<hsize_t> start(shape_.size(), 0), count = shape_;
    start[0] = row;
    count[0] = 1;
    size_t size = 1;
    for (const hsize_t length : count) size *= static_cast<size_t>(length);
    std::vector<double> out(size);
    const Handle from(H5Dget_space(set_.id()), H5Sclose);
    const Handle to(H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr),
                    H5Sclose);
    H5Sselect_hyperslab(from.id(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr);
    if (H5Dread(set_.id(), H5T_NATIVE_DOUBLE, to.id(), from.id(), H5P_DEFAULT, out.data()) < 0)
      throw TileError(TileProblemKind::kTruncated,
                      fmt::format("{}: row {} is damaged or missing", name_, row));
    return out;
  }

 private:
  static Handle OpenFile(const fs::path& path) {
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);  // failures are ours to report
    Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
    if (!file.ok())
      Fail(ErrorKind::kBadInput, "{}: is no readable HDF5 file, or is cut short", path.string());
    return file;
  }

  std::string name_;
  Handle file_, set_;
  std::vector<hsize_t> shape_;
  bool is_float_ = false;
  int64_t item_bytes_ = 1;
};

class Hdf5Tiles : public TileSource {
 public:
  Hdf5Tiles(const fs::path& file, const NumberSet& labels, const std::vector<std::string>& slides,
            const std::string& split)
      : images_(file, "x"), layout_(LayoutOf(images_.shape(), images_.name())) {
    if (labels.rows() != images_.rows()) {
      Fail(ErrorKind::kBadInput, "{}: has {} rows; {} has {} images", labels.name(), labels.rows(),
           images_.name(), images_.rows());
    }
    if (!slides.empty() && slides.size() != images_.rows()) {
      Fail(ErrorKind::kBadInput, "{}: its _meta.csv has {} rows; expected {}", file.string(),
           slides.size(), images_.rows());
    }
    double largest = 0;
    const size_t step = std::max<size_t>(1, images_.rows() / 16);
    for (size_t row = 0; row < images_.rows(); row += step) {
      for (const double number : images_.Row(row)) largest = std::max(largest, number);
    }
    span_ = SpanOf(largest, images_.is_float(), images_.item_bytes());
    for (size_t row = 0; row < images_.rows(); ++row) {
      SourceEntry entry;
      entry.info.name = fmt::format("{}[{}]", file.filename().string(), row);
      entry.info.split = split;
      if (!slides.empty()) entry.info.slide = slides[row];
      const std::vector<double> label = labels.Row(row);
      if (label.size() != 1)
        Fail(ErrorKind::kBadInput, "{}: {} labels a row; expected 1", labels.name(), label.size());
      entry.label = fmt::format("{}", label[0]);
      entries_.push_back(std::move(entry));
    }
  }

  RawTile Read(size_t index) override { return ToRawTile(images_.Row(index), layout_, span_); }

  std::string Bytes(size_t index) override {
    const std::vector<double> numbers = images_.Row(index);
    return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(double)};
  }

 private:
  NumberSet images_;
  ArrayLayout layout_;
  NumberSpan span_ = NumberSpan::kBytes;
};

// "…_split_train_x.h5" with `ending` for "_x.h5".
fs::path Sibling(const fs::path& file, const std::string& ending) {
  const std::string stem = file.stem().string();
  if (!stem.ends_with("_x")) return {};
  return file.parent_path() / (stem.substr(0, stem.size() - 2) + ending);
}

std::string SplitIn(const std::string& name) {
  for (const char* word : {"train", "valid", "val", "test"}) {
    if (name.find(word) != std::string::npos) return word == std::string("valid") ? "val" : word;
  }
  return "";
}

}  // namespace

std::unique_ptr<TileSource> OpenHdf5(const fs::path& file) {
  const fs::path other = Sibling(file, "_y" + file.extension().string());
  const bool apart = !other.empty() && fs::exists(other);
  std::vector<std::string> slides;
  const fs::path meta = Sibling(file, "_meta.csv");
  if (!meta.empty() && fs::exists(meta)) {
    const CsvTable table = ReadCsv(meta);
    if (const auto column = table.Find("wsi")) {
      for (const auto& row : table.rows) slides.push_back(row[*column]);
    }
  }
  return std::make_unique<Hdf5Tiles>(file, NumberSet(apart ? other : file, "y"), slides,
                                     SplitIn(file.stem().string()));
}

}  // namespace assay::data
