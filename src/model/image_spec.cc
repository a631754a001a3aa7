#include "model/image_spec.h"

#include <cmath>

#include "base/error.h"

namespace assay::model {
namespace {

using base::ErrorKind;
using base::Fail;
namespace fs = std::filesystem;
using Json = nlohmann::json;

// json[key] as T. Absent when there is no such key or it is null.
template <typename T>
std::optional<T> Get(const Json& json, const char* key, const fs::path& file) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return std::nullopt;
  try {
    return found->get<T>();
  } catch (const Json::exception&) {
    Fail(ErrorKind::kBadInput, "{}: '{}' is {}; expected another type", file.string(), key,
         found->dump().substr(0, 80));
  }
}

void ReadShape(const Json& json, const fs::path& file, ImageSpec& spec) {
  const auto shape = json.find("input_shape");
  if (shape == json.end()) return;
  const auto fail = [&] {
    Fail(ErrorKind::kBadInput, "{}: 'input_shape' is {}; expected [\"B\", channels, height, width]",
         file.string(), shape->dump().substr(0, 80));
  };
  if (!shape->is_array() || shape->size() != 4) fail();
  const auto size = [&](size_t at) {
    const Json& value = (*shape)[at];
    if (!value.is_number_integer()) {
      if (at == 1 || !(value.is_null() || value.is_string())) fail();
      return 0;
    }
    const auto pixels = value.get<int64_t>();
    if (pixels < 0 || pixels > 65536 || (at == 1 && pixels != 1 && pixels != 3)) fail();
    return static_cast<int>(pixels);
  };
  spec.channels = size(1);
  spec.height = size(2);
  spec.width = size(3);
}

void ReadAccuracy(const Json& json, const fs::path& file, ImageSpec& spec) {
  const auto declared = json.find("clean_accuracy");
  if (declared == json.end() || declared->is_null()) return;
  Json value = *declared;
  if (value.is_object() && !value.empty()) {  // {data: accuracy}
    for (const auto& [data, accuracy] : declared->items()) {
      // "published ..." speaks of other data than those at hand.
      if (spec.clean_data.empty() || spec.clean_data.starts_with("published")) {
        spec.clean_data = data;
        value = accuracy;
      }
    }
  }
  if (!value.is_number() || !(value.get<double>() >= 0 && value.get<double>() <= 1)) {
    Fail(ErrorKind::kBadInput, "{}: 'clean_accuracy' is {}; expected a number from 0 to 1",
         file.string(), value.dump().substr(0, 80));
  }
  spec.clean_accuracy = value.get<double>();
}

void CheckObject(const Json& json, const fs::path& file) {
  if (!json.is_object()) Fail(ErrorKind::kBadInput, "{}: expected a JSON object", file.string());
}

void ReadTransform(const Json& step, const fs::path& file, WsinferConfig& config) {
  CheckObject(step, file);
  const std::string name = Get<std::string>(step, "name", file).value_or("");
  const Json arguments = step.contains("arguments") && step["arguments"].is_object()
                             ? step["arguments"]
                             : Json::object();
  if (name == "ToTensor") return;
  if (name == "Normalize") {
    config.mean = Get<std::vector<double>>(arguments, "mean", file).value_or(std::vector<double>());
    config.std = Get<std::vector<double>>(arguments, "std", file).value_or(std::vector<double>());
    bool usable = config.mean.size() == 3 && config.std.size() == 3;
    for (const double value : config.std) usable = usable && value > 0;
    if (!usable)
      Fail(ErrorKind::kBadInput, "{}: 'Normalize' needs a mean and a positive std of 3 channels",
           file.string());
    return;
  }
  if (name != "Resize") {
    Fail(ErrorKind::kUnsupported,
         "{}: the transform '{}' is not known; expected Resize, ToTensor, Normalize", file.string(),
         name);
  }
  const Json size = arguments.contains("size") ? arguments["size"] : Json();
  const auto pixels = [&](const Json& value) {
    if (!value.is_number_integer() || value.get<int64_t>() < 1 || value.get<int64_t>() > 65536)
      Fail(ErrorKind::kBadInput, "{}: 'Resize' has the size {}", file.string(), size.dump());
    return value.get<int64_t>();
  };
  if (size.is_array() && size.size() == 2) {
    config.resize = {pixels(size[0]), pixels(size[1])};
  } else {
    config.resize_shorter = pixels(size.is_array() && size.size() == 1 ? size[0] : size);
  }
}

}  // namespace

ImageSpec ParseSidecar(const Json& json, const std::string& name, const fs::path& file) {
  CheckObject(json, file);
  ImageSpec spec{.name = name};
  spec.class_names =
      Get<std::vector<std::string>>(json, "class_names", file).value_or(std::vector<std::string>());
  ReadShape(json, file, spec);
  if (const auto any = json.find("any_size"); any != json.end())
    spec.any_size = !(any->is_null() || *any == false);
  if (const auto range = Get<std::vector<double>>(json, "input_range", file)) {
    if (range->size() != 2 || !((*range)[0] < (*range)[1])) {
      Fail(ErrorKind::kBadInput, "{}: 'input_range' is [{}]; expected [low, high]", file.string(),
           fmt::join(*range, ", "));
    }
    spec.low = (*range)[0];
    spec.high = (*range)[1];
  }
  spec.microns_per_pixel = Get<double>(json, "microns_per_pixel", file);
  spec.task = Get<std::string>(json, "task", file).value_or("");
  spec.architecture = Get<std::string>(json, "architecture", file).value_or("");
  spec.demonstration = Get<bool>(json, "demonstration", file).value_or(false);
  spec.declared_sha256 = Get<std::string>(json, "sha256", file).value_or("");
  ReadAccuracy(json, file, spec);
  return spec;
}

WsinferConfig ParseWsinferConfig(const Json& json, const std::string& name, const fs::path& file) {
  CheckObject(json, file);
  WsinferConfig config;
  config.spec.name = Get<std::string>(json, "name", file).value_or(name);
  config.spec.architecture = Get<std::string>(json, "architecture", file).value_or("");
  config.spec.class_names =
      Get<std::vector<std::string>>(json, "class_names", file).value_or(std::vector<std::string>());
  const auto classes = Get<int64_t>(json, "num_classes", file);
  if (classes && *classes != static_cast<int64_t>(config.spec.class_names.size())) {
    Fail(ErrorKind::kBadInput, "{}: 'num_classes' is {}; 'class_names' has {}", file.string(),
         *classes, config.spec.class_names.size());
  }
  const auto patch = Get<int>(json, "patch_size_pixels", file);
  if (!patch || *patch < 1 || *patch > 65536)
    Fail(ErrorKind::kBadInput, "{}: has no usable 'patch_size_pixels'", file.string());
  config.spec.height = config.spec.width = *patch;
  config.spec.microns_per_pixel = Get<double>(json, "spacing_um_px", file);
  if (const auto steps = json.find("transform"); steps != json.end()) {
    if (!steps->is_array()) Fail(ErrorKind::kBadInput, "{}: 'transform' is no list", file.string());
    for (const Json& step : *steps) ReadTransform(step, file, config);
  }
  return config;
}

}  // namespace assay::model
