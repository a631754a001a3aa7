#include "tokenizer/decoder.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace assay::tokenizer {
namespace {

using nlohmann::json;

std::string Decoded(const json& component, std::vector<std::string> pieces) {
  ReadDecoder(JsonNode(component, "test"))->Decode(pieces);
  std::string text;
  for (const std::string& piece : pieces) text += piece;
  return text;
}

json Type(const char* type) { return {{"type", type}}; }

TEST(DecoderTest, ByteLevelJoinsBytesOverTokens) {
  EXPECT_EQ(Decoded(Type("ByteLevel"), {"\u0120\u00C3", "\u00A9t"}), " \u00E9t");
  EXPECT_EQ(Decoded(Type("ByteLevel"), {"a\u00C3"}), "a\uFFFD");
  EXPECT_EQ(Decoded(Type("ByteLevel"), {"\u4E2D ", "\u0120"}), "\u4E2D  ");  // no aliases: as it is
}

TEST(DecoderTest, MetaspaceDropsTheFirstMark) {
  EXPECT_EQ(Decoded(Type("Metaspace"), {"\u2581a", "b", "\u2581c"}), "ab c");
  const json never = {{"type", "Metaspace"}, {"prepend_scheme", "never"}};
  EXPECT_EQ(Decoded(never, {"\u2581a", "\u2581c"}), " a c");
}

TEST(DecoderTest, LlamaSequenceFallsBackToBytesAndStripsOneSpace) {
  const json llama = {
      {"type", "Sequence"},
      {"decoders",
       {{{"type", "Replace"}, {"pattern", {{"String", "\u2581"}}}, {"content", " "}},
        Type("ByteFallback"),
        Type("Fuse"),
        {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}};
  EXPECT_EQ(Decoded(llama, {"\u2581", "\u2581a", "<0xC3>", "<0xA9>", "<0x0A>"}), " a\u00E9\n");
  EXPECT_EQ(Decoded(llama, {"<0xC3>", "<0xA9>", "<0xC3>", "x"}), "\uFFFD\uFFFD\uFFFDx");
}

TEST(DecoderTest, WordPieceJoinsContinuationsAndCleansUp) {
  EXPECT_EQ(Decoded(Type("WordPiece"), {"do", "n", "'", "t", "##s", "!"}), "do n ' ts!");
  const json plain = {{"type", "WordPiece"}, {"cleanup", false}};
  EXPECT_EQ(Decoded(plain, {"##a", "##b", "!"}), "##ab !");
}

TEST(DecoderTest, BpeSuffixBecomesASpaceExceptAtTheEnd) {
  EXPECT_EQ(Decoded(Type("BPEDecoder"), {"a", "b</w>", "c</w>"}), "ab c");
}

TEST(DecoderTest, StripWorksOnBothSidesUpToItsCounts) {
  const json strip = {{"type", "Strip"}, {"content", "x"}, {"start", 1}, {"stop", 2}};
  EXPECT_EQ(Decoded(strip, {"xxaxxx"}), "xax");
  EXPECT_EQ(Decoded(strip, {"xx"}), "");
}

TEST(DecoderTest, ReplaceTakesPatterns) {
  const json replace = {{"type", "Replace"}, {"pattern", {{"Regex", "[ab]+"}}}, {"content", "-"}};
  EXPECT_EQ(Decoded(replace, {"abc", "ba"}), "-c-");
}

TEST(DecoderTest, UnknownTypesAreUnsupported) {
  EXPECT_THROW(Decoded(Type("CTC"), {}), base::Error);
}

TEST(TokenTextTest, ShowsWhatATokenStandsFor) {
  EXPECT_EQ(ShowToken("\u0120the", {.byte_level = true}), " the");
  EXPECT_EQ(ShowToken("\u00E2\u0124", {.byte_level = true}), "<0xE2><0x82>");
  EXPECT_EQ(ShowToken("\u2581the", {.byte_fallback = true, .word_start = "\u2581"}), " the");
  EXPECT_EQ(ShowToken("<0xE2>", {.byte_fallback = true}), "<0xE2>");
  EXPECT_EQ(ShowToken("<0x0A>", {.byte_fallback = true}), "\n");
  EXPECT_EQ(ShowToken("<0x0A>", {}), "<0x0A>");
  EXPECT_EQ(ShowToken("the", {.continuing_prefix = "##"}), " the");
  EXPECT_EQ(ShowToken("##ing", {.continuing_prefix = "##"}), "ing");
  EXPECT_EQ(ShowToken("ing</w>", {.end_of_word_suffix = "</w>"}), "ing ");
  EXPECT_EQ(ShowToken("", {}), "<empty>");
}

TEST(TokenTextTest, ContinuesAWordWithoutAStartMark) {
  EXPECT_TRUE(ContinuesWord("ing", {.byte_level = true}));
  EXPECT_FALSE(ContinuesWord("\u0120the", {.byte_level = true}));
  EXPECT_FALSE(ContinuesWord("\u010A", {.byte_level = true}));  // a newline
  EXPECT_TRUE(ContinuesWord("ing", {.word_start = "\u2581"}));
  EXPECT_FALSE(ContinuesWord("\u2581the", {.word_start = "\u2581"}));
  EXPECT_TRUE(ContinuesWord("##ing", {.continuing_prefix = "##"}));
  EXPECT_FALSE(ContinuesWord("the", {.continuing_prefix = "##"}));
  EXPECT_FALSE(ContinuesWord("the", {}));
}

}  // namespace
}  // namespace assay::tokenizer
