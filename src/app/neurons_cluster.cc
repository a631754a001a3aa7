// `assay neurons cluster`: clusters and polysemanticity measures of given vectors.
#include <ATen/ATen.h>
#include <fmt/core.h>

#include <memory>

#include "app/commands.h"
#include "app/machine.h"
#include "app/option_binding.h"
#include "base/file.h"
#include "model/safetensors.h"
#include "neurons/feature_clusters.h"

namespace assay::app {
namespace {

using base::ErrorKind;
using base::Fail;

struct ClusterArguments {
  std::string in, out;
  neurons::ClusterOptions options = {.cut = "fixed"};
};

// The JSON form: null where a measure is undefined.
nlohmann::json OrNull(const std::optional<double>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json();
}

nlohmann::json Describe(const neurons::FeatureClusters& found,
                        const neurons::ClusterOptions& options) {
  const neurons::ClusterMeasures& measures = found.measures;
  nlohmann::json merges = nlohmann::json::array(), central = nlohmann::json::array(),
                 sizes = nlohmann::json::array();
  for (const neurons::Merge& merge : found.merges)
    merges.push_back({merge.first, merge.second, merge.distance, merge.size});
  for (const auto& members : found.members) {
    central.push_back(members.front());
    sizes.push_back(members.size());
  }
  nlohmann::json interval;
  if (found.polysemanticity_interval)
    interval = {found.polysemanticity_interval->low, found.polysemanticity_interval->high};
  return {{"examples", measures.examples},
          {"clusters", measures.clusters},
          {"mean_distance", OrNull(measures.mean_distance)},
          {"max_distance", OrNull(measures.max_distance)},
          {"intra", OrNull(measures.intra)},
          {"inter", OrNull(measures.inter)},
          {"labels", found.labels},
          {"polysemanticity", OrNull(measures.polysemanticity)},
          {"polysemanticity_interval", interval},
          {"stability", OrNull(found.stability)},
          {"cut", found.cut},
          {"cut_reason", found.reason},
          {"central", central},
          {"sizes", sizes},
          {"merges", merges},
          {"options", base::FieldsToJson(options)}};
}

void RunCluster(const ClusterArguments& arguments) {
  WarnAboutBlas();
  const auto file = model::SafetensorsFile::Open(arguments.in);
  if (!file.Has("embeddings")) {
    std::vector<std::string> names;
    for (const auto& [name, info] : file.tensors()) names.push_back(name);
    Fail(ErrorKind::kBadInput, "{}: no tensor 'embeddings'; it has: {}", arguments.in,
         names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
  }
  const at::Tensor stored = file.Read("embeddings");
  if (stored.dim() != 2 || stored.size(1) == 0 || !at::isFloatingType(stored.scalar_type())) {
    Fail(ErrorKind::kBadInput,
         "{}: 'embeddings' has shape [{}] and type {}; expected floating-point [n, d], d > 0",
         arguments.in, fmt::join(stored.sizes(), ", "), at::toString(stored.scalar_type()));
  }
  const at::Tensor vectors = stored.to(at::kFloat).contiguous();
  const neurons::FeatureClusters found =
      neurons::FindClusters({vectors.data_ptr<float>(), static_cast<size_t>(vectors.numel())},
                            vectors.size(1), arguments.options, 0, arguments.in);
  base::WriteFile(arguments.out, Describe(found, arguments.options).dump(1) + "\n");
  fmt::print("{} vectors, {} clusters ({}); wrote {}\n", found.measures.examples,
             found.measures.clusters, found.reason, arguments.out);
}

}  // namespace

void AddNeuronsCluster(CLI::App& neurons) {
  auto arguments = std::make_shared<ClusterArguments>();
  CLI::App* command = neurons.add_subcommand(
      "cluster", "Cluster given vectors by cosine distance and measure how polysemantic they are");
  command->add_option("IN", arguments->in, "safetensors file with a tensor `embeddings` [n, d]")
      ->required();
  command->add_option("--out", arguments->out, "JSON file to write")->required();
  BindOptions(*command, arguments->options, "Clustering");
  command->callback([arguments] { RunCluster(*arguments); });
}

}  // namespace assay::app
