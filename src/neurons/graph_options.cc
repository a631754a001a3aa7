#include "neurons/graph_options.h"

namespace assay::neurons {

GraphOptions GraphPreset(const std::string& name) {
  GraphOptions paper;  // the defaults of the struct
  if (name == "paper") return paper;
  if (name == "workshop") {
    GraphOptions workshop = paper;
    workshop.match = "longest";
    return workshop;
  }
  if (name == "reference") {
    GraphOptions reference = paper;
    reference.prune_step = 5;
    reference.prune_max_context = 30;
    reference.prune_post_context = 5;
    reference.prune_rescale = true;
    reference.substitute_trigger = 0.8;
    reference.normalize_tokens = true;
    reference.merge_ignored = true;
    reference.end_value = "first";
    reference.match = "greedy";
    return reference;
  }
  base::Fail(base::ErrorKind::kUsage, "--preset is '{}'; expected one of: {}", name,
             fmt::join(GraphPresetNames(), ", "));
}

std::vector<std::string> GraphPresetNames() { return {"paper", "workshop", "reference"}; }

}  // namespace assay::neurons
