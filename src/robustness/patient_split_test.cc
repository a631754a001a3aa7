#include "robustness/patient_split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <vector>

#include "robustness/robustness_testing.h"
#include "robustness/training_testing.h"

namespace assay::robustness {
namespace {

using testing::HasSubstr;

TEST(SplitByPatientTest, KeepsPatientsWhole) {
  const TileBatch batch = Toy(100, 10, 1);
  const PatientSplit split = SplitByPatient(batch.infos, 0.2, 3);
  std::set<std::string> train, validation;
  for (const int64_t row : split.train) train.insert(batch.infos[static_cast<size_t>(row)].patient);
  for (const int64_t row : split.validation)
    validation.insert(batch.infos[static_cast<size_t>(row)].patient);
  for (const std::string& patient : validation) EXPECT_FALSE(train.contains(patient));
  EXPECT_EQ(split.train.size() + split.validation.size(), 100U);
  EXPECT_EQ(split.validation.size(), 20U);
  EXPECT_TRUE(split.by_patient);
  EXPECT_EQ(split.validation, SplitByPatient(batch.infos, 0.2, 3).validation);
  EXPECT_NE(split.validation, SplitByPatient(batch.infos, 0.2, 4).validation);
  EXPECT_THAT(ErrorMessage([&] { SplitByPatient(Toy(10, 1, 1).infos, 0.2, 1); }),
              HasSubstr("one patient"));
}

// Half of the patients have class 0 only, half class 1 only.
TEST(SplitByPatientTest, EveryClassValidates) {
  const TileBatch batch = Toy(120, 12, 1);
  std::set<std::vector<int64_t>> different;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const std::vector<int64_t> validation = SplitByPatient(batch.infos, 0.34, seed).validation;
    std::map<int64_t, int> count;
    for (const int64_t row : validation) ++count[batch.infos[static_cast<size_t>(row)].label];
    EXPECT_EQ(count[0], 20) << "seed " << seed;
    EXPECT_EQ(count[1], 20) << "seed " << seed;
    different.insert(validation);
  }
  EXPECT_GT(different.size(), 10U);
}

}  // namespace
}  // namespace assay::robustness
