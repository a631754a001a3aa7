#include "view/graph_layout.h"

#include <fmt/format.h>
#include <graphviz/gvc.h>

#include <memory>
#include <mutex>
#include <string>

#include "base/error.h"

namespace assay::view {
namespace {

// Graphviz' API takes char* where it means const char*.
char* Text(const char* text) { return const_cast<char*>(text); }

// Graphviz keeps process-wide state and reports problems through a process-wide function.
std::mutex& GraphvizMutex() {
  static std::mutex mutex;
  return mutex;
}

thread_local std::string* graphviz_message = nullptr;

// While it lives, Graphviz' messages are collected instead of printed. Made with the mutex held.
class MessageCatcher {
 public:
  MessageCatcher() : old_level_(agseterr(AGWARN)), old_function_(agseterrf(Collect)) {
    graphviz_message = &message_;
  }
  ~MessageCatcher() {
    graphviz_message = nullptr;
    agseterrf(old_function_);
    agseterr(old_level_);
  }
  MessageCatcher(const MessageCatcher&) = delete;
  MessageCatcher& operator=(const MessageCatcher&) = delete;
  const std::string& message() const { return message_; }

 private:
  static int Collect(char* text) {
    if (graphviz_message != nullptr) *graphviz_message += text;
    return 0;
  }

  std::string message_;
  agerrlevel_t old_level_;
  agusererrf old_function_;
};

// One for the process, never freed: freeing it loses 4 KB of Graphviz' own for each context ever
// made, and a server draws without end. Used with the mutex held.
GVC_t* SharedContext() {
  static GVC_t* const context = gvContext();
  return context;
}

struct GraphClose {
  void operator()(Agraph_t* graph) const { agclose(graph); }
};
using GraphHandle = std::unique_ptr<Agraph_t, GraphClose>;

// One point of Graphviz is one pixel of ours; its sizes are in inches of 72 points.
std::string Inches(double px) { return fmt::format("{:.4f}", px / 72); }

void SetDefaults(Agraph_t* graph) {
  agattr(graph, AGRAPH, Text("rankdir"), Text("LR"));
  agattr(graph, AGRAPH, Text("nodesep"), Text("0.14"));
  agattr(graph, AGRAPH, Text("ranksep"), Text("0.62"));
  agattr(graph, AGRAPH, Text("rank"), Text(""));
  agattr(graph, AGNODE, Text("shape"), Text("box"));
  agattr(graph, AGNODE, Text("label"), Text(""));
  agattr(graph, AGNODE, Text("fixedsize"), Text("true"));
  agattr(graph, AGNODE, Text("width"), Text("1"));
  agattr(graph, AGNODE, Text("height"), Text("0.4"));
  agattr(graph, AGEDGE, Text("arrowsize"), Text("0.6"));
}

std::vector<Agnode_t*> AddNodes(Agraph_t* graph, const std::vector<LayoutNode>& nodes) {
  Agraph_t* last_column = agsubg(graph, Text("last"), 1);
  agset(last_column, Text("rank"), Text("sink"));
  std::vector<Agnode_t*> handles;
  for (size_t i = 0; i < nodes.size(); ++i) {
    Agnode_t* handle = agnode(graph, fmt::format("n{}", i).data(), 1);
    agset(handle, Text("width"), Inches(nodes[i].width_px).data());
    agset(handle, Text("height"), Inches(nodes[i].height_px).data());
    if (nodes[i].rightmost) agsubnode(last_column, handle, 1);
    handles.push_back(handle);
  }
  return handles;
}

Layout::Curve ReadCurve(const Agedge_t* edge, double height) {
  const splines* curve = ED_spl(edge);
  if (curve == nullptr || curve->size == 0)
    base::Fail(base::ErrorKind::kInternal, "graphviz left an edge undrawn");
  const auto point = [&](const pointf& p) { return Point{p.x, height - p.y}; };
  Layout::Curve out;
  for (int piece = 0; piece < curve->size; ++piece) {
    const bezier& part = curve->list[piece];
    for (int i = piece == 0 ? 0 : 1; i < part.size; ++i) out.bezier.push_back(point(part.list[i]));
    out.tip = part.eflag != 0 ? point(part.ep) : out.bezier.back();
  }
  return out;
}

}  // namespace

Layout PlaceGraph(const std::vector<LayoutNode>& nodes, const std::vector<LayoutEdge>& edges) {
  if (nodes.empty()) return {};
  const std::lock_guard lock(GraphvizMutex());
  const MessageCatcher messages;
  GVC_t* const context = SharedContext();
  const GraphHandle graph(agopen(Text("g"), Agstrictdirected, nullptr));
  SetDefaults(graph.get());
  const std::vector<Agnode_t*> handles = AddNodes(graph.get(), nodes);
  std::vector<Agedge_t*> edge_handles;
  for (const LayoutEdge& edge : edges) {
    edge_handles.push_back(
        agedge(graph.get(), handles.at(edge.from), handles.at(edge.to), nullptr, 1));
  }
  if (gvLayout(context, graph.get(), "dot") != 0) {
    base::Fail(base::ErrorKind::kInternal, "graphviz cannot lay out a graph of {} nodes: {}",
               nodes.size(), messages.message().empty() ? "no reason given" : messages.message());
  }
  const struct LayoutGuard {
    GVC_t* context;
    Agraph_t* graph;
    ~LayoutGuard() { gvFreeLayout(context, graph); }
  } guard{context, graph.get()};

  const boxf bounds = GD_bb(graph.get());
  Layout out{bounds.UR.x, bounds.UR.y, {}, {}};
  for (Agnode_t* handle : handles)
    out.centres.push_back({ND_coord(handle).x, out.height_px - ND_coord(handle).y});
  for (const Agedge_t* edge : edge_handles) out.curves.push_back(ReadCurve(edge, out.height_px));
  return out;
}

}  // namespace assay::view
