// What does one neuron do on one text? Loads a model folder in Hugging Face's layout, runs the text
// as deep as the neuron's layer, and prints the activation at each token.
//
//   read_a_neuron                                    a tiny random GPT-2 made on the spot
//   read_a_neuron DIR "The quick brown fox" 2 15     neuron 15 of layer 2
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <fmt/core.h>
#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "model/safetensors.h"
#include "model/transformer.h"
#include "tokenizer/tokenizer.h"

namespace {

namespace fs = std::filesystem;
namespace model = assay::model;

// A model folder needs no more than this: a config.json, and the tensors under their Hugging Face
// names.
void WriteRandomModel(const fs::path& folder) {
  constexpr int64_t kVocab = 50, kPositions = 32, kWidth = 16, kLayers = 2;
  assay::base::WriteFile(folder / "config.json",
                         R"({"model_type": "gpt2", "vocab_size": 50, "n_positions": 32, )"
                         R"("n_embd": 16, "n_layer": 2, "n_head": 4})");
  at::manual_seed(1);
  std::map<std::string, at::Tensor> tensors;
  const auto add = [&](const std::string& name, int64_t in, int64_t out) {
    tensors[name + ".weight"] = at::randn({in, out}) * 0.3;
    tensors[name + ".bias"] = at::zeros({out});
  };
  const auto add_norm = [&](const std::string& name) {
    tensors[name + ".weight"] = at::ones({kWidth});
    tensors[name + ".bias"] = at::zeros({kWidth});
  };
  tensors["transformer.wte.weight"] = at::randn({kVocab, kWidth});
  tensors["transformer.wpe.weight"] = at::randn({kPositions, kWidth}) * 0.1;
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    const std::string block = fmt::format("transformer.h.{}.", layer);
    add_norm(block + "ln_1");
    add(block + "attn.c_attn", kWidth, 3 * kWidth);
    add(block + "attn.c_proj", kWidth, kWidth);
    add_norm(block + "ln_2");
    add(block + "mlp.c_fc", kWidth, 4 * kWidth);
    add(block + "mlp.c_proj", 4 * kWidth, kWidth);
  }
  add_norm("transformer.ln_f");
  model::WriteSafetensors(folder / "model.safetensors", tensors);
}

// A folder that is removed at the end.
struct TemporaryFolder {
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "assay_example_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      assay::base::Fail(assay::base::ErrorKind::kIo, "{}: cannot be created", name);
    }
    path = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  fs::path path;
};

// texts[i] is how token ids[i] is shown.
void PrintNeuron(const fs::path& folder, const std::vector<int64_t>& ids,
                 const std::vector<std::string>& texts, int layer, int neuron) {
  const c10::InferenceMode no_gradients;
  const model::Transformer transformer = model::Transformer::Load(folder);
  const model::HookPoint hook = model::ActivationHook(layer, transformer.config());
  if (neuron < 0 || neuron >= transformer.config().d_mlp) {
    assay::base::Fail(assay::base::ErrorKind::kUsage,
                      "neuron {} does not exist; a layer has 0 to {}", neuron,
                      transformer.config().d_mlp - 1);
  }
  const auto tokens = static_cast<int64_t>(ids.size());
  // [1, T] -> [1, T, F]; the layers above the neuron's are not run
  const at::Tensor activations = transformer.Read({.ids = at::tensor(ids).view({1, tokens})}, hook);
  const at::Tensor of_neuron = activations[0].select(-1, neuron);  // [T]
  fmt::print("{}, neuron {}\n", model::HookName(hook, transformer.config()), neuron);
  for (int64_t t = 0; t < tokens; ++t) {
    fmt::print("{:4}  {:<16} {:8.3f}\n", t, texts[static_cast<size_t>(t)],
               of_neuron[t].item<double>());
  }
  fmt::print("strongest at token {}\n", of_neuron.argmax().item<int64_t>());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc == 5) {
      const auto tokenizer = assay::tokenizer::LoadTokenizer(argv[1]);
      std::vector<int64_t> ids;
      std::vector<std::string> texts;
      for (const auto id :
           tokenizer->Encode(argv[2], assay::tokenizer::SpecialTokens::kAsConfigured).ids) {
        ids.push_back(id);
        texts.push_back(tokenizer->TokenText(id));
      }
      PrintNeuron(argv[1], ids, texts, std::atoi(argv[3]), std::atoi(argv[4]));
    } else if (argc == 1) {
      const TemporaryFolder folder;
      WriteRandomModel(folder.path);
      PrintNeuron(folder.path, {7, 3, 42, 7, 3, 42}, {"#7", "#3", "#42", "#7", "#3", "#42"}, 1, 5);
    } else {
      fmt::print(stderr, "usage: {} [MODEL_DIR TEXT LAYER NEURON]\n", argv[0]);
      return 2;
    }
  } catch (const assay::base::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return assay::base::ExitCode(error.kind());
  }
  return 0;
}
