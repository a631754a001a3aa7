#include "app/loaded_model.h"

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"

namespace assay::app {
namespace fs = std::filesystem;

std::string HashModelFolder(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const bool matters = name.ends_with(".safetensors") || name.ends_with(".json") ||
                         name.ends_with(".txt") || name.ends_with(".model");
    if (entry.is_regular_file() && matters && name != "training.json")
      files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::string all;
  for (const fs::path& file : files)
    all += file.filename().string() + " " + base::HashFile(file) + "\n";
  return base::HashText(all);
}

LoadedModel LoadModel(const fs::path& folder, const std::string& device, const std::string& dtype) {
  LoadedModel out{folder, model::Transformer::Load(folder), tokenizer::LoadTokenizer(folder),
                  HashModelFolder(folder)};
  if (out.tokenizer->VocabSize() > out.network.config().vocab) {
    base::Fail(base::ErrorKind::kBadInput,
               "{}: the tokenizer has {} ids, the model's vocabulary {}", folder.string(),
               out.tokenizer->VocabSize(), out.network.config().vocab);
  }
  out.network.To(device, dtype == "bfloat16" ? at::kBFloat16 : at::kFloat);
  return out;
}

void AddDeviceOptions(CLI::App& command, std::string& device, std::string& dtype) {
  command.add_option("--device", device, "cpu, or cuda where libtorch has it")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  command.add_option("--dtype", dtype, "arithmetic of the model")
      ->check(CLI::IsMember({"float32", "bfloat16"}))
      ->capture_default_str();
}

std::vector<std::string> TokenTexts(const LoadedModel& model) {
  std::vector<std::string> out;
  for (int id = 0; id < model.network.config().vocab; ++id) {
    out.push_back(id < model.tokenizer->VocabSize() ? model.tokenizer->TokenText(id)
                                                    : fmt::format("<id {}>", id));
  }
  return out;
}

}  // namespace assay::app
