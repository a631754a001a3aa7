#include <gtest/gtest.h>

#include "base/error.h"
#include "model/model_testing.h"
#include "neurons/graph_run.h"

namespace assay::neurons {
namespace {

// Layers 0 to 3 of ten neurons.
std::vector<UnitId> Available() {
  std::vector<UnitId> out;
  for (int layer = 0; layer < 4; ++layer) {
    for (int index = 0; index < 10; ++index) out.push_back({layer, index});
  }
  return out;
}

std::string Selected(const UnitSelection& selection) {
  std::vector<std::string> out;
  for (const UnitId unit : SelectUnits(selection, Available())) out.push_back(base::ToString(unit));
  return fmt::format("{}", fmt::join(out, " "));
}

std::string Problem(const UnitSelection& selection) {
  const base::Error error = model::ErrorOf([&] { SelectUnits(selection, Available()); });
  EXPECT_EQ(error.kind(), base::ErrorKind::kUsage);
  return error.what();
}

TEST(UnitSelectionTest, NothingGivenIsEverything) {
  EXPECT_EQ(SelectUnits({}, Available()), Available());
}

TEST(UnitSelectionTest, ListsAndRangesOfLayers) {
  EXPECT_EQ(SelectUnits({.layers = "0,2-3"}, Available()).size(), 30U);
  EXPECT_EQ(SelectUnits({.layers = "1-2"}, Available()).front(), (UnitId{1, 0}));
  EXPECT_EQ(SelectUnits({.layers = "1,1,0-1,1"}, Available()).size(), 20U)
      << "a layer named twice counts once";
}

TEST(UnitSelectionTest, ListsAndRangesOfUnitsAscendingAndOnce) {
  EXPECT_EQ(Selected({.units = "3:1-3,2:5,3:2"}), "2:5 3:1 3:2 3:3");
  EXPECT_EQ(Selected({.units = "1-2:7"}), "1:7 2:7");
  EXPECT_EQ(SelectUnits({.layers = "0", .units = "3:9"}, Available()).size(), 11U)
      << "layers and units add up";
}

TEST(UnitSelectionTest, ASampleIsDrawnPerLayerAndDependsOnTheSeedOnly) {
  const auto sample = SelectUnits({.sample = 3, .seed = 4}, Available());
  ASSERT_EQ(sample.size(), 12U);
  EXPECT_TRUE(std::is_sorted(sample.begin(), sample.end()));
  for (size_t i = 0; i < sample.size(); ++i) EXPECT_EQ(sample[i].layer, static_cast<int>(i / 3));
  EXPECT_EQ(SelectUnits({.sample = 3, .seed = 4}, Available()), sample);
  EXPECT_NE(SelectUnits({.sample = 3, .seed = 5}, Available()), sample);
  const auto layer = SelectUnits({.layers = "2", .sample = 3, .seed = 4}, Available());
  EXPECT_TRUE(std::includes(sample.begin(), sample.end(), layer.begin(), layer.end()));
  EXPECT_EQ(SelectUnits({.sample = 100}, Available()), Available());
}

TEST(UnitSelectionTest, SaysWhatIsWrongWithASelection) {
  EXPECT_NE(Problem({.layers = "7"}).find("layers 7 to 7"), std::string::npos);
  EXPECT_NE(Problem({.units = "1:8-12"}).find("1:10"), std::string::npos);
  for (const char* layers : {"x", "1-", "-1", "3-1", "1-2-3", "1,,2", "1 ", "99999999999"}) {
    EXPECT_NE(Problem({.layers = layers}), "") << layers;
  }
  for (const char* units : {"5", "1:", ":1", "1:2:3", "1:5-2", "1:x", "1:2,"})
    EXPECT_NE(Problem({.units = units}), "") << units;
}

TEST(ParseUnitTest, ReadsLayerAndNeuron) {
  EXPECT_EQ(ParseUnit("3:17"), (UnitId{3, 17}));
  for (const char* wrong : {"3", "3:", ":3", "3:1:2", "-3:1", "3:1 ", "a:b", ""}) {
    EXPECT_EQ(model::ErrorOf([&] { ParseUnit(wrong); }).kind(), base::ErrorKind::kUsage) << wrong;
  }
}

}  // namespace
}  // namespace assay::neurons
