#include "tokenizer/tokenizer_json.h"

#include <string>

#include "tokenizer/bpe_model.h"
#include "tokenizer/metaspace.h"
#include "tokenizer/wordpiece_model.h"

namespace assay::tokenizer {
namespace {

// Files of before 2021 do not name the type of the model.
std::string ModelType(const JsonNode& node) {
  if (const auto type = node.Find("type")) return type->String();
  if (node.Find("merges")) return "BPE";
  if (node.Find("max_input_chars_per_word")) return "WordPiece";
  node.Unsupported("a model without 'type'");
}

std::unique_ptr<SubwordModel> ReadModel(const JsonNode& node, TokenStyle& style) {
  const std::string type = ModelType(node);
  if (type == "BPE") {
    style.byte_fallback = node.BoolOr("byte_fallback", false);
    style.continuing_prefix = node.StringOr("continuing_subword_prefix", "");
    style.end_of_word_suffix = node.StringOr("end_of_word_suffix", "");
    return ReadBpe(node);
  }
  if (type == "WordPiece") {
    style.continuing_prefix = node.StringOr("continuing_subword_prefix", "##");
    return ReadWordPiece(node);
  }
  if (type == "WordLevel") return ReadWordLevel(node);
  node.Unsupported("the model " + type);
}

// How normalizers and pre-tokenizers write bytes and spaces, needed when there is no decoder to
// tell.
void DescribeWriting(const JsonNode& node, TokenStyle& style) {
  const std::string type = node.Member("type").String();
  if (type == "ByteLevel") style.byte_level = true;
  if (type == "Metaspace") style.word_start = ReadMetaspaceOptions(node).replacement;
  for (const char* steps : {"pretokenizers", "normalizers"}) {
    const auto sequence = type == "Sequence" ? node.Find(steps) : std::nullopt;
    if (!sequence) continue;
    for (const JsonNode& step : sequence->Elements()) DescribeWriting(step, style);
  }
}

}  // namespace

Pipeline ReadTokenizerJson(std::string_view bytes, std::string_view file) {
  const nlohmann::json json = ParseJson(bytes, file);
  const JsonNode root(json, std::string(file));
  if (root.StringOr("version", "1.0") != "1.0") root.Member("version").Unsupported("this version");
  Pipeline pipeline;
  const JsonNode model = root.Member("model");
  pipeline.model = ReadModel(model, pipeline.style);
  // "truncation" and "padding" are settings of a call, which transformers resets: they are not
  // read.
  if (const auto node = root.Find("normalizer")) {
    pipeline.normalizer = ReadNormalizer(*node);
    DescribeWriting(*node, pipeline.style);
  }
  if (const auto node = root.Find("pre_tokenizer")) {
    pipeline.pre_tokenizer = ReadPreTokenizer(*node);
    DescribeWriting(*node, pipeline.style);
  }
  if (const auto node = root.Find("post_processor")) pipeline.frame = ReadPostProcessor(*node);
  if (const auto node = root.Find("decoder")) {
    pipeline.decoder = ReadDecoder(*node);
    pipeline.decoder->Describe(pipeline.style);
  }
  if (const auto node = root.Find("added_tokens")) {
    for (const JsonNode& token : node->Elements()) {
      pipeline.added.Add(ReadAddedToken(token), pipeline.model->vocabulary(), token.where());
    }
  }
  if (const auto unk = model.Find("unk_token")) {
    pipeline.specials.unk = pipeline.model->vocabulary().Find(unk->String());
  }
  return pipeline;
}

}  // namespace assay::tokenizer
