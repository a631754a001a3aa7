#include "app/given_examples.h"

#include <algorithm>
#include <limits>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"

namespace assay::app {
namespace {

using base::ErrorKind;
using base::Fail;
using base::UnitId;
using TokenId = int32_t;

struct GivenUnit {
  UnitId unit;
  double max_activation = 0;
  std::vector<int> train, test;  // indices into the sequences
};

struct GivenExamples {
  std::vector<std::vector<TokenId>> sequences;
  std::vector<GivenUnit> units;
};

GivenExamples Parse(const std::filesystem::path& file, const model::TransformerConfig& config) {
  const nlohmann::json json = base::ReadJson(file);
  GivenExamples out;
  try {
    out.sequences = json.at("sequences").get<std::vector<std::vector<TokenId>>>();
    for (const auto& unit : json.at("units")) {
      out.units.push_back({{unit.at("layer").get<int>(), unit.at("neuron").get<int>()},
                           unit.at("max_activation").get<double>(),
                           unit.at("train").get<std::vector<int>>(),
                           unit.at("test").get<std::vector<int>>()});
    }
  } catch (const nlohmann::json::exception& error) {
    Fail(ErrorKind::kBadInput, "{}: {}", file.string(), error.what());
  }
  for (size_t i = 0; i < out.sequences.size(); ++i) {
    if (out.sequences[i].size() < 2)
      Fail(ErrorKind::kBadInput, "{}: sequence {} has {} tokens; expected at least 2",
           file.string(), i, out.sequences[i].size());
    for (const TokenId id : out.sequences[i]) {
      if (id < 0 || id >= config.vocab)
        Fail(ErrorKind::kBadInput, "{}: sequence {} has the token id {}; the vocabulary has {}",
             file.string(), i, id, config.vocab);
    }
  }
  std::set<UnitId> seen;
  for (const GivenUnit& unit : out.units) {
    const std::string name = base::ToString(unit.unit);
    if (unit.unit.layer < 0 || unit.unit.layer >= config.layers || unit.unit.index < 0 ||
        unit.unit.index >= config.d_mlp) {
      Fail(ErrorKind::kBadInput, "{}: the model has no neuron {} ({} layers of {})", file.string(),
           name, config.layers, config.d_mlp);
    }
    if (!seen.insert(unit.unit).second)
      Fail(ErrorKind::kBadInput, "{}: neuron {} is listed twice", file.string(), name);
    if (!(unit.max_activation > 0))
      Fail(ErrorKind::kBadInput, "{}: neuron {}: max_activation is {}; expected a positive number",
           file.string(), name, unit.max_activation);
    std::set<int> used;
    for (const auto* half : {&unit.train, &unit.test}) {
      for (const int index : *half) {
        if (index < 0 || static_cast<size_t>(index) >= out.sequences.size()) {
          Fail(ErrorKind::kBadInput, "{}: neuron {}: there is no sequence {} ({} sequences)",
               file.string(), name, index, out.sequences.size());
        }
        if (!used.insert(index).second)
          Fail(ErrorKind::kBadInput, "{}: neuron {}: sequence {} is listed twice", file.string(),
               name, index);
      }
    }
  }
  return out;
}

}  // namespace

std::vector<UnitId> StoreGivenExamples(const std::filesystem::path& file, const LoadedModel& model,
                                       measure::Prober& prober, store::RunStore& store) {
  const model::TransformerConfig& config = model.network.config();
  const GivenExamples given = Parse(file, config);
  const auto bos = data::ResolveBos("auto", model.tokenizer->Specials(), config.bos_id);
  const bool starts_with_bos =
      bos && std::all_of(given.sequences.begin(), given.sequences.end(),
                         [&](const auto& tokens) { return tokens.front() == *bos; });
  const size_t first_counted = starts_with_bos ? 1 : 0;
  std::vector<measure::Probe> probes;
  std::vector<store::Example> examples;
  nlohmann::json split = nlohmann::json::object();
  std::vector<UnitId> units;
  for (const GivenUnit& unit : given.units) {
    int rank = 0;
    for (const auto* half : {&unit.train, &unit.test}) {
      std::vector<int> ranks;
      for (const int index : *half) {
        probes.push_back({given.sequences[static_cast<size_t>(index)], unit.unit});
        examples.push_back({.unit = unit.unit,
                            .kind = store::ExampleKind::kGiven,
                            .rank = rank,
                            .sequence = index});
        ranks.push_back(rank++);
      }
      split[base::ToString(unit.unit)][half == &unit.train ? "train" : "test"] = ranks;
    }
    units.push_back(unit.unit);
  }
  const auto activations = prober.Activations(probes);
  for (size_t i = 0; i < examples.size(); ++i) {
    store::Example& example = examples[i];
    example.activations = activations[i];
    const auto begin = example.activations.begin() + static_cast<int64_t>(first_counted);
    const auto strongest = std::max_element(begin, example.activations.end());
    example.pivot = static_cast<int>(strongest - example.activations.begin());
    example.activation = *strongest;
    std::fill(example.activations.begin(), begin, std::numeric_limits<float>::quiet_NaN());
  }
  store.Transaction([&] {
    for (size_t i = 0; i < given.sequences.size(); ++i) {
      store.Put(store::Sequence{static_cast<int64_t>(i), file.filename().string(),
                                static_cast<int64_t>(i), 0, given.sequences[i]});
    }
    for (const GivenUnit& unit : given.units)
      store.Put(store::UnitStats{.unit = unit.unit, .maximum = unit.max_activation});
    for (const store::Example& example : examples) store.Put(example);
    store.PutManifest("given_examples", split);
    store.PutManifest("text", {{"inputs", {file.string()}}, {"hash", base::HashFile(file)}});
    store.PutManifest("sequences", {{"bos_tokens", first_counted},
                                    {"first_counted", first_counted},
                                    {"sequences", given.sequences.size()}});
  });
  std::sort(units.begin(), units.end());
  return units;
}

}  // namespace assay::app
