// Properties of offsets over many random texts and tokenizers built in code.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/rng.h"
#include "tokenizer/bpe_trainer.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

namespace assay::tokenizer {
namespace {

using nlohmann::json;

std::string RandomText(base::Rng& rng) {
  const std::vector<std::string> parts = {
      "the",    " cat",          " ",       "  ",     "\n",     "\t",         "'s",     "12",
      ".",      "\u00E9",        "e\u0301", "\u4E2D", "\u0130", "\U0001F363", "\u00A0", "\u200B",
      "\uFB01", "<|endoftext|>", "\u0001",  "A"};
  std::string text;
  for (uint64_t n = rng.Below(20); n > 0; --n) text += parts[rng.Below(parts.size())];
  return text;
}

// A vocabulary of all bytes and a few merges.
TrainedBpe Trained() {
  return TrainBpe(std::vector<std::string>{"the cat's the cat 12 12 \u00E9\u4E2D\u00E9\u4E2D"},
                  {.vocab_size = 275});
}

void ExpectOrdered(const Encoding& encoding, std::string_view text) {
  ASSERT_EQ(encoding.ids.size(), encoding.offsets.size());
  std::pair<uint32_t, uint32_t> previous{0, 0};
  for (const auto& offset : encoding.offsets) {
    EXPECT_LE(offset.first, offset.second);
    EXPECT_LE(previous.first, offset.first);
    EXPECT_LE(previous.second, offset.second);
    EXPECT_LE(offset.second, text.size());
    previous = offset;
  }
}

TEST(OffsetsTest, ByteLevelTokensPartitionTheTextAndEqualIt) {
  const auto tokenizer = LoadTokenizerJson(Trained().tokenizer.dump(), "test");
  base::Rng rng(1, "offsets");
  for (int i = 0; i < 2000; ++i) {
    const std::string text = RandomText(rng);
    const Encoding encoding = tokenizer->Encode(text, SpecialTokens::kNone);
    ExpectOrdered(encoding, text);
    uint32_t done = 0;
    for (size_t t = 0; t < encoding.ids.size(); ++t) {
      const auto [begin, end] = encoding.offsets[t];
      ASSERT_EQ(begin, done) << text;
      done = end;
      EXPECT_EQ(tokenizer->TokenText(encoding.ids[t]),
                ShowInvalidUtf8(std::string_view(text).substr(begin, end - begin)));
    }
    EXPECT_EQ(done, text.size());
  }
}

TEST(OffsetsTest, StayOrderedUnderEveryNormalizerAndPreTokenizer) {
  const auto type = [](const char* name) { return json{{"type", name}}; };
  const std::vector<json> normalizers = {
      nullptr,
      type("NFC"),
      type("NFKD"),
      type("BertNormalizer"),
      type("Strip"),
      {{"type", "Sequence"},
       {"normalizers",
        {{{"type", "Prepend"}, {"prepend", "\u2581"}},
         {{"type", "Replace"}, {"pattern", {{"Regex", R"(\s*)"}}}, {"content", "\u2581"}}}}}};
  const std::vector<json> pre_tokenizers = {nullptr, type("ByteLevel"), type("Metaspace"),
                                            type("BertPreTokenizer"), type("Whitespace")};
  base::Rng rng(2, "offsets");
  for (const json& normalizer : normalizers) {
    for (const json& pre_tokenizer : pre_tokenizers) {
      json file = Trained().tokenizer;
      file["normalizer"] = normalizer;
      file["pre_tokenizer"] = pre_tokenizer;
      file["model"]["unk_token"] = "<|endoftext|>";
      const auto tokenizer = LoadTokenizerJson(file.dump(), "test");
      for (int i = 0; i < 100; ++i) {
        const std::string text = RandomText(rng);
        ExpectOrdered(tokenizer->Encode(text, SpecialTokens::kNone), text);
      }
    }
  }
}

}  // namespace
}  // namespace assay::tokenizer
