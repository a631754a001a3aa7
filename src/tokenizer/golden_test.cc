// Ids compared with those of other implementations, stored outside the repository (see
// ../shared/golden/README.md).
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tokenizer/tokenizer.h"

namespace assay::tokenizer {
namespace {

namespace fs = std::filesystem;

struct Case {
  std::string text;
  std::vector<TokenId> ids;
};

std::vector<Case> ReadCases(const fs::path& path) {
  std::vector<Case> cases;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    const auto json = nlohmann::json::parse(line);
    cases.push_back({json["text"], json["ids"].get<std::vector<TokenId>>()});
  }
  return cases;
}

struct Golden {
  const char* name;
  const char* tokenizer_folder;  // in shared/
  const char* cases;
  size_t count;
};
void PrintTo(const Golden& golden, std::ostream* out) { *out << golden.name; }

class GoldenTest : public testing::TestWithParam<Golden> {
 protected:
  void SetUp() override {
    shared_ = fs::path(ASSAY_SOURCE_DIR) / "../shared";
    if (!fs::exists(shared_ / GetParam().cases)) GTEST_SKIP() << "needs " << GetParam().cases;
    tokenizer_ = LoadTokenizer(shared_ / GetParam().tokenizer_folder);
    cases_ = ReadCases(shared_ / GetParam().cases);
    ASSERT_EQ(cases_.size(), GetParam().count);
  }

  fs::path shared_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::vector<Case> cases_;
};

TEST_P(GoldenTest, GivesTheSameIds) {
  for (const Case& c : cases_) {
    EXPECT_EQ(tokenizer_->Encode(c.text, SpecialTokens::kAsConfigured).ids, c.ids) << c.text;
  }
}

TEST_P(GoldenTest, DecodesToTheText) {
  for (const Case& c : cases_) EXPECT_EQ(tokenizer_->Decode(c.ids), c.text);
}

TEST_P(GoldenTest, OffsetsCoverTheText) {
  for (const Case& c : cases_) {
    const Encoding encoding = tokenizer_->Encode(c.text, SpecialTokens::kAsConfigured);
    ASSERT_EQ(encoding.offsets.size(), encoding.ids.size());
    uint32_t done = 0;
    for (const auto& [begin, end] : encoding.offsets) {
      ASSERT_EQ(begin, done) << c.text;
      ASSERT_LE(begin, end) << c.text;
      done = end;
    }
    EXPECT_EQ(done, c.text.size()) << c.text;
  }
}

INSTANTIATE_TEST_SUITE_P(Shared, GoldenTest,
                         testing::Values(Golden{"gpt2_bpe", "golden/gpt2_bpe",
                                                "golden/gpt2_bpe/cases.jsonl", 2000},
                                         Golden{"stories260k", "models/stories260k",
                                                "golden/stories260k_tokenizer/cases.jsonl", 600},
                                         Golden{"gpt2basic", "models/gpt2basic_model",
                                                "golden/gpt2basic_tokenizer/cases.jsonl", 300}),
                         [](const auto& golden) { return std::string(golden.param.name); });

}  // namespace
}  // namespace assay::tokenizer
