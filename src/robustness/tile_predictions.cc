#include "robustness/tile_predictions.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "base/error.h"
#include "data/csv.h"
#include "robustness/tile_batch.h"

namespace assay::robustness {

std::vector<TilePrediction> PredictTiles(const model::ImageClassifier& classifier,
                                         data::TileDataset& tiles, int64_t batch,
                                         const std::function<void(int64_t)>& done) {
  ASSAY_CHECK(batch >= 1);
  const c10::NoGradGuard no_gradients;
  const model::ImageSpec& spec = classifier.spec();
  std::vector<TilePrediction> out;
  int64_t position = 0;
  while (const auto next = NextBatch(tiles, position, batch, spec)) {
    const at::Tensor probabilities =  // [B, K]
        classifier.Logits(next->images.to(at::Device(spec.device)))
            .to(at::kCPU, at::kDouble)
            .softmax(1)
            .contiguous();
    const at::Tensor answers = probabilities.argmax(1);
    for (size_t i = 0; i < next->infos.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      const double* values = probabilities.data_ptr<double>() + row * classifier.classes();
      out.push_back({.info = next->infos[i],
                     .answer = answers[row].item<int64_t>(),
                     .probabilities = {values, values + classifier.classes()}});
    }
    if (done) done(position);
  }
  if (out.empty()) {
    base::Fail(base::ErrorKind::kBadInput,
               "none of the {} tiles can be used; the first problem: {}", tiles.size(),
               tiles.problems().empty() ? "none" : ToString(tiles.problems().front()));
  }
  return out;
}

std::vector<PredictedClass> SummarizePredictions(const std::vector<TilePrediction>& predictions,
                                                 const std::vector<std::string>& class_names) {
  ASSAY_CHECK(!predictions.empty());
  std::vector<PredictedClass> out;
  for (size_t k = 0; k < class_names.size(); ++k) {
    PredictedClass summary{.name = class_names[k]};
    for (const TilePrediction& prediction : predictions) {
      if (prediction.answer == static_cast<int64_t>(k)) ++summary.tiles;
      summary.mean_probability += prediction.probabilities.at(k);
    }
    summary.mean_probability /= static_cast<double>(predictions.size());
    out.push_back(std::move(summary));
  }
  return out;
}

std::string PredictionsCsv(const std::vector<TilePrediction>& predictions,
                           const std::vector<std::string>& class_names) {
  const auto name_of = [&](int64_t index) {
    return index < 0 ? std::string() : data::CsvField(class_names.at(static_cast<size_t>(index)));
  };
  std::string out = "path,x,y,label,answer";
  for (const std::string& name : class_names) out += "," + data::CsvField("probability " + name);
  out += "\n";
  for (const TilePrediction& prediction : predictions) {
    const data::TileInfo& info = prediction.info;
    out += data::CsvField(info.name) +
           (info.x < 0 ? std::string(",,") : fmt::format(",{},{}", info.x, info.y)) +
           fmt::format(",{},{}", name_of(info.label), name_of(prediction.answer));
    for (const double probability : prediction.probabilities)
      out += fmt::format(",{:.6f}", probability);
    out += "\n";
  }
  return out;
}

}  // namespace assay::robustness
