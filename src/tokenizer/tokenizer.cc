#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/file.h"
#include "tokenizer/bpe_model.h"
#include "tokenizer/tokenizer_config.h"
#include "tokenizer/tokenizer_json.h"

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

// Throws kUnsupported unless the configured class is one of those whose rules the file format
// follows.
template <size_t kCount>
void CheckClass(const TokenizerConfig& config, std::string_view file,
                const std::array<std::string_view, kCount>& known) {
  const std::string& name = config.tokenizer_class;
  if (name.empty() || std::find(known.begin(), known.end(), name) != known.end()) return;
  Fail(ErrorKind::kUnsupported,
       "{}: the tokenizer_class {} with {} is not supported; a tokenizer.json would be read",
       config.file, name, file);
}

std::unique_ptr<Tokenizer> LoadFromTokenizerJson(const fs::path& path,
                                                 const TokenizerConfig& config) {
  Pipeline pipeline = ReadTokenizerJson(base::ReadFile(path), path.string());
  ApplySpecialTokens(config, pipeline);
  // These classes of transformers make the frame anew, whatever the file says.
  constexpr std::array<std::string_view, 3> kOwnFrame = {"LlamaTokenizer", "CodeLlamaTokenizer",
                                                         "GemmaTokenizer"};
  if (std::find(kOwnFrame.begin(), kOwnFrame.end(), config.tokenizer_class) != kOwnFrame.end()) {
    pipeline.frame = BosEosFrame(config, pipeline.specials, true, false);
  }
  return MakePipelineTokenizer(std::move(pipeline), path.string());
}

// Byte-level BPE as GPT-2 has it.
std::unique_ptr<Tokenizer> LoadFromMerges(const fs::path& vocab_path, const fs::path& merges_path,
                                          TokenizerConfig config) {
  constexpr std::array<std::string_view, 5> kKnown = {"GPT2Tokenizer", "CodeGenTokenizer",
                                                      "RobertaTokenizer", "BartTokenizer",
                                                      "LongformerTokenizer"};
  CheckClass(config, vocab_path.filename().string(), kKnown);
  const nlohmann::json vocab = ParseJson(base::ReadFile(vocab_path), vocab_path.string());
  Pipeline pipeline;
  pipeline.model =
      std::make_unique<BpeModel>(ReadVocabulary(JsonNode(vocab, vocab_path.string())),
                                 ReadMergesText(ReadText(merges_path), merges_path.string()),
                                 BpeOptions{}, merges_path.string());
  pipeline.pre_tokenizer =
      MakeByteLevel({.add_prefix_space = config.add_prefix_space.value_or(false)});
  pipeline.decoder = MakeByteLevelDecoder();
  pipeline.decoder->Describe(pipeline.style);
  for (const AddedToken& token : config.added_tokens) {
    pipeline.added.Add(token, pipeline.model->vocabulary(), config.file);
  }
  const bool like_gpt2 = config.tokenizer_class.empty() || config.tokenizer_class == kKnown[0] ||
                         config.tokenizer_class == kKnown[1];
  const auto name = [](std::optional<std::string>& token, const char* usual) {
    if (!token) token = usual;
  };
  name(config.names.bos, like_gpt2 ? "<|endoftext|>" : "<s>");
  name(config.names.eos, like_gpt2 ? "<|endoftext|>" : "</s>");
  name(config.names.unk, like_gpt2 ? "<|endoftext|>" : "<unk>");
  if (!like_gpt2) {
    name(config.names.cls, "<s>");
    name(config.names.sep, "</s>");
    name(config.names.pad, "<pad>");
    name(config.names.mask, "<mask>");
  }
  ApplySpecialTokens(config, pipeline);
  pipeline.frame = BosEosFrame(config, pipeline.specials, !like_gpt2, !like_gpt2);
  return MakePipelineTokenizer(std::move(pipeline), vocab_path.string());
}

}  // namespace

std::unique_ptr<Tokenizer> LoadTokenizerJson(std::string_view bytes,
                                             std::string_view name_for_errors) {
  return MakePipelineTokenizer(ReadTokenizerJson(bytes, name_for_errors), name_for_errors);
}

std::unique_ptr<Tokenizer> LoadTokenizer(const fs::path& folder) {
  const TokenizerConfig config = ReadTokenizerConfig(folder);
  const fs::path tokenizer_json = folder / "tokenizer.json";
  if (fs::exists(tokenizer_json)) return LoadFromTokenizerJson(tokenizer_json, config);
  const fs::path vocab_json = folder / "vocab.json";
  const fs::path merges = folder / "merges.txt";
  if (fs::exists(vocab_json) && fs::exists(merges)) {
    return LoadFromMerges(vocab_json, merges, config);
  }
  Fail(ErrorKind::kNotFound,
       "{} has no tokenizer; expected tokenizer.json, vocab.json with merges.txt, tokenizer.model "
       "or vocab.txt",
       folder.string());
}

}  // namespace assay::tokenizer
