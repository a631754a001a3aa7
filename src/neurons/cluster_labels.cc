#include "neurons/cluster_labels.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/file.h"

namespace assay::neurons {
namespace {

constexpr size_t kContextTokens = 8;  // before the pivot
constexpr size_t kShown = 3;

// Without surrounding space, but for tokens that are nothing else; bytes that are no UTF-8 as \xNN.
std::string Readable(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \n\t"), end = text.find_last_not_of(" \n\t");
  std::string inner = begin == std::string::npos ? "" : text.substr(begin, end - begin + 1);
  if (inner.empty()) return text.find('\n') != std::string::npos ? "newline" : "space";
  if (base::IsUtf8(inner)) return inner;
  std::string out;
  for (const char c : inner) out += fmt::format("\\x{:02X}", static_cast<unsigned char>(c));
  return out;
}

// The tokens with the largest scores, at most kShown; ties by token. Of tokens that read the same
// (" u" and "u") the first stands for all.
std::vector<TokenId> Largest(const std::map<TokenId, double>& scores,
                             std::span<const std::string> texts) {
  std::vector<std::pair<double, TokenId>> order;
  for (const auto& [token, score] : scores) order.emplace_back(-score, token);
  std::sort(order.begin(), order.end());
  std::vector<TokenId> out;
  std::set<std::string> shown;
  for (const auto& [score, token] : order) {
    if (out.size() == kShown) break;
    if (shown.insert(Readable(texts[static_cast<size_t>(token)])).second) out.push_back(token);
  }
  return out;
}

}  // namespace

std::vector<TokenId> ClusterLabeller::ContextOf(const LabelledExample& example) const {
  const size_t begin =
      std::max(first_counted_, example.pivot > kContextTokens ? example.pivot - kContextTokens : 0);
  std::set<TokenId> out;
  for (size_t t = begin; t < example.pivot; ++t) out.insert(example.tokens[t]);
  return {out.begin(), out.end()};
}

void ClusterLabeller::AddToBackground(const LabelledExample& example) {
  ++background_examples_;
  for (const TokenId token : ContextOf(example)) ++background_[token];
}

ClusterLabel ClusterLabeller::Label(std::span<const LabelledExample> examples) const {
  ASSAY_CHECK(!examples.empty());
  std::map<TokenId, double> activating, before, context;
  for (const LabelledExample& example : examples) {
    ++activating[example.tokens[example.pivot]];
    for (const TokenId token : ContextOf(example)) ++before[token];
  }
  const auto count = static_cast<double>(examples.size());
  for (const auto& [token, times] : before) {
    const auto known = background_.find(token);
    const double usual = known == background_.end() ? 0
                                                    : static_cast<double>(known->second) /
                                                          static_cast<double>(background_examples_);
    if (times >= std::min(2.0, count) && times / count > usual)
      context[token] = times / count - usual;
  }
  ClusterLabel out{Largest(activating, texts_), Largest(context, texts_), ""};
  const auto join = [&](const std::vector<TokenId>& tokens, const char* separator) {
    std::string text;
    for (const TokenId token : tokens) {
      const std::string shown = Readable(texts_[static_cast<size_t>(token)]);
      text += (text.empty() ? "" : separator) + shown;
    }
    return text;
  };
  out.text = join(out.activating, " / ");
  if (!out.context.empty()) out.text += " (after: " + join(out.context, ", ") + ")";
  return out;
}

}  // namespace assay::neurons
