#include "tokenizer/tokenizer_config.h"

#include <charconv>

#include "base/error.h"
#include "base/file.h"

namespace assay::tokenizer {

using base::ErrorKind;
using base::Fail;

namespace fs = std::filesystem;

namespace {

std::optional<nlohmann::json> ReadIfPresent(const fs::path& path) {
  std::error_code unreadable;
  if (!fs::exists(path, unreadable)) return std::nullopt;
  return ParseJson(base::ReadFile(path), path.string());
}

// "bos_token": "<s>", or the token written out as an object.
void ReadName(const JsonNode& config, const char* key, std::optional<std::string>& name) {
  const auto node = config.Find(key);
  if (!node || name) return;
  if (node->value().is_object()) {
    name = node->Member("content").String();
  } else if (node->value().is_string()) {
    name = node->String();
  } else if (node->value() != false) {
    node->Bad("a token or an object with its content");
  }
}

void ReadNames(const JsonNode& config, SpecialTokenNames& names) {
  ReadName(config, "bos_token", names.bos);
  ReadName(config, "eos_token", names.eos);
  ReadName(config, "unk_token", names.unk);
  ReadName(config, "pad_token", names.pad);
  ReadName(config, "mask_token", names.mask);
  ReadName(config, "cls_token", names.cls);
  ReadName(config, "sep_token", names.sep);
}

void ReadFlag(const JsonNode& config, const char* key, std::optional<bool>& flag) {
  if (const auto node = config.Find(key)) flag = node->Bool();
}

// {"32000": {"content": "<pad>", ...}}
void ReadAddedTokensDecoder(const JsonNode& node, std::vector<AddedToken>& tokens) {
  if (!node.value().is_object()) node.Bad("an object of ids and tokens");
  for (const auto& [key, value] : node.value().items()) {
    TokenId id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size() || id < 0 || id > kMaxTokenId) {
      Fail(ErrorKind::kBadInput, "{} has the id '{}'; expected a whole number from 0 to {}",
           node.where(), key, kMaxTokenId);
    }
    tokens.push_back(ReadAddedToken(node.Member(key), id));
  }
}

void ReadTokenizerConfigFile(const JsonNode& node, TokenizerConfig& config) {
  config.tokenizer_class = node.StringOr("tokenizer_class", "");
  if (config.tokenizer_class.ends_with("Fast")) {
    config.tokenizer_class.resize(config.tokenizer_class.size() - 4);
  }
  ReadNames(node, config.names);
  ReadFlag(node, "add_bos_token", config.add_bos_token);
  ReadFlag(node, "add_eos_token", config.add_eos_token);
  ReadFlag(node, "add_prefix_space", config.add_prefix_space);
  ReadFlag(node, "do_lower_case", config.do_lower_case);
  ReadFlag(node, "tokenize_chinese_chars", config.tokenize_chinese_chars);
  ReadFlag(node, "strip_accents", config.strip_accents);
  if (const auto added = node.Find("added_tokens_decoder")) {
    ReadAddedTokensDecoder(*added, config.added_tokens);
  }
}

// {"<mask>": 50264}
void ReadAddedTokensFile(const JsonNode& node, std::vector<AddedToken>& tokens) {
  const Vocabulary vocabulary = ReadVocabulary(node);
  for (const auto& [token, id] : vocabulary.ids()) {
    if (token.empty()) node.Bad("tokens that are not empty");
    tokens.push_back({.content = token, .id = id, .special = true});
  }
}

// Models name ids that their tokenizer lacks (-1, a list of several): those say nothing about the
// tokenizer.
std::optional<TokenId> ModelId(const JsonNode& node, const char* key) {
  const auto id = node.Find(key);
  if (!id || !id->value().is_number_integer() || id->value() < 0 || id->value() > kMaxTokenId) {
    return std::nullopt;
  }
  return id->value().get<TokenId>();
}

}  // namespace

TokenizerConfig ReadTokenizerConfig(const fs::path& folder) {
  TokenizerConfig config;
  const fs::path config_path = folder / "tokenizer_config.json";
  config.file = config_path.string();
  if (const auto json = ReadIfPresent(config_path)) {
    ReadTokenizerConfigFile(JsonNode(*json, config.file), config);
  }
  const fs::path map_path = folder / "special_tokens_map.json";
  if (const auto json = ReadIfPresent(map_path)) {
    ReadNames(JsonNode(*json, map_path.string()), config.names);
  }
  const fs::path added_path = folder / "added_tokens.json";
  if (const auto json = ReadIfPresent(added_path); json && config.added_tokens.empty()) {
    ReadAddedTokensFile(JsonNode(*json, added_path.string()), config.added_tokens);
  }
  const fs::path model_path = folder / "config.json";
  if (const auto json = ReadIfPresent(model_path)) {
    const JsonNode node(*json, model_path.string());
    config.model_ids.bos = ModelId(node, "bos_token_id");
    config.model_ids.eos = ModelId(node, "eos_token_id");
    config.model_ids.pad = ModelId(node, "pad_token_id");
  }
  return config;
}

void ApplySpecialTokens(const TokenizerConfig& config, Pipeline& pipeline) {
  const Vocabulary& model = pipeline.model->vocabulary();
  const auto id_of = [&](const std::optional<std::string>& name) -> std::optional<TokenId> {
    if (!name || name->empty()) return std::nullopt;
    if (const auto id = pipeline.added.vocabulary().Find(*name)) return id;
    const auto id = model.Find(*name);
    if (id) pipeline.added.Add({.content = *name, .id = *id, .special = true}, model, config.file);
    return id;
  };
  const auto known = [&](std::optional<TokenId> id) {
    const bool exists =
        id && (model.Token(*id) != nullptr || pipeline.added.vocabulary().Token(*id) != nullptr);
    return exists ? id : std::nullopt;
  };
  const auto choose = [&](const std::optional<std::string>& name, std::optional<TokenId> id,
                          std::optional<TokenId>& special) {
    if (const auto named = id_of(name)) {
      special = named;
    } else if (!special) {
      special = known(id);
    }
  };
  SpecialIds& specials = pipeline.specials;
  choose(config.names.bos, config.model_ids.bos, specials.bos);
  choose(config.names.eos, config.model_ids.eos, specials.eos);
  choose(config.names.unk, std::nullopt, specials.unk);
  choose(config.names.pad, config.model_ids.pad, specials.pad);
  choose(config.names.mask, std::nullopt, specials.mask);
  choose(config.names.cls, std::nullopt, specials.cls);
  choose(config.names.sep, std::nullopt, specials.sep);
}

SpecialFrame BosEosFrame(const TokenizerConfig& config, const SpecialIds& specials,
                         bool add_bos_default, bool add_eos_default) {
  SpecialFrame frame;
  const auto add = [&](bool wanted, std::optional<TokenId> id, const char* name,
                       std::vector<TokenId>& side) {
    if (!wanted) return;
    if (!id) {
      Fail(ErrorKind::kBadInput, "{}: add_{}_token asks for a token that the tokenizer lacks",
           config.file, name);
    }
    side.push_back(*id);
  };
  add(config.add_bos_token.value_or(add_bos_default), specials.bos, "bos", frame.before);
  add(config.add_eos_token.value_or(add_eos_default), specials.eos, "eos", frame.after);
  return frame;
}

}  // namespace assay::tokenizer
