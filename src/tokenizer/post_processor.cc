#include "tokenizer/post_processor.h"

#include <string>

namespace assay::tokenizer {
namespace {

std::vector<TokenId> ReadTemplateIds(const JsonNode& special_tokens, const std::string& name) {
  std::vector<TokenId> ids;
  for (const JsonNode& id : special_tokens.Member(name).Member("ids").Elements()) {
    ids.push_back(static_cast<TokenId>(id.Integer(0, kMaxTokenId)));
  }
  return ids;
}

SpecialFrame ReadTemplate(const JsonNode& node) {
  SpecialFrame frame;
  bool after_text = false;
  for (const JsonNode& piece : node.Member("single").Elements()) {
    if (const auto sequence = piece.Find("Sequence")) {
      if (sequence->Member("id").String() != "A") sequence->Bad("the sequence A");
      if (after_text) piece.Unsupported("a template that repeats the text");
      after_text = true;
    } else {
      const std::string name = piece.Member("SpecialToken").Member("id").String();
      std::vector<TokenId>& side = after_text ? frame.after : frame.before;
      const std::vector<TokenId> ids = ReadTemplateIds(node.Member("special_tokens"), name);
      side.insert(side.end(), ids.begin(), ids.end());
    }
  }
  if (!after_text) node.Member("single").Bad("a template with the sequence A");
  return frame;
}

// ["[SEP]", 102]
TokenId ReadTokenPair(const JsonNode& node) {
  const std::vector<JsonNode> parts = node.Elements();
  if (parts.size() != 2) node.Bad("[token, id]");
  return static_cast<TokenId>(parts[1].Integer(0, kMaxTokenId));
}

}  // namespace

SpecialFrame ReadPostProcessor(const JsonNode& node) {
  const std::string type = node.Member("type").String();
  if (type == "Sequence") {
    SpecialFrame frame;
    for (const JsonNode& step : node.Member("processors").Elements()) {
      const SpecialFrame outer = ReadPostProcessor(step);
      frame.before.insert(frame.before.begin(), outer.before.begin(), outer.before.end());
      frame.after.insert(frame.after.end(), outer.after.begin(), outer.after.end());
    }
    return frame;
  }
  if (type == "TemplateProcessing") return ReadTemplate(node);
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    return {{ReadTokenPair(node.Member("cls"))}, {ReadTokenPair(node.Member("sep"))}};
  }
  if (type == "ByteLevel")
    return {};  // trims offsets only; ours are the bytes that tokens stand for
  node.Unsupported("the post-processor " + type);
}

}  // namespace assay::tokenizer
