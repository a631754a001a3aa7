#include "data/tile_dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>

#include "base/base_testing.h"
#include "base/file.h"
#include "data/tile_testing.h"

namespace assay::data {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using base::TemporaryFolder;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

class TileDatasetTest : public testing::Test {
 protected:
  // A tile of 4 x 4 pixels; its seed tells it from others.
  std::string Png(uint64_t seed) const { return EncodePng(RandomTile(4, 4, 3, seed)); }

  TileDataset Open(const fs::path& path, const TileOptions& options = {}) {
    return TileDataset::Open(path, options,
                             [this](const TileProblem& problem) { reported_.push_back(problem); });
  }
  base::Error ErrorFor(const fs::path& path, const TileOptions& options = {}) {
    try {
      Open(path, options).ReadAll();
    } catch (const base::Error& error) {
      return error;
    }
    ADD_FAILURE() << "no error";
    return {ErrorKind::kInternal, ""};
  }

  TemporaryFolder folder_;
  std::vector<TileProblem> reported_;
};

TEST_F(TileDatasetTest, ManifestNamesTilesLabelsAndOrigins) {
  folder_.Write("a/1.png", Png(1));
  folder_.Write("b.png", Png(2));
  folder_.Write("c.png", Png(3));
  const fs::path csv = folder_.Write("manifest.csv",
                                     "label,path,patient,split,slide\r\n"
                                     "1,a/1.png,p1,train,s1\r\n0,\"b.png\",p2,test,s2\r\n"
                                     "1,c.png,p2,test,s3\r\n");
  for (const fs::path& path : {csv, folder_.path()}) {
    TileDataset all = Open(path);
    EXPECT_EQ(all.size(), 3);
    EXPECT_THAT(all.class_names(), ElementsAre("class 0", "class 1"));
    EXPECT_THAT(all.splits(), ElementsAre(Pair("test", 2), Pair("train", 1)));
    TileDataset test = Open(path, {.split = "test", .class_names = {"no", "yes"}});
    ASSERT_EQ(test.size(), 2);
    EXPECT_EQ(test.info(1).slide, "s3");
    const Tile tile = test.Read(0).value();
    EXPECT_EQ(tile.name, "b.png");
    EXPECT_EQ(tile.patient, "p2");
    EXPECT_EQ(tile.label, 0);
    EXPECT_EQ(tile.pixels, RandomTile(4, 4, 3, 2).pixels);
  }
  EXPECT_TRUE(reported_.empty());
}

TEST_F(TileDatasetTest, LabelsMayBeNames) {
  folder_.Write("1.png", Png(1));
  folder_.Write("2.png", Png(2));
  folder_.Write("3.png", Png(3));
  const fs::path csv =
      folder_.Write("x.csv", "path,label\n1.png,tumour\n2.png,normal\n3.png,tumour\n");
  TileDataset by_data = Open(csv);
  EXPECT_THAT(by_data.class_names(), ElementsAre("normal", "tumour"));
  EXPECT_EQ(by_data.info(0).label, 1);
  TileDataset by_model = Open(csv, {.class_names = {"tumour", "other"}});
  EXPECT_EQ(by_model.size(), 2);  // "normal" is no class
  ASSERT_EQ(reported_.size(), 1U);
  EXPECT_EQ(ToString(reported_[0]),
            "2.png: bad label: 'normal' is none of the 2 classes (tumour, other); left out");
  EXPECT_EQ(by_model.counts().left_out, 1);
}

TEST_F(TileDatasetTest, ManifestErrorsNameFileAndLine) {
  EXPECT_EQ(ErrorFor(folder_.path() / "none").kind(), ErrorKind::kNotFound);
  EXPECT_THAT(ErrorFor(folder_.Write("a.csv", "file,label\nx,1\n")).what(),
              HasSubstr("a.csv: has no column 'path'; its columns are: file, label"));
  EXPECT_THAT(ErrorFor(folder_.Write("b.csv", "path,label\nx,1\ny\n")).what(),
              HasSubstr("b.csv:3: 1 fields; the header has 2"));
  EXPECT_THAT(ErrorFor(folder_.Write("c.csv", "path,label\nx,1\nx,0\n")).what(),
              HasSubstr("c.csv:3: 'x' is listed twice"));
  EXPECT_THAT(ErrorFor(folder_.Write("d.csv", "path,label\n\"x,1\n")).what(),
              HasSubstr("d.csv:2: a quote begins here"));
  EXPECT_THAT(ErrorFor(folder_.Write("e.csv", "path,label\n")).what(), HasSubstr("holds no tile"));
  EXPECT_THAT(ErrorFor(folder_.Write("f.txt", "")).what(), HasSubstr("no layout of tiles"));
  const base::Error error = ErrorFor(folder_.Write("g.csv", "path,label\ngone.png,1\n"));
  EXPECT_THAT(error.what(), HasSubstr("gone.png: unreadable"));
}

TEST_F(TileDatasetTest, APatientOrSlideInTwoSplitsIsAnError) {
  const fs::path csv = folder_.Write("m.csv",
                                     "path,label,patient,slide,split\na,0,p,s1,train\n"
                                     "b,1,q,s2,test\nc,1,p,s3,test\n");
  for (const char* split : {"", "train", "test"}) {
    const base::Error error = ErrorFor(csv, {.split = split});
    EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
    EXPECT_THAT(error.what(), HasSubstr("patient 'p' is in the splits 'train' and 'test' (c)"));
  }
  EXPECT_THAT(ErrorFor(folder_.Write("n.csv", "path,slide,split\na,s,train\nb,s,val\n")).what(),
              HasSubstr("slide 's' is in the splits 'train' and 'val'"));
}

TEST_F(TileDatasetTest, AnEmptySplitIsAnErrorThatNamesTheOthers) {
  const base::Error error =
      ErrorFor(folder_.Write("m.csv", "path,split\na,train\nb,train\nc,\n"), {.split = "test"});
  EXPECT_EQ(error.kind(), ErrorKind::kUsage);
  EXPECT_THAT(
      error.what(),
      HasSubstr("the split 'test' is empty; there are: no name (1 tiles), train (2 tiles)"));
}

TEST_F(TileDatasetTest, FoldersAreClassesAndMayBeSplits) {
  folder_.Write("one/normal/a.png", Png(1));
  folder_.Write("one/tumour/b.PNG", Png(2));
  folder_.Write("one/tumour/notes.txt", "not a tile");
  TileDataset one = Open(folder_.path() / "one");
  EXPECT_EQ(one.size(), 2);
  EXPECT_THAT(one.class_names(), ElementsAre("normal", "tumour"));
  EXPECT_EQ(one.info(1).name, "tumour/b.PNG");
  EXPECT_EQ(one.info(1).label, 1);
  folder_.Write("two/train/0/a.png", Png(1));
  folder_.Write("two/validation/1/b.png", Png(2));
  TileDataset two = Open(folder_.path() / "two", {.split = "val"});
  EXPECT_EQ(two.info(0).label, 1);
  fs::create_directories(folder_.path() / "three");
  EXPECT_THAT(ErrorFor(folder_.path() / "three").what(), HasSubstr("no folder of images by class"));
  fs::create_directories(folder_.path() / "three/normal");
  EXPECT_THAT(ErrorFor(folder_.path() / "three").what(), HasSubstr("class folders hold no images"));
}

TEST_F(TileDatasetTest, BadTilesAreNamedLeftOutOrConvertedAndCounted) {
  const std::string good = Png(1);
  folder_.Write("0/a.png", good);
  folder_.Write("0/b_cut.png", good.substr(0, good.size() / 2));
  folder_.Write("0/c_large.png", EncodePng(RandomTile(5, 4, 3, 1)));
  folder_.Write("0/d_deep.png", EncodeMat(cv::Mat(4, 4, CV_16UC3, cv::Scalar(257, 514, 771))));
  folder_.Write("0/e_alpha.png", EncodeMat(cv::Mat(4, 4, CV_8UC4, cv::Scalar(1, 2, 3, 255))));
  folder_.Write("0/f_grey.png", EncodePng(RandomTile(4, 4, 1, 1)));
  folder_.Write("1/g_inks.jpg", CmykJpeg());
  folder_.Write("1/h.png", good);
  TileDataset tiles = Open(folder_.path());
  for (int repeat = 0; repeat < 2; ++repeat) {  // every problem is reported once
    std::vector<std::string> usable;
    for (const Tile& tile : tiles.ReadAll()) usable.push_back(tile.name);
    EXPECT_THAT(usable,
                ElementsAre("0/a.png", "0/d_deep.png", "0/e_alpha.png", "0/f_grey.png", "1/h.png"));
  }
  std::vector<std::string> problems;
  for (const TileProblem& problem : reported_) problems.push_back(ToString(problem));
  EXPECT_THAT(problems,
              ElementsAre(HasSubstr("0/b_cut.png: truncated: the PNG file ends"),
                          "0/c_large.png: wrong size: 5x4 pixels (height, width); expected 4x4; "
                          "left out",
                          HasSubstr("0/d_deep.png: not 8 bit: 16 bit; divided by 257"),
                          HasSubstr("0/e_alpha.png: alpha: an opaque alpha channel; dropped"),
                          HasSubstr("0/f_grey.png: grey: one grey channel; repeated"),
                          HasSubstr("1/g_inks.jpg: CMYK: ")));
  EXPECT_EQ(tiles.counts().read, 5);
  EXPECT_EQ(tiles.counts().left_out, 3);
  EXPECT_EQ(tiles.counts().converted, 3);
  EXPECT_EQ(tiles.counts().problems.at(TileProblemKind::kCmyk), 1);
}

TEST_F(TileDatasetTest, ContentHashFollowsPixelsAndLabels) {
  folder_.Write("a.png", Png(1));
  const auto hash = [&](const std::string& csv) {
    return Open(folder_.Write("m.csv", csv)).ContentHash();
  };
  const std::string first = hash("path,label\na.png,0\n");
  EXPECT_EQ(first, hash("path,label\na.png,0\n"));
  EXPECT_NE(first, hash("path,label\na.png,1\n"));
  folder_.Write("a.png", Png(2));
  EXPECT_NE(first, hash("path,label\na.png,0\n"));
}

TEST_F(TileDatasetTest, MedMnistArchivesHaveThreeSplits) {
  const std::vector<uint8_t> pixels = {0, 10, 20, 30, 40, 50, 60, 70};  // 2 images of 2 x 2
  const fs::path file = folder_.path() / "m.npz";
  WriteZip(file.string(),
           {{"train_images.npy", Npy("|u1", "(2, 2, 2)", RawBytes(pixels))},
            {"train_labels.npy", Npy("|u1", "(2, 1)", RawBytes<uint8_t>({1, 0}))},
            {"test_images.npy", Npy("|u1", "(1, 2, 2)", RawBytes<uint8_t>({1, 2, 3, 4}))},
            {"test_labels.npy", Npy("<i8", "(1, 1)", RawBytes<int64_t>({1}))}});
  TileDataset train = Open(file, {.split = "train", .channels = 1});
  ASSERT_EQ(train.size(), 2);
  EXPECT_EQ(train.info(0).label, 1);
  EXPECT_THAT(train.Read(1)->pixels, ElementsAre(40, 50, 60, 70));
  TileDataset test = Open(file, {.split = "test"});
  EXPECT_EQ(test.info(0).name, "m.npz/test[0]");
  EXPECT_THAT(test.Read(0)->pixels, ElementsAre(1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4));
}

TEST_F(TileDatasetTest, ArraysOfNumbersSpan255Or1) {
  const std::string labels =
      Npy("<U5", "(2,)", RawBytes<uint32_t>({'y', 'e', 's', 0, 0, 'n', 'o', 0, 0, 0}));
  folder_.Write("a/x.npy", Npy("<f8", "(2, 1, 1, 3)", RawBytes<double>({0, 128, 255, 7, 8, 9})));
  folder_.Write("a/y.npy", labels);
  TileDataset bytes = Open(folder_.path() / "a/x.npy");
  EXPECT_THAT(bytes.Read(0)->pixels, ElementsAre(0, 128, 255));
  EXPECT_THAT(bytes.class_names(), ElementsAre("no", "yes"));
  EXPECT_TRUE(reported_.empty());
  // [n, C, H, W] from 0 to 1, labels one-hot
  folder_.Write("b/x.npy", Npy("<f4", "(2, 3, 1, 2)",
                               RawBytes<float>({0, 1, .2F, .4F, 1, 0, 0, 0, 0, 0, .3F, 0.001F})));
  folder_.Write("b/y.npy", Npy("<f4", "(2, 2)", RawBytes<float>({0, 1, 1, 0})));
  TileDataset unit = Open(folder_.path() / "b/x.npy");
  EXPECT_EQ(unit.info(0).label, 1);
  EXPECT_THAT(unit.Read(0)->pixels, ElementsAre(0, 51, 255, 255, 102, 0));
  EXPECT_TRUE(unit.Read(1).has_value());
  ASSERT_EQ(reported_.size(), 1U);  // .3 * 255 is no whole number
  EXPECT_EQ(reported_[0].kind, TileProblemKind::kDeepColour);
  folder_.Write("c/x.npy", Npy("<f4", "(2, 1, 1)", RawBytes<float>({200, NAN})));
  TileDataset damaged = Open(folder_.path() / "c/x.npy");
  EXPECT_FALSE(damaged.Read(1).has_value());
  EXPECT_THAT(ToString(reported_.back()), HasSubstr("x.npy[1]: unreadable: the value nan"));
}

TEST_F(TileDatasetTest, PanNukeIsLabelledByItsMasks) {
  // 3 images of 1 x 6 pixels; masks of 6 channels, the first neoplastic.
  std::vector<double> images(3 * 6 * 3, 200), masks(3 * 6 * 6, 0);
  for (int i = 0; i < 5; ++i) masks[static_cast<size_t>(i * 6)] = i + 1;  // 5 nuclei: class 1
  masks[static_cast<size_t>(36 + 6 * 2)] = 3;                             // 1 nucleus: neither
  masks[static_cast<size_t>(72 + 1)] = 9;                                 // another kind: class 0
  folder_.Write("p/images.npy", Npy("<f8", "(3, 1, 6, 3)", RawBytes(images)));
  folder_.Write("p/masks.npy", Npy("<f8", "(3, 1, 6, 6)", RawBytes(masks)));
  TileDataset tiles = Open(folder_.path() / "p");
  ASSERT_EQ(tiles.size(), 2);
  EXPECT_EQ(tiles.info(0).label, 1);
  EXPECT_EQ(tiles.info(1).label, 0);
  EXPECT_EQ(tiles.info(1).name, "images.npy[2]");
  ASSERT_EQ(reported_.size(), 1U);
  EXPECT_THAT(ToString(reported_[0]), HasSubstr("images.npy[1]: bad label: 1 neoplastic nuclei"));
}

TEST_F(TileDatasetTest, DamagedArraysAreNamed) {
  const auto error = [&](const std::string& name, const std::string& bytes) {
    return std::string(ErrorFor(folder_.Write(name, bytes)).what());
  };
  EXPECT_THAT(error("a.npy", Npy("|u1", "(2, 2, 2)", "1234567")),
              HasSubstr("a.npy: has 7 bytes of elements; its shape [2, 2, 2] promises more"));
  EXPECT_THAT(error("b.npy", "text, which is no array"), HasSubstr("b.npy: is no .npy array"));
  EXPECT_THAT(error("c.npy", Npy(">i4", "(1,)", "0000")), HasSubstr("big-endian"));
  EXPECT_THAT(error("d.npy", Npy("|O", "(1,)", "0000")), HasSubstr("expected numbers or strings"));
  EXPECT_THAT(error("e.npy", Npy("|u1", "(2, 2)", "1234")), HasSubstr("the shape [2, 2]"));
  EXPECT_THAT(error("f.npy", Npy("|u1", "(2, 2)", "1234").substr(0, 40)),
              HasSubstr("ends within its header"));
  EXPECT_THAT(error("g.npz", "PK, but no archive"), HasSubstr("g.npz: is no readable .npz"));
  WriteZip((folder_.path() / "h.npz").string(), {{"stuff.npy", Npy("|u1", "(1,)", "1")}});
  EXPECT_THAT(ErrorFor(folder_.path() / "h.npz").what(), HasSubstr("it has: stuff"));
  WriteZip((folder_.path() / "i.npz").string(),
           {{"x.npy", Npy("|u1", "(2, 1, 1)", "12")}, {"y.npy", Npy("|u1", "(3,)", "123")}});
  EXPECT_THAT(ErrorFor(folder_.path() / "i.npz").what(), HasSubstr("has 3 rows"));
  // Every prefix of a proper archive fails as an error, never otherwise.
  const std::string archive = base::ReadFile(folder_.path() / "i.npz");
  for (size_t length = 1; length < archive.size(); length += 9)
    ErrorFor(folder_.Write("j.npz", archive.substr(0, length)));
}

// PatchCamelyon in small: x and y in files of their own.
void WriteHdf5(const fs::path& path, const char* name, const std::vector<hsize_t>& shape,
               const std::vector<uint8_t>& values) {
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const hid_t space = H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
  const hid_t set =
      H5Dcreate2(file, name, H5T_NATIVE_UINT8, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  ASSERT_GE(H5Dwrite(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), 0);
  H5Dclose(set);
  H5Sclose(space);
  H5Fclose(file);
}

TEST_F(TileDatasetTest, PatchCamelyonIsReadTileByTile) {
  const fs::path x = folder_.path() / "pcam_split_valid_x.h5",
                 y = folder_.path() / "pcam_split_valid_y.h5";
  WriteHdf5(x, "x", {2, 1, 2, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  WriteHdf5(y, "y", {2, 1, 1, 1}, {0, 1});
  folder_.Write("pcam_split_valid_meta.csv", "n,wsi\n0,slide_1\n1,slide_2\n");
  TileDataset tiles = Open(x, {.split = "val"});
  ASSERT_EQ(tiles.size(), 2);
  const Tile tile = tiles.Read(1).value();
  EXPECT_THAT(tile.pixels, ElementsAre(7, 8, 9, 10, 11, 12));
  EXPECT_EQ(tile.label, 1);
  EXPECT_EQ(tile.slide, "slide_2");
  EXPECT_EQ(tile.name, "pcam_split_valid_x.h5[1]");
  WriteHdf5(y, "y", {3, 1}, {0, 1, 1});
  EXPECT_THAT(ErrorFor(x).what(), HasSubstr("has 3 rows"));
  const std::string bytes = base::ReadFile(x);
  folder_.Write("pcam_split_valid_x.h5", bytes.substr(0, bytes.size() / 2));
  EXPECT_THAT(ErrorFor(x).what(), HasSubstr("is no readable HDF5 file, or is cut short"));
}

TEST(SharedTilesTest, TheSharedDataAreRead) {
  const fs::path data = fs::path(ASSAY_SOURCE_DIR) / "../shared/data";
  if (!fs::exists(data)) GTEST_SKIP() << "needs ../shared/data";
  TileDataset idc = TileDataset::Open(data / "idc", {.split = "test"});
  EXPECT_EQ(idc.size(), 1120);
  EXPECT_THAT(idc.splits(), ElementsAre(Pair("test", 1120), Pair("train", 2900)));
  EXPECT_EQ(TileDataset::Open(data / "idc/test", {}).size(), 1120);  // by folders
  TileDataset odd = TileDataset::Open(data / "idc_odd", {.height = 50, .width = 50});
  for (int64_t i = 0; i < odd.size(); ++i) EXPECT_FALSE(odd.Read(i).has_value());
  EXPECT_EQ(odd.counts().problems.at(TileProblemKind::kWrongSize), 6);
  TileDataset mnist = TileDataset::Open(data / "mnist_test_200", {.channels = 1});
  EXPECT_EQ(mnist.ReadAll().size(), 200U);
  EXPECT_EQ(mnist.class_names().size(), 10U);
}

}  // namespace
}  // namespace assay::data
