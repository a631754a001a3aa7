#include "tokenizer/tokenizer_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "base/error.h"
#include "base/rng.h"

namespace assay::tokenizer {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Words of the letters a and b with "_" for a space, two special tokens and one added word.
json SmallTokenizer() {
  return json::parse(R"({
    "version": "1.0",
    "added_tokens": [
      {"id": 0, "content": "<unk>", "special": true},
      {"id": 1, "content": "<s>", "special": true},
      {"id": 9, "content": "WORD", "special": false}],
    "normalizer": {"type": "Lowercase"},
    "pre_tokenizer": {"type": "Metaspace", "replacement": "_"},
    "post_processor": {"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
      "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
    "decoder": {"type": "Metaspace", "replacement": "_"},
    "model": {"type": "BPE", "unk_token": "<unk>",
      "vocab": {"<unk>": 0, "<s>": 1, "_": 2, "a": 3, "b": 4, "ab": 5, "_ab": 7},
      "merges": ["a b", ["_", "ab"]]}})");
}

std::unique_ptr<Tokenizer> Load(const json& file) { return LoadTokenizerJson(file.dump(), "FILE"); }

TEST(TokenizerJsonTest, AllPartsWorkTogether) {
  const auto tokenizer = Load(SmallTokenizer());
  const Encoding encoding = tokenizer->Encode("AB word<s>xb", SpecialTokens::kAsConfigured);
  // "_ab", then the space before "word" as its own part, WORD in the normalised text, <s>, "_",
  // unknown, b.
  EXPECT_THAT(encoding.ids, ElementsAre(1, 7, 2, 9, 1, 2, 0, 4));
  using Offset = std::pair<uint32_t, uint32_t>;
  EXPECT_THAT(encoding.offsets,
              ElementsAre(Offset{0, 0}, Offset{0, 2}, Offset{2, 3}, Offset{3, 7}, Offset{7, 10},
                          Offset{10, 10}, Offset{10, 11}, Offset{11, 12}));
  EXPECT_THAT(tokenizer->Encode("AB", SpecialTokens::kNone).ids, ElementsAre(7));
  EXPECT_THAT(tokenizer->Encode("", SpecialTokens::kNone).ids, ElementsAre());
  EXPECT_EQ(tokenizer->Decode(encoding.ids), "ab WORD b");
  EXPECT_EQ(tokenizer->Specials().unk, 0);
}

TEST(TokenizerJsonTest, IdsWithoutTokenAreShownAndDecodedToNothing) {
  const auto tokenizer = Load(SmallTokenizer());
  EXPECT_EQ(tokenizer->VocabSize(), 10);
  EXPECT_EQ(tokenizer->TokenText(8), "<unused 8>");
  EXPECT_EQ(tokenizer->TokenText(7), " ab");
  EXPECT_EQ(tokenizer->TokenText(1), "<s>");
  EXPECT_TRUE(tokenizer->ContinuesWord(5));
  EXPECT_FALSE(tokenizer->ContinuesWord(7));
  EXPECT_FALSE(tokenizer->ContinuesWord(8));
  EXPECT_EQ(tokenizer->Decode(std::vector<TokenId>{7, 8, 5}), "abab");
}

TEST(TokenizerJsonTest, IdsOutsideTheVocabularyAreRefused) {
  const auto tokenizer = Load(SmallTokenizer());
  for (const TokenId id : {-1, 10, INT32_MAX, INT32_MIN}) {
    EXPECT_THROW(tokenizer->Decode(std::vector<TokenId>{id}), base::Error);
    EXPECT_THROW(tokenizer->TokenText(id), base::Error);
    EXPECT_THROW(tokenizer->ContinuesWord(id), base::Error);
  }
}

TEST(TokenizerJsonTest, TextThatIsNoUtf8IsRefused) {
  const auto tokenizer = Load(SmallTokenizer());
  EXPECT_THROW(tokenizer->Encode("a\xFF", SpecialTokens::kNone), base::Error);
  EXPECT_THROW(tokenizer->Encode("\xED\xA0\x80", SpecialTokens::kNone), base::Error);
}

TEST(TokenizerJsonTest, OldFilesDoNotNameTheModel) {
  json file = SmallTokenizer();
  file["model"].erase("type");
  EXPECT_THAT(Load(file)->Encode("ab", SpecialTokens::kNone).ids, ElementsAre(7));
}

TEST(TokenizerJsonTest, WithoutDecoderTokensAreJoinedWithSpaces) {
  json file = SmallTokenizer();
  file["decoder"] = nullptr;
  EXPECT_EQ(Load(file)->Decode(std::vector<TokenId>{7, 3}), "_ab a");
  EXPECT_EQ(Load(file)->TokenText(7), " ab");  // the pre-tokenizer tells how spaces are written
}

TEST(TokenizerJsonTest, BertAndRobertaProcessorsFrameTheText) {
  for (const char* type : {"BertProcessing", "RobertaProcessing"}) {
    json file = SmallTokenizer();
    file["post_processor"] = {{"type", type}, {"cls", {"<s>", 1}}, {"sep", {"<unk>", 0}}};
    EXPECT_THAT(Load(file)->Encode("ab", SpecialTokens::kAsConfigured).ids, ElementsAre(1, 7, 0));
  }
}

struct Damage {
  const char* what;
  std::function<void(json&)> apply;
  const char* named;  // part of the message
  base::ErrorKind kind = base::ErrorKind::kBadInput;
};

TEST(TokenizerJsonTest, DamagedFilesAreRefusedByFilePlaceAndValue) {
  const std::vector<Damage> damages = {
      {"model missing", [](json& f) { f.erase("model"); }, "model"},
      {"model of wrong type", [](json& f) { f["model"] = 5; }, "model is the number 5"},
      {"version", [](json& f) { f["version"] = "2.0"; }, "version", base::ErrorKind::kUnsupported},
      {"vocab of wrong type", [](json& f) { f["model"]["vocab"] = json::array(); }, "model.vocab"},
      {"fractional id", [](json& f) { f["model"]["vocab"]["a"] = 1.5; }, "'a' is the number 1.5"},
      {"id as string", [](json& f) { f["model"]["vocab"]["a"] = "3"; }, "the string '3'"},
      {"negative id", [](json& f) { f["model"]["vocab"]["a"] = -3; }, "-3"},
      {"huge id", [](json& f) { f["model"]["vocab"]["a"] = 4000000000u; }, "4000000000"},
      {"huger id", [](json& f) { f["model"]["vocab"]["a"] = UINT64_MAX; }, "18446744073709551615"},
      {"id used twice", [](json& f) { f["model"]["vocab"]["a"] = 4; }, "id 4 is used by"},
      {"merges of wrong type", [](json& f) { f["model"]["merges"] = "a b"; }, "model.merges"},
      {"merge of one token", [](json& f) { f["model"]["merges"][0] = "ab"; }, "merges[0]"},
      {"merge of three tokens", [](json& f) { f["model"]["merges"][0] = "a b c"; }, "merges[0]"},
      {"merge of wrong type",
       [](json& f) {
         f["model"]["merges"][1] = {1, 2};
       },
       "merges[1]"},
      {"merge of a missing token", [](json& f) { f["model"]["merges"][0] = "a x"; }, "'x'"},
      {"merge into a missing token", [](json& f) { f["model"]["merges"][0] = "b a"; }, "'ba'"},
      {"flag of wrong type", [](json& f) { f["model"]["byte_fallback"] = 1; }, "byte_fallback"},
      {"dropout", [](json& f) { f["model"]["dropout"] = 0.1; }, "dropout",
       base::ErrorKind::kUnsupported},
      {"unknown model", [](json& f) { f["model"]["type"] = "Unigram"; }, "Unigram",
       base::ErrorKind::kUnsupported},
      {"unknown normalizer", [](json& f) { f["normalizer"]["type"] = "Nmt"; }, "Nmt",
       base::ErrorKind::kUnsupported},
      {"normalizer without type", [](json& f) { f["normalizer"] = json::object(); }, "'type'"},
      {"pre-tokenizer as array", [](json& f) { f["pre_tokenizer"] = {1}; }, "pre_tokenizer"},
      {"processor id unknown",
       [](json& f) { f["post_processor"]["special_tokens"]["<s>"]["ids"][0] = 8; }, "id 8"},
      {"processor token unknown",
       [](json& f) { f["post_processor"]["special_tokens"].erase("<s>"); }, "<s>"},
      {"template without text", [](json& f) { f["post_processor"]["single"].erase(1); }, "single"},
      {"decoder of wrong type", [](json& f) { f["decoder"] = "Metaspace"; }, "decoder"},
      {"added tokens as object", [](json& f) { f["added_tokens"] = json::object(); },
       "added_tokens"},
      {"added token without id", [](json& f) { f["added_tokens"][0].erase("id"); },
       "added_tokens[0]"},
      {"empty added token", [](json& f) { f["added_tokens"][0]["content"] = ""; }, "content"},
      {"added token with another id", [](json& f) { f["added_tokens"][1]["id"] = 44; }, "'<s>'"},
      {"added token on a taken id", [](json& f) { f["added_tokens"][2]["id"] = 3; }, "id 3"},
      {"added id out of range", [](json& f) { f["added_tokens"][2]["id"] = 1LL << 40; },
       "1099511627776"},
  };
  for (const Damage& damage : damages) {
    json file = SmallTokenizer();
    damage.apply(file);
    try {
      Load(file);
      ADD_FAILURE() << damage.what << " was accepted";
    } catch (const base::Error& error) {
      EXPECT_EQ(error.kind(), damage.kind) << damage.what << ": " << error.what();
      EXPECT_THAT(error.what(), HasSubstr("FILE")) << damage.what;
      EXPECT_THAT(error.what(), HasSubstr(damage.named)) << damage.what;
    }
  }
}

TEST(TokenizerJsonTest, NeitherJsonNorUtf8) {
  for (const char* bytes :
       {"", " ", "{", "null", "[]", "5", "\"x\"", "{\"a\xFF\": 1}", "\xEF\xBB\xBF"}) {
    EXPECT_THROW(LoadTokenizerJson(bytes, "FILE"), base::Error) << bytes;
  }
}

TEST(TokenizerJsonTest, EveryTruncationIsRefused) {
  const std::string bytes = SmallTokenizer().dump();
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_THROW(LoadTokenizerJson(bytes.substr(0, length), "FILE"), base::Error);
  }
}

TEST(TokenizerJsonTest, DeepNestingIsRefused) {
  std::string sequence = R"({"type":"NFC"})";
  for (int depth = 0; depth < 100; ++depth) {
    sequence = R"({"type":"Sequence","normalizers":[)" + sequence + "]}";
  }
  json file = SmallTokenizer();
  file["normalizer"] = json::parse(sequence);
  EXPECT_THROW(Load(file), base::Error);
  EXPECT_THROW(LoadTokenizerJson(std::string(1'000'000, '['), "FILE"), base::Error);
  const std::string closed = std::string(200'000, '[') + std::string(200'000, ']');
  EXPECT_THROW(LoadTokenizerJson(closed, "FILE"), base::Error);
}

TEST(TokenizerJsonTest, ReplacementsThatExplodeAreRefused) {
  const json doubling = {
      {"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aaaaaaaa"}};
  json steps = json::array();
  for (int i = 0; i < 60; ++i) steps.push_back(doubling);
  json file = SmallTokenizer();
  file["normalizer"] = {{"type", "Sequence"}, {"normalizers", steps}};
  EXPECT_THROW(Load(file)->Encode("a", SpecialTokens::kNone), base::Error);
  file = SmallTokenizer();
  file["decoder"] = {{"type", "Sequence"}, {"decoders", steps}};
  EXPECT_THROW(Load(file)->Decode(std::vector<TokenId>{3}), base::Error);
  file = SmallTokenizer();
  steps = json::array();
  for (int i = 0; i < 60; ++i) steps.push_back({{"type", "ByteLevel"}, {"use_regex", false}});
  file["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", steps}};
  EXPECT_THROW(Load(file)->Encode("\u00E9", SpecialTokens::kNone), base::Error);
}

TEST(TokenizerJsonTest, ThreadsShareOneTokenizer) {
  const auto tokenizer = Load(SmallTokenizer());
  const std::string text = "AB word<s>xb abab WORD b";
  const Encoding expected = tokenizer->Encode(text, SpecialTokens::kAsConfigured);
  std::vector<std::thread> threads;
  std::atomic<int> same = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        const Encoding encoding = tokenizer->Encode(text, SpecialTokens::kAsConfigured);
        same += encoding.ids == expected.ids && encoding.offsets == expected.offsets;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(same, 800);
}

TEST(TokenizerJsonTest, DamagedBytesNeverCrash) {
  const std::string bytes = SmallTokenizer().dump();
  base::Rng rng(7, "damaged bytes");
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = bytes;
    for (uint64_t k = 0; k <= rng.Below(3); ++k) {
      damaged[rng.Below(damaged.size())] = static_cast<char>(rng.Below(256));
    }
    try {
      const auto tokenizer = LoadTokenizerJson(damaged, "FILE");
      tokenizer->Decode(tokenizer->Encode("ab <s> WORD \u00E9", SpecialTokens::kAsConfigured).ids);
    } catch (const base::Error&) {
    }
  }
}

}  // namespace
}  // namespace assay::tokenizer
