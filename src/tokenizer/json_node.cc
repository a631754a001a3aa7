#include "tokenizer/json_node.h"

#include <fmt/format.h>

#include "base/error.h"
#include "tokenizer/utf8.h"

namespace assay::tokenizer {

using base::ErrorKind;
using base::Fail;
using nlohmann::json;

namespace {
constexpr int kMaxDepth = 64;
constexpr size_t kShownBytes = 60;
}  // namespace

json ParseJson(std::string_view bytes, std::string_view file) {
  try {
    return json::parse(bytes);
  } catch (const json::exception& error) {
    Fail(ErrorKind::kBadInput, "{}: not valid JSON: {}", file, ReplaceInvalidUtf8(error.what()));
  }
}

std::string Describe(const json& value) {
  switch (value.type()) {
    case json::value_t::null:
      return "null";
    case json::value_t::object:
      return fmt::format("an object of {} members", value.size());
    case json::value_t::array:
      return fmt::format("an array of {} elements", value.size());
    case json::value_t::string: {
      const auto& text = value.get_ref<const std::string&>();
      if (text.size() <= kShownBytes) return fmt::format("the string '{}'", text);
      return fmt::format("the string '{}...'", ReplaceInvalidUtf8(text.substr(0, kShownBytes)));
    }
    case json::value_t::boolean:
      return value.get<bool>() ? "true" : "false";
    case json::value_t::number_integer:
    case json::value_t::number_unsigned:
    case json::value_t::number_float:
      return fmt::format("the number {}", value.dump());
    default:
      return "a value of another type";
  }
}

JsonNode::JsonNode(const json& value, std::string file) : JsonNode(&value, std::move(file), 0) {}

JsonNode::JsonNode(const json* value, std::string where, int depth)
    : value_(value), where_(std::move(where)), depth_(depth) {}

JsonNode JsonNode::Child(const json& value, std::string where) const {
  if (depth_ >= kMaxDepth) {
    Fail(ErrorKind::kBadInput, "{}... is nested more than {} levels deep", where.substr(0, 200),
         kMaxDepth);
  }
  return JsonNode(&value, std::move(where), depth_ + 1);
}

void JsonNode::Bad(std::string_view expected) const {
  Fail(ErrorKind::kBadInput, "{} is {}; expected {}", where_, Describe(*value_), expected);
}

void JsonNode::Unsupported(std::string_view what) const {
  Fail(ErrorKind::kUnsupported, "{}: {} is not supported", where_, what);
}

JsonNode JsonNode::Member(const std::string& key) const {
  if (!value_->is_object()) Bad("an object");
  const auto found = value_->find(key);
  if (found == value_->end()) {
    Fail(ErrorKind::kBadInput, "{} has no member '{}'", where_, key);
  }
  return Child(*found, fmt::format("{}{}{}", where_, depth_ == 0 ? ": " : ".", key));
}

std::optional<JsonNode> JsonNode::Find(const std::string& key) const {
  if (!value_->is_object()) Bad("an object");
  const auto found = value_->find(key);
  if (found == value_->end() || found->is_null()) return std::nullopt;
  return Member(key);
}

std::vector<JsonNode> JsonNode::Elements() const {
  if (!value_->is_array()) Bad("an array");
  std::vector<JsonNode> elements;
  elements.reserve(value_->size());
  for (size_t i = 0; i < value_->size(); ++i) {
    elements.push_back(Child((*value_)[i], fmt::format("{}[{}]", where_, i)));
  }
  return elements;
}

std::string JsonNode::String() const {
  if (!value_->is_string()) Bad("a string");
  return value_->get<std::string>();
}

bool JsonNode::Bool() const {
  if (!value_->is_boolean()) Bad("true or false");
  return value_->get<bool>();
}

int64_t JsonNode::Integer(int64_t low, int64_t high) const {
  const bool fits = value_->is_number_integer() &&
                    (!value_->is_number_unsigned() || value_->get<uint64_t>() <= INT64_MAX);
  if (!fits || value_->get<int64_t>() < low || value_->get<int64_t>() > high) {
    Bad(fmt::format("a whole number from {} to {}", low, high));
  }
  return value_->get<int64_t>();
}

char32_t JsonNode::CodePoint() const {
  const std::string text = String();
  if (CountCodePoints(text) != 1) Bad("one character");
  return CodePointAt(text, 0);
}

std::string JsonNode::StringOr(const std::string& key, std::string fallback) const {
  const auto node = Find(key);
  return node ? node->String() : std::move(fallback);
}

bool JsonNode::BoolOr(const std::string& key, bool fallback) const {
  const auto node = Find(key);
  return node ? node->Bool() : fallback;
}

}  // namespace assay::tokenizer
