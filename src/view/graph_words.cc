#include "view/graph_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "view/token_text.h"

namespace assay::view {
namespace {

constexpr size_t kGroups = 3, kTokensOfAGroup = 5, kContexts = 4;
constexpr int kLongestToken = 30;  // columns

// Activating tokens with the same context.
struct Group {
  std::vector<int> before;  // nodes, strongest first
  bool alone = false;       // fires without them as well
  std::vector<int> tokens;
};

std::string Quoted(const std::string& text) {
  std::string_view shown = text;
  constexpr std::string_view kSpaceMark = "·";
  if (shown.starts_with(kSpaceMark) && shown.size() > kSpaceMark.size())
    shown.remove_prefix(kSpaceMark.size());
  return fmt::format("“{}”", ShortenText(shown, kLongestToken));
}

// “a”, “b” or “c”; at most `most` of them, "or others" for the rest.
std::string AnyOf(const DrawnGraph& graph, const std::vector<int>& nodes, size_t most) {
  std::vector<std::string> names;
  for (const int node : nodes) {
    const std::string name = Quoted(graph.nodes[static_cast<size_t>(node)].text);
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  if (names.size() > most) {
    names.resize(most);
    names.emplace_back("others");
  }
  std::string out = names.front();
  for (size_t i = 1; i < names.size(); ++i)
    out += (i + 1 == names.size() ? " or " : ", ") + names[i];
  return out;
}

std::vector<Group> Groups(const DrawnGraph& graph) {
  std::vector<Group> groups;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const DrawnNode& node = graph.nodes[i];
    if (!node.activating) continue;
    Group group{.alone = node.can_end, .tokens = {static_cast<int>(i)}};
    for (const DrawnEdge& edge : graph.edges) {
      if (edge.to == static_cast<int>(i)) group.before.push_back(edge.from);
    }
    std::stable_sort(group.before.begin(), group.before.end(), [&](int a, int b) {
      return graph.nodes[static_cast<size_t>(a)].path_activation >
             graph.nodes[static_cast<size_t>(b)].path_activation;
    });
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const Group& other) {
      return other.before == group.before && other.alone == group.alone;
    });
    if (same == groups.end()) {
      groups.push_back(std::move(group));
    } else {
      same->tokens.push_back(static_cast<int>(i));
    }
  }
  return groups;
}

std::string Clause(const DrawnGraph& graph, const Group& group) {
  const std::string tokens = AnyOf(graph, group.tokens, kTokensOfAGroup);
  if (group.before.empty())
    return tokens +
           (group.alone ? ", whatever stands before" : ", after context that is not shown");
  const std::string before = AnyOf(graph, group.before, kContexts);
  return tokens + (group.alone ? ", alone or after " : " after ") + before;
}

}  // namespace

std::string TellGraph(const DrawnGraph& graph) {
  const std::vector<Group> groups = Groups(graph);
  if (groups.empty()) return "";
  std::string out = "Fires most on " + Clause(graph, groups.front());
  for (size_t i = 1; i < std::min(kGroups, groups.size()); ++i)
    out += "; on " + Clause(graph, groups[i]);
  size_t more = static_cast<size_t>(graph.hidden_activating);
  for (size_t i = kGroups; i < groups.size(); ++i) more += groups[i].tokens.size();
  if (more > 0) out += fmt::format("; and on {} more token{}", more, more == 1 ? "" : "s");
  return out + ".";
}

}  // namespace assay::view
