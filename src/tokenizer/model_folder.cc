#include "tokenizer/model_folder.h"

#include <algorithm>
#include <initializer_list>

#include "base/error.h"
#include "base/file.h"
#include "tokenizer/bpe_model.h"
#include "tokenizer/sentencepiece_tokenizer.h"
#include "tokenizer/wordpiece_model.h"

namespace assay::tokenizer {

using base::ErrorKind;
using base::Fail;

namespace fs = std::filesystem;

namespace {

std::string ReadText(const fs::path& path) {
  std::string text = base::ReadFile(path);
  if (!base::IsUtf8(text)) {
    Fail(ErrorKind::kBadInput, "{} is not UTF-8; expected text", path.string());
  }
  return text;
}

// Throws kUnsupported unless the configured class is one of those whose rules are known for the
// file.
void CheckClass(const TokenizerConfig& config, std::string_view file,
                std::initializer_list<std::string_view> known) {
  const std::string& name = config.tokenizer_class;
  if (name.empty() || std::find(known.begin(), known.end(), name) != known.end()) return;
  Fail(ErrorKind::kUnsupported,
       "{}: the tokenizer_class {} with {} is not supported; a tokenizer.json would be read",
       config.file, name, file);
}

void NameIfUnnamed(std::optional<std::string>& name, const char* usual) {
  if (!name) name = usual;
}

void NameLikeGpt2(SpecialTokenNames& names) {
  NameIfUnnamed(names.bos, "<|endoftext|>");
  NameIfUnnamed(names.eos, "<|endoftext|>");
  NameIfUnnamed(names.unk, "<|endoftext|>");
}

void NameLikeRoberta(SpecialTokenNames& names) {
  NameIfUnnamed(names.bos, "<s>");
  NameIfUnnamed(names.eos, "</s>");
  NameIfUnnamed(names.cls, "<s>");
  NameIfUnnamed(names.sep, "</s>");
  NameIfUnnamed(names.unk, "<unk>");
  NameIfUnnamed(names.pad, "<pad>");
  NameIfUnnamed(names.mask, "<mask>");
}

void NameLikeBert(SpecialTokenNames& names) {
  NameIfUnnamed(names.cls, "[CLS]");
  NameIfUnnamed(names.sep, "[SEP]");
  NameIfUnnamed(names.unk, "[UNK]");
  NameIfUnnamed(names.pad, "[PAD]");
  NameIfUnnamed(names.mask, "[MASK]");
}

void AddConfiguredTokens(const TokenizerConfig& config, Pipeline& pipeline) {
  for (const AddedToken& token : config.added_tokens) {
    pipeline.added.Add(token, pipeline.model->vocabulary(), config.file);
  }
  ApplySpecialTokens(config, pipeline);
}

Vocabulary ReadVocabularyLines(std::string_view text, const std::string& file) {
  Vocabulary vocabulary;
  TokenId id = 0;
  for (; !text.empty(); ++id) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view token = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (token.ends_with('\r')) token.remove_suffix(1);
    if (id > kMaxTokenId)
      Fail(ErrorKind::kBadInput, "{} has more than {} lines", file, kMaxTokenId);
    if (!token.empty()) vocabulary.Add(token, id, file);
  }
  if (vocabulary.Count() == 0) Fail(ErrorKind::kBadInput, "{} has no tokens", file);
  return vocabulary;
}

TokenId Required(std::optional<TokenId> id, const std::optional<std::string>& name,
                 const std::string& file) {
  if (!id) Fail(ErrorKind::kBadInput, "{} lacks the token '{}'; expected it", file, *name);
  return *id;
}

}  // namespace

std::unique_ptr<Tokenizer> LoadVocabAndMerges(const fs::path& folder, TokenizerConfig config) {
  const std::string vocab_file = (folder / "vocab.json").string();
  const std::string merges_file = (folder / "merges.txt").string();
  CheckClass(config, "vocab.json and merges.txt",
             {"GPT2Tokenizer", "CodeGenTokenizer", "RobertaTokenizer", "BartTokenizer",
              "LongformerTokenizer"});
  const bool like_gpt2 = config.tokenizer_class.empty() ||
                         config.tokenizer_class == "GPT2Tokenizer" ||
                         config.tokenizer_class == "CodeGenTokenizer";
  const nlohmann::json vocab = ParseJson(base::ReadFile(vocab_file), vocab_file);
  Pipeline pipeline;
  pipeline.model = std::make_unique<BpeModel>(ReadVocabulary(JsonNode(vocab, vocab_file)),
                                              ReadMergesText(ReadText(merges_file), merges_file),
                                              BpeOptions{}, merges_file);
  pipeline.pre_tokenizer =
      MakeByteLevel({.add_prefix_space = config.add_prefix_space.value_or(false)});
  pipeline.decoder = MakeByteLevelDecoder();
  pipeline.decoder->Describe(pipeline.style);
  if (like_gpt2) {
    NameLikeGpt2(config.names);
  } else {
    NameLikeRoberta(config.names);
  }
  AddConfiguredTokens(config, pipeline);
  pipeline.frame = BosEosFrame(config, pipeline.specials, !like_gpt2, !like_gpt2);
  return MakePipelineTokenizer(std::move(pipeline), vocab_file);
}

std::unique_ptr<Tokenizer> LoadSentencePiece(const fs::path& folder,
                                             const TokenizerConfig& config) {
  CheckClass(config, "tokenizer.model", {"LlamaTokenizer", "CodeLlamaTokenizer", "GemmaTokenizer"});
  const fs::path path = folder / "tokenizer.model";
  return MakeSentencePieceTokenizer(base::ReadFile(path), path.string(), config);
}

std::unique_ptr<Tokenizer> LoadBertVocabulary(const fs::path& folder, TokenizerConfig config) {
  CheckClass(config, "vocab.txt",
             {"BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MobileBertTokenizer",
              "ConvBertTokenizer", "SqueezeBertTokenizer"});
  const std::string file = (folder / "vocab.txt").string();
  NameLikeBert(config.names);
  Pipeline pipeline;
  pipeline.model =
      std::make_unique<WordPieceModel>(ReadVocabularyLines(ReadText(file), file),
                                       WordPieceOptions{.unk_token = *config.names.unk}, file);
  const bool lowercase = config.do_lower_case.value_or(true);
  pipeline.normalizer =
      MakeBertNormalizer({.clean_text = true,
                          .handle_chinese_chars = config.tokenize_chinese_chars.value_or(true),
                          .strip_accents = config.strip_accents.value_or(lowercase),
                          .lowercase = lowercase});
  pipeline.pre_tokenizer = MakeBertPreTokenizer();
  pipeline.decoder = MakeWordPieceDecoder("##", true);
  pipeline.decoder->Describe(pipeline.style);
  AddConfiguredTokens(config, pipeline);
  pipeline.frame.before = {Required(pipeline.specials.cls, config.names.cls, file)};
  pipeline.frame.after = {Required(pipeline.specials.sep, config.names.sep, file)};
  return MakePipelineTokenizer(std::move(pipeline), file);
}

}  // namespace assay::tokenizer
