// `assay model`: look into a model folder, and compare it with other stacks.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <fmt/core.h>

#include <fstream>
#include <memory>
#include <sstream>

#include "app/commands.h"
#include "app/loaded_model.h"
#include "app/machine.h"
#include "app/model_train.h"
#include "app/terminal.h"
#include "base/file.h"
#include "model/hook_point.h"
#include "model/safetensors.h"

namespace assay::app {
namespace {

using base::ErrorKind;
using base::Fail;
namespace fs = std::filesystem;

struct ActivationsArguments {
  std::string model, text, ids, ids_file, hooks, out, device = "cpu", dtype = "float32",
                                                      bos = "auto";
};

at::Tensor ParseIds(const std::string& list) {
  std::vector<int64_t> ids;
  std::stringstream in(list);
  for (std::string part; std::getline(in, part, ',');) {
    try {
      size_t used = 0;
      ids.push_back(std::stoll(part, &used));
      if (used != part.size()) throw std::invalid_argument(part);
    } catch (const std::exception&) {
      Fail(ErrorKind::kUsage, "--ids: '{}' is no token id; expected for example 1,15,203", part);
    }
  }
  if (ids.empty()) Fail(ErrorKind::kUsage, "--ids is empty; expected for example 1,15,203");
  return at::tensor(ids, at::kLong).unsqueeze(0);
}

// [sequences, tokens] int64, as the ids
at::Tensor ReadMask(const model::SafetensorsFile& file, const at::Tensor& ids) {
  at::Tensor mask = file.Read("attention_mask").to(at::kLong);
  if (mask.dim() == 1) mask = mask.unsqueeze(0);
  if (mask.sizes() != ids.sizes()) {
    Fail(ErrorKind::kBadInput, "{}: tensor 'attention_mask' is [{}]; expected [{}] as 'input_ids'",
         file.name(), fmt::join(mask.sizes(), ", "), fmt::join(ids.sizes(), ", "));
  }
  return mask;
}

// Whether every row is ones, then zeros.
bool PadsOnTheRight(const at::Tensor& mask) {
  return !at::diff((mask != 0).to(at::kLong), 1, 1).gt(0).any().item<bool>();
}

model::ForwardInput ReadInput(const ActivationsArguments& arguments,
                              const model::TransformerConfig& config) {
  const int given = static_cast<int>(!arguments.text.empty()) +
                    static_cast<int>(!arguments.ids.empty()) +
                    static_cast<int>(!arguments.ids_file.empty());
  if (given != 1) Fail(ErrorKind::kUsage, "give exactly one of --text, --ids and --ids-file");
  if (!arguments.ids.empty()) return {.ids = ParseIds(arguments.ids)};
  if (!arguments.ids_file.empty()) {
    const auto file = model::SafetensorsFile::Open(arguments.ids_file);
    const at::Tensor stored = file.Read("input_ids");
    if (!at::isIntegralType(stored.scalar_type(), /*includeBool=*/false)) {
      Fail(ErrorKind::kBadInput, "{}: tensor 'input_ids' is {}; expected integers", file.name(),
           at::toString(stored.scalar_type()));
    }
    model::ForwardInput input{.ids = stored.to(at::kLong)};
    if (input.ids.dim() == 1) input.ids = input.ids.unsqueeze(0);
    if (input.ids.dim() != 2)
      Fail(ErrorKind::kBadInput,
           "{}: tensor 'input_ids' has {} dimensions; expected [sequences, tokens]", file.name(),
           input.ids.dim());
    if (file.Has("attention_mask")) {
      const at::Tensor mask = ReadMask(file, input.ids);
      if (!config.causal) input.attention_mask = mask;
      if (config.causal && !PadsOnTheRight(mask)) {
        Fail(ErrorKind::kBadInput,
             "{}: tensor 'attention_mask' hides tokens before others; the rows of a causal model "
             "are padded on the right",
             file.name());
      }
    }
    return input;
  }
  const auto tokenizer = tokenizer::LoadTokenizer(ResolveModel(arguments.model));
  const auto special =
      config.causal ? tokenizer::SpecialTokens::kNone : tokenizer::SpecialTokens::kAsConfigured;
  std::vector<tokenizer::TokenId> ids = tokenizer->Encode(arguments.text, special).ids;
  if (config.causal) {
    if (const auto bos = data::ResolveBos(arguments.bos, tokenizer->Specials(), config.bos_id))
      ids.insert(ids.begin(), *bos);
  }
  return {.ids = at::tensor(std::vector<int64_t>(ids.begin(), ids.end()), at::kLong).unsqueeze(0)};
}

std::vector<model::HookPoint> ParseHooks(const std::string& list,
                                         const model::TransformerConfig& config) {
  if (list == "all") return model::AllHooks(config);
  std::vector<model::HookPoint> hooks;
  std::stringstream in(list);
  for (std::string part; std::getline(in, part, ',');)
    hooks.push_back(model::ParseHook(part, config));
  if (hooks.empty())
    Fail(ErrorKind::kUsage,
         "--hooks is empty; expected names such as blocks.0.mlp.hook_post,logits, or all");
  return hooks;
}

std::map<std::string, at::Tensor> RunHooks(const model::Transformer& model,
                                           const model::ForwardInput& input,
                                           const std::vector<model::HookPoint>& hooks) {
  const c10::InferenceMode guard;
  const at::Device device = model.weights().token_embedding.device();
  model::ForwardInput moved{.ids = input.ids.to(device)};
  if (input.attention_mask.defined()) moved.attention_mask = input.attention_mask.to(device);
  std::map<std::string, at::Tensor> out;
  model.Forward(moved, hooks, [&](const model::HookPoint& hook, at::Tensor& value) {
    out[model::HookName(hook, model.config())] = value.to(at::kCPU, at::kFloat).contiguous();
  });
  return out;
}

void RunActivations(const ActivationsArguments& arguments) {
  model::Transformer model = model::Transformer::Load(ResolveModel(arguments.model));
  const model::ForwardInput input = ReadInput(arguments, model.config());
  const auto hooks = ParseHooks(arguments.hooks, model.config());
  std::map<std::string, at::Tensor> exact;
  if (arguments.dtype == "bfloat16") exact = RunHooks(model, input, hooks);
  model.To(arguments.device, arguments.dtype == "bfloat16" ? at::kBFloat16 : at::kFloat);
  std::map<std::string, at::Tensor> out = RunHooks(model, input, hooks);
  std::vector<std::vector<std::string>> rows = {{"hook", "shape", "mean |value|"}};
  if (!exact.empty()) rows[0].push_back("largest |bfloat16 - float32|");
  for (const auto& [name, value] : out) {
    rows.push_back({name, fmt::format("[{}]", fmt::join(value.sizes(), ", ")),
                    fmt::format("{:.4g}", value.abs().mean().item<double>())});
    if (!exact.empty())
      rows.back().push_back(
          fmt::format("{:.4g}", (value - exact.at(name)).abs().max().item<double>()));
  }
  out["input_ids"] = input.ids;
  model::WriteSafetensors(arguments.out, out);
  fmt::print("{}wrote {}\n", FormatTable(rows), arguments.out);
}

struct TokenizeArguments {
  std::string model, in, out;
  bool decode = false;
};

void RunTokenize(const TokenizeArguments& arguments) {
  const auto tokenizer = tokenizer::LoadTokenizer(ResolveModel(arguments.model));
  std::ifstream in(arguments.in);
  if (!in) Fail(ErrorKind::kNotFound, "{}: cannot be opened for reading", arguments.in);
  std::string line, out;
  for (int64_t number = 1; std::getline(in, line); ++number) {
    if (line.empty()) continue;
    nlohmann::json row;
    try {
      const nlohmann::json parsed = nlohmann::json::parse(line);
      if (arguments.decode) {
        row["text"] = tokenizer->Decode(parsed.at("ids").get<std::vector<tokenizer::TokenId>>());
      } else {
        row["ids"] = tokenizer
                         ->Encode(parsed.at("text").get_ref<const std::string&>(),
                                  tokenizer::SpecialTokens::kAsConfigured)
                         .ids;
      }
    } catch (const nlohmann::json::exception& error) {
      Fail(ErrorKind::kBadInput, "{}:{}: expected an object with \"{}\": {}", arguments.in, number,
           arguments.decode ? "ids" : "text", error.what());
    } catch (const base::Error& error) {
      Fail(error.kind(), "{}:{}: {}", arguments.in, number, error.what());
    }
    out += row.dump() + "\n";
  }
  base::WriteFile(arguments.out, out);
}

void RunInfo(const std::string& folder) {
  const fs::path path = ResolveModel(folder);
  const model::TransformerConfig config = model::ReadTransformerConfig(path);
  std::vector<std::string> unused;
  model::TransformerWeights weights = model::LoadTransformerWeights(path, config, &unused);
  int64_t parameters = 0;
  for (const auto& [name, tensor] : model::NamedTensors(weights)) parameters += tensor->numel();
  std::vector<std::vector<std::string>> rows = {{"what", "value"}};
  rows.push_back({"architecture", config.model_type});
  rows.push_back({"parameters", fmt::format("{}", parameters)});
  rows.push_back({"layers x d_model", fmt::format("{} x {}", config.layers, config.d_model)});
  rows.push_back({"heads (key/value) x d_head",
                  fmt::format("{} ({}) x {}", config.heads, config.kv_heads, config.d_head)});
  rows.push_back({"neurons a layer",
                  fmt::format("{} ({}{})", config.d_mlp, model::ActivationName(config.activation),
                              config.mlp_norm    ? ", layer norm after"
                              : config.gated_mlp ? ", gated"
                                                 : "")});
  rows.push_back(
      {"vocabulary, positions", fmt::format("{}, {}", config.vocab, config.max_positions)});
  if (config.causal)
    rows.push_back(
        {"neuron activations at", model::HookName(model::ActivationHook(0, config), config)});
  rows.push_back(
      {"tensors not used", unused.empty() ? "none" : fmt::format("{}", fmt::join(unused, ", "))});
  fmt::print("{}", FormatTable(rows));
}

}  // namespace

void AddModel(CLI::App& app) {
  CLI::App* model = app.add_subcommand(
      "model", "Look into a model folder, compare it with other stacks, train the default models");
  model->require_subcommand(1);

  auto info_folder = std::make_shared<std::string>("default");
  CLI::App* info = model->add_subcommand("info", "Sizes and switches of a model");
  info->add_option("DIR", *info_folder, "model folder in Hugging Face layout")
      ->capture_default_str();
  info->callback([info_folder] { RunInfo(*info_folder); });

  auto activations = std::make_shared<ActivationsArguments>();
  CLI::App* command = model->add_subcommand(
      "activations", "Write the values of hook points on given text or token ids");
  command->add_option("DIR", activations->model, "model folder in Hugging Face layout, or default")
      ->required();
  command->add_option("--text", activations->text, "text to run");
  command->add_option("--ids", activations->ids, "token ids to run, for example 1,15,203");
  command->add_option("--ids-file", activations->ids_file,
                      "safetensors file with `input_ids` [sequences, tokens]");
  command
      ->add_option("--hooks", activations->hooks,
                   "hook names, comma-separated, for example blocks.0.mlp.hook_post,logits; or all")
      ->required();
  command->add_option("--out", activations->out, "safetensors file to write")->required();
  command
      ->add_option("--bos", activations->bos,
                   "with --text: put BOS first (auto: if the model has one)")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->capture_default_str();
  AddDeviceOptions(*command, activations->device, activations->dtype);
  command->callback([activations] { RunActivations(*activations); });

  auto tokenize = std::make_shared<TokenizeArguments>();
  command = model->add_subcommand("tokenize", "Text to token ids, or back, one JSON object a line");
  command->add_option("DIR", tokenize->model, "folder with the tokenizer, or default")->required();
  command->add_option("--jsonl", tokenize->in, "lines {\"text\"} (or {\"ids\"} with --decode)")
      ->required();
  command->add_option("--out", tokenize->out, "file to write")->required();
  command->add_flag("--decode", tokenize->decode, "ids to text");
  command->callback([tokenize] { RunTokenize(*tokenize); });

  AddModelTraining(*model);
}

}  // namespace assay::app
