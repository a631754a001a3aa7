#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/file.h"
#include "tokenizer/model_folder.h"
#include "tokenizer/tokenizer_config.h"
#include "tokenizer/tokenizer_json.h"

namespace assay::tokenizer {
namespace {

namespace fs = std::filesystem;

std::unique_ptr<Tokenizer> LoadTokenizerJsonFile(const fs::path& path,
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

}  // namespace

std::unique_ptr<Tokenizer> LoadTokenizerJson(std::string_view bytes,
                                             std::string_view name_for_errors) {
  return MakePipelineTokenizer(ReadTokenizerJson(bytes, name_for_errors), name_for_errors);
}

std::unique_ptr<Tokenizer> LoadTokenizer(const fs::path& folder) {
  const auto has = [&](const char* name) {
    std::error_code unreadable;
    return fs::exists(folder / name, unreadable);
  };
  const TokenizerConfig config = ReadTokenizerConfig(folder);
  if (has("tokenizer.json")) return LoadTokenizerJsonFile(folder / "tokenizer.json", config);
  if (has("vocab.json") && has("merges.txt")) return LoadVocabAndMerges(folder, config);
  if (has("tokenizer.model")) return LoadSentencePiece(folder, config);
  if (has("vocab.txt")) return LoadBertVocabulary(folder, config);
  base::Fail(base::ErrorKind::kNotFound,
             "{} has no tokenizer; expected tokenizer.json, vocab.json with merges.txt, "
             "tokenizer.model or vocab.txt",
             folder.string());
}

}  // namespace assay::tokenizer
