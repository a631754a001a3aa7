#include "store/graph_codec.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <map>

namespace assay::store {
namespace {

// A node is: kind and which fields differ from zero (one byte), how far back its parent is, and
// those fields.
constexpr uint8_t kKindMask = 0x07;
constexpr uint8_t kHasToken = 0x08;
constexpr uint8_t kHasActivation = 0x10;
constexpr uint8_t kHasImportance = 0x20;
constexpr uint8_t kKnownBits = 0x3F;

// Seven bits a byte, lowest first; the top bit says that another byte follows.
void AppendVarint(std::string& out, uint32_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

void AppendFloat(std::string& out, float value) {
  char bytes[sizeof(float)];
  std::memcpy(bytes, &value, sizeof(float));
  out.append(bytes, sizeof(float));
}

// Reads from the front; every read says whether the bytes were there.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  bool Byte(uint8_t& value) {
    if (bytes_.empty()) return false;
    value = static_cast<uint8_t>(bytes_.front());
    bytes_.remove_prefix(1);
    return true;
  }

  bool Varint(uint32_t& value) {
    value = 0;
    for (int shift = 0; shift < 35; shift += 7) {
      uint8_t byte;
      if (!Byte(byte)) return false;
      value |= static_cast<uint32_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

  bool Token(TokenId& value) {
    uint32_t bits;
    if (!Varint(bits)) return false;
    value = static_cast<TokenId>(bits);
    return true;
  }

  bool Float(float& value) {
    if (bytes_.size() < sizeof(float)) return false;
    std::memcpy(&value, bytes_.data(), sizeof(float));
    bytes_.remove_prefix(sizeof(float));
    return true;
  }

  size_t left() const { return bytes_.size(); }

 private:
  std::string_view bytes_;
};

bool ReadNode(Reader& reader, size_t index, TrieNode& node) {
  uint8_t head;
  uint32_t back;
  if (!reader.Byte(head) || (head & ~kKnownBits) != 0 || !reader.Varint(back)) return false;
  if ((head & kKindMask) > static_cast<uint8_t>(TrieNode::Kind::kEnd) || back > index) return false;
  node.kind = static_cast<TrieNode::Kind>(head & kKindMask);
  node.parent = static_cast<int32_t>(index - back);
  if ((head & kHasToken) != 0 && !reader.Token(node.token)) return false;
  if ((head & kHasActivation) != 0 && !reader.Float(node.activation)) return false;
  if ((head & kHasImportance) != 0 && !reader.Float(node.importance)) return false;
  return true;
}

void AppendTokenList(std::string& out, const std::vector<TokenId>& tokens) {
  AppendVarint(out, static_cast<uint32_t>(tokens.size()));
  for (const TokenId token : tokens) AppendVarint(out, static_cast<uint32_t>(token));
}

bool ReadTokenList(Reader& reader, std::vector<TokenId>& tokens) {
  uint32_t count;
  // A token takes a byte at least: a damaged count must not ask for gigabytes.
  if (!reader.Varint(count) || count > reader.left()) return false;
  tokens.resize(count);
  return std::all_of(tokens.begin(), tokens.end(),
                     [&](TokenId& token) { return reader.Token(token); });
}

std::vector<TokenId> StrongestFirst(const std::map<TokenId, float>& strengths) {
  std::vector<TokenId> tokens;
  tokens.reserve(strengths.size());
  for (const auto& [token, strength] : strengths) tokens.push_back(token);
  std::stable_sort(tokens.begin(), tokens.end(),
                   [&](TokenId a, TokenId b) { return strengths.at(a) > strengths.at(b); });
  return tokens;
}

}  // namespace

std::optional<std::string> TrieFault(const std::vector<TrieNode>& nodes) {
  for (size_t i = 0; i < nodes.size(); ++i) {
    const bool is_root = nodes[i].kind == TrieNode::Kind::kRoot;
    if (is_root != (i == 0)) {
      return fmt::format("node {} {} the root", i, is_root ? "is also" : "is not");
    }
    const bool parent_first = nodes[i].parent >= 0 && static_cast<size_t>(nodes[i].parent) < i;
    if (i == 0 ? nodes[i].parent != 0 : !parent_first) {
      return fmt::format("node {} has parent {}", i, nodes[i].parent);
    }
  }
  return std::nullopt;
}

std::string EncodeTrie(const std::vector<TrieNode>& nodes) {
  std::string out;
  AppendVarint(out, static_cast<uint32_t>(nodes.size()));
  for (size_t i = 0; i < nodes.size(); ++i) {
    const TrieNode& node = nodes[i];
    // Compared as bits: -0 and NaN come back as they were.
    const bool has_activation = std::bit_cast<uint32_t>(node.activation) != 0;
    const bool has_importance = std::bit_cast<uint32_t>(node.importance) != 0;
    out.push_back(static_cast<char>(
        static_cast<uint8_t>(node.kind) | (node.token != 0 ? kHasToken : 0) |
        (has_activation ? kHasActivation : 0) | (has_importance ? kHasImportance : 0)));
    AppendVarint(out, static_cast<uint32_t>(i) - static_cast<uint32_t>(node.parent));
    if (node.token != 0) AppendVarint(out, static_cast<uint32_t>(node.token));
    if (has_activation) AppendFloat(out, node.activation);
    if (has_importance) AppendFloat(out, node.importance);
  }
  return out;
}

std::optional<std::vector<TrieNode>> DecodeTrie(std::string_view bytes) {
  Reader reader(bytes);
  uint32_t count;
  if (!reader.Varint(count) || count > reader.left()) return std::nullopt;
  std::vector<TrieNode> nodes(count);
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (!ReadNode(reader, i, nodes[i])) return std::nullopt;
  }
  if (reader.left() != 0 || TrieFault(nodes)) return std::nullopt;
  return nodes;
}

int GraphTokens::Repeated() const {
  std::vector<TokenId> a = activating, b = context;
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return CountShared(a, b);
}

GraphTokens CollectTokens(const std::vector<TrieNode>& nodes) {
  std::map<TokenId, float> activating, context;
  const auto raise = [](std::map<TokenId, float>& strengths, TokenId token, float strength) {
    // NaN would break the order; it counts as the weakest.
    const float known = std::isnan(strength) ? -INFINITY : strength;
    const auto [place, added] = strengths.try_emplace(token, known);
    if (!added) place->second = std::max(place->second, known);
  };
  for (const TrieNode& node : nodes) {
    if (node.kind == TrieNode::Kind::kActivating) raise(activating, node.token, node.activation);
    if (node.kind == TrieNode::Kind::kContext) raise(context, node.token, node.importance);
  }
  return {StrongestFirst(activating), StrongestFirst(context)};
}

std::string EncodeTokens(const GraphTokens& tokens) {
  std::string out;
  AppendTokenList(out, tokens.activating);
  AppendTokenList(out, tokens.context);
  return out;
}

std::optional<GraphTokens> DecodeTokens(std::string_view bytes) {
  Reader reader(bytes);
  GraphTokens tokens;
  if (!ReadTokenList(reader, tokens.activating) || !ReadTokenList(reader, tokens.context)) {
    return std::nullopt;
  }
  if (reader.left() != 0) return std::nullopt;
  return tokens;
}

int CountShared(const std::vector<TokenId>& sorted_a, const std::vector<TokenId>& sorted_b) {
  int shared = 0;
  for (auto a = sorted_a.begin(), b = sorted_b.begin();
       a != sorted_a.end() && b != sorted_b.end();) {
    if (*a == *b) ++shared;
    const bool advance_a = *a <= *b, advance_b = *b <= *a;
    if (advance_a) ++a;
    if (advance_b) ++b;
  }
  return shared;
}

}  // namespace assay::store
