// Folders of the other file formats, written by the tests: vocab.json with merges.txt, vocab.txt,
// tokenizer.model, and what tokenizer_config.json changes.
#include "tokenizer/model_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sentencepiece_trainer.h>

#include "base/error.h"
#include "base/file.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/tokenizer.h"

namespace assay::tokenizer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ModelFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) /
              testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  void Write(const char* name, std::string_view text) { base::WriteFile(folder_ / name, text); }
  std::unique_ptr<Tokenizer> Load() { return LoadTokenizer(folder_); }
  std::vector<TokenId> Ids(std::string_view text) {
    return Load()->Encode(text, SpecialTokens::kAsConfigured).ids;
  }
  base::ErrorKind KindOfFailure(const char* named) {
    try {
      Load();
    } catch (const base::Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(named));
      return error.kind();
    }
    ADD_FAILURE() << "loading did not fail: " << named;
    return base::ErrorKind::kInternal;
  }

  fs::path folder_;
};

TEST_F(ModelFolderTest, AnEmptyFolderHasNoTokenizer) {
  EXPECT_EQ(KindOfFailure("tokenizer.json"), base::ErrorKind::kNotFound);
  Write("vocab.json", "{}");  // without merges.txt
  EXPECT_EQ(KindOfFailure("merges.txt"), base::ErrorKind::kNotFound);
}

// --- vocab.json and merges.txt

class Gpt2FolderTest : public ModelFolderTest {
 protected:
  // Ids 0..255 in the order of the aliases, then "he", " he" and the special tokens.
  void SetUp() override {
    ModelFolderTest::SetUp();
    json vocab;
    int id = 0;
    for (const unsigned char byte : BytesInAliasOrder()) vocab[std::string(ByteAlias(byte))] = id++;
    for (const char* token : {"he", "\u0120he", "<|endoftext|>", "<s>", "</s>", "<unk>"})
      vocab[token] = id++;
    Write("vocab.json", vocab.dump());
    Write("merges.txt", "#version: 0.2\nh e\n\u0120 he\n");
  }
};

TEST_F(Gpt2FolderTest, ByteLevelBpeNeedsNoConfig) {
  EXPECT_THAT(Ids("he he<|endoftext|>he!"), ElementsAre(256, 257, 258, 256, 0));
  const SpecialIds specials = Load()->Specials();
  EXPECT_EQ(specials.bos, 258);
  EXPECT_EQ(specials.eos, 258);
  EXPECT_EQ(specials.unk, 258);
  EXPECT_EQ(specials.pad, std::nullopt);
  EXPECT_EQ(Load()->Decode(std::vector<TokenId>{258, 256, 257}), "he he");
  EXPECT_EQ(Load()->TokenText(257), " he");
  EXPECT_EQ(Load()->TokenText(258), "<|endoftext|>");
}

TEST_F(Gpt2FolderTest, ConfigAddsPrefixSpaceAndBos) {
  Write("tokenizer_config.json",
        R"({"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": true, "add_bos_token": true,
            "bos_token": {"content": "<s>"}, "eos_token": "</s>"})");
  EXPECT_THAT(Ids("he"), ElementsAre(259, 257));
  EXPECT_EQ(Load()->Specials().eos, 260);
}

TEST_F(Gpt2FolderTest, RobertaFramesTheText) {
  Write("tokenizer_config.json", R"({"tokenizer_class": "RobertaTokenizer"})");
  EXPECT_THAT(Ids("he"), ElementsAre(259, 256, 260));
  EXPECT_EQ(Load()->Specials().cls, 259);
}

TEST_F(Gpt2FolderTest, AddedTokensComeFromEitherFile) {
  Write("added_tokens.json", R"({"<|x|>": 300})");
  EXPECT_THAT(Ids("he<|x|>"), ElementsAre(256, 300));
  EXPECT_EQ(Load()->VocabSize(), 301);
  Write("tokenizer_config.json",
        R"({"added_tokens_decoder": {"301": {"content": "<|y|>", "special": true}}})");
  EXPECT_THAT(Ids("he<|y|>"), ElementsAre(256, 301));
}

TEST_F(Gpt2FolderTest, OtherClassesAreNotGuessed) {
  Write("tokenizer_config.json", R"({"tokenizer_class": "CLIPTokenizer"})");
  EXPECT_EQ(KindOfFailure("CLIPTokenizer"), base::ErrorKind::kUnsupported);
}

TEST_F(Gpt2FolderTest, DamagedFilesAreNamed) {
  const auto refused = [&](const char* file, std::string_view content, const char* named) {
    const std::string good = fs::exists(folder_ / file) ? base::ReadFile(folder_ / file) : "";
    Write(file, content);
    EXPECT_EQ(KindOfFailure(named), base::ErrorKind::kBadInput) << file << " " << content;
    if (good.empty()) {
      fs::remove(folder_ / file);
    } else {
      Write(file, good);
    }
  };
  refused("merges.txt", "h e x\n", "line 1");
  refused("merges.txt", "h \u4E2D\n", "\u4E2D");
  refused("merges.txt", "h\xFF e\n", "merges.txt");
  refused("vocab.json", "[]", "vocab.json");
  refused("vocab.json", "", "vocab.json");
  refused("tokenizer_config.json", "[]", "tokenizer_config.json");
  refused("tokenizer_config.json", R"({"bos_token": 5})", "bos_token");
  refused("tokenizer_config.json", R"({"add_bos_token": "yes"})", "add_bos_token");
  refused("tokenizer_config.json", R"({"added_tokens_decoder": {"x": {"content": "y"}}})", "'x'");
  refused("tokenizer_config.json", R"({"added_tokens_decoder": {"99999999999": {}}})",
          "99999999999");
  refused("tokenizer_config.json", R"({"added_tokens_decoder": {"3": {"content": "y"}}})", "'y'");
  refused("tokenizer_config.json", R"({"add_bos_token": true, "bos_token": "<no>"})", "bos");
  refused("special_tokens_map.json", "{", "special_tokens_map.json");
  refused("added_tokens.json", R"({"": 400})", "added_tokens.json");
  refused("config.json", "x", "config.json");
}

TEST_F(Gpt2FolderTest, ModelConfigGivesIdsThatTheTokenizerDoesNotName) {
  Write("config.json", R"({"pad_token_id": 256, "eos_token_id": [1, 2], "bos_token_id": -1})");
  EXPECT_EQ(Load()->Specials().pad, 256);
  EXPECT_EQ(Load()->Specials().eos, 258);
}

// --- tokenizer.json with a config

TEST_F(ModelFolderTest, LlamaClassesMakeTheFrameAnew) {
  const json file = {{"added_tokens", {{{"id", 0}, {"content", "<s>"}, {"special", true}}}},
                     {"model",
                      {{"type", "BPE"},
                       {"vocab", {{"<s>", 0}, {"a", 1}, {"</s>", 2}}},
                       {"merges", json::array()}}}};
  Write("tokenizer.json", file.dump());
  EXPECT_THAT(Ids("a"), ElementsAre(1));
  Write("tokenizer_config.json",
        R"({"tokenizer_class": "LlamaTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"})");
  EXPECT_THAT(Ids("a"), ElementsAre(0, 1));
  Write("tokenizer_config.json",
        R"({"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>",
            "add_bos_token": false, "add_eos_token": true})");
  EXPECT_THAT(Ids("a"), ElementsAre(1, 2));
}

TEST_F(ModelFolderTest, TokensNamedSpecialAreFoundInTextAndLeftOutOfDecoding) {
  const json file = {
      {"model", {{"type", "WordLevel"}, {"vocab", {{"[PAD]", 0}, {"a", 1}}}, {"unk_token", "a"}}}};
  Write("tokenizer.json", file.dump());
  Write("special_tokens_map.json", R"({"pad_token": "[PAD]", "mask_token": "[MASK]"})");
  EXPECT_THAT(Ids("a[PAD]"), ElementsAre(1, 0));
  EXPECT_EQ(Load()->Decode(std::vector<TokenId>{0, 1, 0}), "a");
  EXPECT_EQ(Load()->Specials().pad, 0);
  EXPECT_EQ(Load()->Specials().mask, std::nullopt);  // not in the vocabulary
}

// --- vocab.txt

class BertFolderTest : public ModelFolderTest {
 protected:
  void SetUp() override {
    ModelFolderTest::SetUp();
    Write("vocab.txt",
          "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##aff\n##able\nhello\n,\n!"
          "\ncafe\n\u4E2D\nHello\n");
  }
};

TEST_F(BertFolderTest, IdsAreTheOnesWorkedOutByHand) {
  EXPECT_THAT(Ids("Hello, unaffable!"), ElementsAre(2, 8, 9, 5, 6, 7, 10, 3));
  EXPECT_THAT(Ids("CAF\u00C9\u4E2D\u4E2D xyz"), ElementsAre(2, 11, 12, 12, 1, 3));
  EXPECT_THAT(Ids("un[MASK] hello"), ElementsAre(2, 5, 4, 8, 3));
  EXPECT_THAT(Ids(""), ElementsAre(2, 3));
  EXPECT_THAT(Load()->Encode("un", SpecialTokens::kNone).ids, ElementsAre(5));
}

TEST_F(BertFolderTest, OffsetsAreBytesOfTheOriginal) {
  using Offset = std::pair<uint32_t, uint32_t>;
  EXPECT_THAT(Load()->Encode(" CAF\u00C9 unaffable", SpecialTokens::kAsConfigured).offsets,
              ElementsAre(Offset{0, 0}, Offset{1, 6}, Offset{7, 9}, Offset{9, 12}, Offset{12, 16},
                          Offset{16, 16}));
}

TEST_F(BertFolderTest, DecodingJoinsPiecesAndShowsWordStarts) {
  const auto tokenizer = Load();
  EXPECT_EQ(tokenizer->Decode(std::vector<TokenId>{2, 8, 9, 5, 6, 7, 10, 3}), "hello, unaffable!");
  EXPECT_EQ(tokenizer->TokenText(8), " hello");
  EXPECT_EQ(tokenizer->TokenText(6), "aff");
  EXPECT_EQ(tokenizer->TokenText(4), "[MASK]");
  EXPECT_TRUE(tokenizer->ContinuesWord(6));
  EXPECT_FALSE(tokenizer->ContinuesWord(5));
  EXPECT_EQ(tokenizer->Specials().mask, 4);
  EXPECT_EQ(tokenizer->Specials().pad, 0);
}

TEST_F(BertFolderTest, CasedModelsKeepCase) {
  Write("tokenizer_config.json", R"({"do_lower_case": false})");
  EXPECT_THAT(Ids("Hello hello CAF\u00C9"), ElementsAre(2, 13, 8, 1, 3));
}

TEST_F(BertFolderTest, DamagedVocabulariesAreNamed) {
  Write("vocab.txt", "");
  EXPECT_EQ(KindOfFailure("vocab.txt"), base::ErrorKind::kBadInput);
  Write("vocab.txt", "a\n\xFF\n");
  EXPECT_EQ(KindOfFailure("vocab.txt"), base::ErrorKind::kBadInput);
  Write("vocab.txt", "[CLS]\n[SEP]\na\na\n");
  EXPECT_EQ(KindOfFailure("'a'"), base::ErrorKind::kBadInput);
  Write("vocab.txt", "[UNK]\n[CLS]\na\n");
  EXPECT_EQ(KindOfFailure("[SEP]"), base::ErrorKind::kBadInput);
}

// --- tokenizer.model

class Sentences : public sentencepiece::SentenceIterator {
 public:
  bool done() const override { return at_ >= 200; }
  void Next() override { ++at_; }
  const std::string& value() const override { return text_; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  int at_ = 0;
  std::string text_ = "the cat sat on the mat and the dog ran home";
};

class SentencePieceFolderTest : public ModelFolderTest {
 protected:
  void SetUp() override {
    ModelFolderTest::SetUp();
    Sentences sentences;
    std::string model;
    const auto status =
        sentencepiece::SentencePieceTrainer::Train({{"vocab_size", "320"},
                                                    {"model_type", "bpe"},
                                                    {"byte_fallback", "true"},
                                                    {"hard_vocab_limit", "false"},
                                                    {"normalization_rule_name", "identity"},
                                                    {"remove_extra_whitespaces", "false"},
                                                    {"minloglevel", "2"}},
                                                   &sentences, &model);
    ASSERT_TRUE(status.ok()) << status.ToString();
    Write("tokenizer.model", model);
  }
};

TEST_F(SentencePieceFolderTest, EncodesWithBosAndDecodes) {
  const auto tokenizer = Load();
  for (const char* text : {"the cat", "", " the  \u00E9\U0001F363 dog\n", "x"}) {
    const std::vector<TokenId> ids = tokenizer->Encode(text, SpecialTokens::kAsConfigured).ids;
    EXPECT_EQ(ids[0], 1);
    EXPECT_EQ(tokenizer->Decode(ids), text);
  }
  EXPECT_EQ(tokenizer->Specials().bos, 1);
  EXPECT_EQ(tokenizer->Specials().eos, 2);
  EXPECT_EQ(tokenizer->Specials().unk, 0);
  EXPECT_EQ(tokenizer->Specials().pad, std::nullopt);
  EXPECT_EQ(tokenizer->TokenText(1), "<s>");
  const TokenId the = tokenizer->Encode("the", SpecialTokens::kNone).ids.at(0);
  EXPECT_EQ(tokenizer->TokenText(the), " the");
  EXPECT_FALSE(tokenizer->ContinuesWord(the));
}

TEST_F(SentencePieceFolderTest, BytesOfACharacterHaveTheirOwnOffsets) {
  const Encoding encoding = Load()->Encode("\u00E9\U0001F363", SpecialTokens::kNone);
  using Offset = std::pair<uint32_t, uint32_t>;
  EXPECT_THAT(encoding.offsets, ElementsAre(Offset{0, 0}, Offset{0, 1}, Offset{1, 2}, Offset{2, 3},
                                            Offset{3, 4}, Offset{4, 5}, Offset{5, 6}));
  EXPECT_EQ(Load()->TokenText(encoding.ids[1]), "<0xC3>");
}

TEST_F(SentencePieceFolderTest, ConfigTurnsBosOffAndEosOn) {
  Write("tokenizer_config.json", R"({"add_bos_token": false, "add_eos_token": true})");
  EXPECT_THAT(Ids(""), ElementsAre(2));
}

TEST_F(SentencePieceFolderTest, OtherClassesAndTokensBeyondTheModelAreNotGuessed) {
  Write("tokenizer_config.json", R"({"tokenizer_class": "XLMRobertaTokenizer"})");
  EXPECT_EQ(KindOfFailure("XLMRobertaTokenizer"), base::ErrorKind::kUnsupported);
  Write("tokenizer_config.json", R"({"added_tokens_decoder": {"5000": {"content": "<x>"}}})");
  EXPECT_EQ(KindOfFailure("<x>"), base::ErrorKind::kUnsupported);
}

TEST_F(SentencePieceFolderTest, DamagedModelsAndIdsAreRefused) {
  EXPECT_THROW(Load()->Decode(std::vector<TokenId>{100000}), base::Error);
  EXPECT_THROW(Load()->TokenText(-1), base::Error);
  EXPECT_THROW(Load()->Encode("\xFF", SpecialTokens::kNone), base::Error);
  const std::string model = base::ReadFile(folder_ / "tokenizer.model");
  for (const std::string& bad :
       {std::string(), std::string("x"), model.substr(0, model.size() / 2)}) {
    Write("tokenizer.model", bad);
    EXPECT_EQ(KindOfFailure("tokenizer.model"), base::ErrorKind::kBadInput);
  }
}

}  // namespace
}  // namespace assay::tokenizer
