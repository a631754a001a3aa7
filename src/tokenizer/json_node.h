// A place in a parsed JSON file, with typed access whose errors name the file, the place, the value
// seen and what was expected. Use it wherever a file is read, so that no nlohmann exception and no
// default by accident gets through. Borrows the JSON; const and thread-safe.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::tokenizer {

// Parses `bytes`. Throws kBadInput naming `file` and the place of the syntax error.
nlohmann::json ParseJson(std::string_view bytes, std::string_view file);

// "the string 'x'", "the number 5", "an array": short, whatever the size or depth of the value.
std::string Describe(const nlohmann::json& value);

class JsonNode {
 public:
  // `file` is what errors begin with.
  JsonNode(const nlohmann::json& value, std::string file);

  const nlohmann::json& value() const { return *value_; }
  const std::string& where() const { return where_; }  // "FILE: model.vocab"

  // Throws kBadInput: "FILE: model.vocab is the string 'x'; expected <expected>".
  [[noreturn]] void Bad(std::string_view expected) const;
  // Throws kUnsupported with the same naming of the place.
  [[noreturn]] void Unsupported(std::string_view what) const;

  // The member; throws kBadInput when this is no object or has no such member.
  JsonNode Member(const std::string& key) const;
  // The member, or nothing when it is absent or null; throws kBadInput when this is no object.
  std::optional<JsonNode> Find(const std::string& key) const;
  // Throws kBadInput when this is no array.
  std::vector<JsonNode> Elements() const;

  // This value itself. Throw kBadInput when it has another type.
  std::string String() const;
  bool Bool() const;
  int64_t Integer(int64_t low, int64_t high) const;  // inclusive range
  char32_t CodePoint() const;                        // a string of one character

  // A member with the value to use when it is absent or null.
  std::string StringOr(const std::string& key, std::string fallback) const;
  bool BoolOr(const std::string& key, bool fallback) const;

 private:
  JsonNode(const nlohmann::json* value, std::string where, int depth);
  JsonNode Child(const nlohmann::json& value, std::string where) const;

  const nlohmann::json* value_;
  std::string where_;
  int depth_ = 0;  // Sequence inside Sequence ...: bounded, since reading components is recursive
};

}  // namespace assay::tokenizer
