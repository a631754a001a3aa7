#include "tokenizer/normalizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace assay::tokenizer {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

AlignedText Apply(const json& component, std::string_view text) {
  return ReadNormalizer(JsonNode(component, "test"))->Apply(AlignedText(text, 0));
}

std::string Normalized(const json& component, std::string_view text) {
  return Apply(component, text).text();
}

std::vector<Range> Origins(const AlignedText& text) {
  std::vector<Range> origins;
  for (uint32_t i = 0; i < text.size(); ++i) origins.push_back(text.Origin({i, i + 1}));
  return origins;
}

json Type(const char* type) { return {{"type", type}}; }

TEST(NormalizerTest, FormsComposeAndDecompose) {
  EXPECT_EQ(Normalized(Type("NFC"), "e\u0301\u0323 \u212B"), "\u1EB9\u0301 \u00C5");
  EXPECT_EQ(Normalized(Type("NFD"), "\u00E9"), "e\u0301");
  EXPECT_EQ(Normalized(Type("NFD"), "q\u0307\u0323"), "q\u0323\u0307");
  EXPECT_EQ(Normalized(Type("NFKC"), "\uFB01\u00BD\uFF41"), "fi1\u20442a");
  EXPECT_EQ(Normalized(Type("NFKD"), "\u1E9B\u0323"), "s\u0323\u0307");
  EXPECT_EQ(Normalized(Type("NFC"), "\u1100\u1161\u11A8"), "\uAC01");
}

TEST(NormalizerTest, ChangedTextStandsForWhatItWasMadeFrom) {
  // "xé" decomposed: é is 2 bytes of the original, 3 of the result.
  EXPECT_THAT(Origins(Apply(Type("NFD"), "x\u00E9y")),
              ElementsAre(Range{0, 1}, Range{1, 3}, Range{1, 3}, Range{1, 3}, Range{3, 4}));
  const json replace = {{"type", "Replace"}, {"pattern", {{"String", "  "}}}, {"content", "_"}};
  EXPECT_THAT(Origins(Apply(replace, "a  b")), ElementsAre(Range{0, 1}, Range{1, 3}, Range{3, 4}));
  const json prepend = {{"type", "Prepend"}, {"prepend", "_"}};
  EXPECT_THAT(Origins(Apply(prepend, "ab")), ElementsAre(Range{0, 0}, Range{0, 1}, Range{1, 2}));
}

TEST(NormalizerTest, UnchangedCharactersKeepTheirOwnBytes) {
  const AlignedText text = Apply(Type("NFC"), "\u00E9");
  EXPECT_THAT(Origins(text), ElementsAre(Range{0, 1}, Range{1, 2}));
}

TEST(NormalizerTest, PrependLeavesAnEmptyTextEmpty) {
  EXPECT_EQ(Normalized({{"type", "Prepend"}, {"prepend", "_"}}, ""), "");
}

TEST(NormalizerTest, ReplaceTakesLiteralsAndPatterns) {
  const json regex = {{"type", "Replace"}, {"pattern", {{"Regex", R"(\s+)"}}}, {"content", "$0"}};
  EXPECT_EQ(Normalized(regex, "a \n b"), "a$0b");
  const json empty_matches = {
      {"type", "Replace"}, {"pattern", {{"Regex", "b*$"}}}, {"content", "."}};
  EXPECT_EQ(Normalized(empty_matches, "abb"), "a.");
  EXPECT_EQ(Normalized(empty_matches, "a"), "a.");
}

TEST(NormalizerTest, LowercaseIsFreeOfContext) {
  EXPECT_EQ(Normalized(Type("Lowercase"), "\u0130\u03A3A\u00DF\u1E9E"),
            "i\u0307\u03C3a\u00DF\u00DF");
}

TEST(NormalizerTest, StripTakesWhiteSpaceFromTheSidesAskedFor) {
  EXPECT_EQ(Normalized(Type("Strip"), "\u3000 a b\n"), "a b");
  EXPECT_EQ(Normalized({{"type", "Strip"}, {"strip_left", false}}, " a "), " a");
  EXPECT_EQ(Normalized(Type("Strip"), " \n"), "");
}

TEST(NormalizerTest, StripAccentsDropsMarksOnly) {
  EXPECT_EQ(Normalized(Type("StripAccents"), "e\u0301\u00E9"), "e\u00E9");
}

TEST(NormalizerTest, ByteLevelWritesAliases) {
  EXPECT_EQ(Normalized(Type("ByteLevel"), " \u00E9"), "\u0120\u00C3\u00A9");
}

TEST(NormalizerTest, BertCleansSpacesOutIdeographsStripsAccentsAndLowers) {
  EXPECT_EQ(Normalized(Type("BertNormalizer"), "H\u00E9LLO\u200B\t\u4E2DX"), "hello  \u4E2D x");
  const json cased = {{"type", "BertNormalizer"}, {"lowercase", false}};
  EXPECT_EQ(Normalized(cased, "H\u00E9\u0000"), "H\u00E9");
  const json accents = {{"type", "BertNormalizer"}, {"lowercase", false}, {"strip_accents", true}};
  EXPECT_EQ(Normalized(accents, "H\u00E9"), "He");
  const json plain = {{"type", "BertNormalizer"},
                      {"clean_text", false},
                      {"handle_chinese_chars", false},
                      {"lowercase", false}};
  EXPECT_EQ(Normalized(plain, "\t\u4E2D"), "\t\u4E2D");
}

TEST(NormalizerTest, SequenceAppliesInOrder) {
  const json sequence = {{"type", "Sequence"},
                         {"normalizers", {Type("NFD"), Type("StripAccents"), Type("Lowercase")}}};
  EXPECT_EQ(Normalized(sequence, "\u00C9T\u00C9"), "ete");
}

TEST(NormalizerTest, UnknownTypesAreUnsupportedByName) {
  try {
    Normalized(Type("Precompiled"), "");
    FAIL();
  } catch (const base::Error& error) {
    EXPECT_EQ(error.kind(), base::ErrorKind::kUnsupported);
    EXPECT_THAT(error.what(), testing::HasSubstr("Precompiled"));
  }
}

}  // namespace
}  // namespace assay::tokenizer
