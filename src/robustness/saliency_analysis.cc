// What the classifier looks at before and after, and the pictures of it.
#include <ATen/ATen.h>

#include <algorithm>
#include <opencv2/imgproc.hpp>

#include "base/file.h"
#include "data/tile_image.h"
#include "measure/distance.h"
#include "measure/image_saliency.h"
#include "measure/image_similarity.h"
#include "robustness/evaluation.h"
#include "robustness/tile_batch.h"

namespace assay::robustness {
namespace {

using nlohmann::json;

// At most `count` of the rows, evenly spread.
std::vector<int64_t> Spread(const std::vector<int64_t>& rows, int64_t count) {
  const auto all = static_cast<int64_t>(rows.size());
  std::vector<int64_t> out;
  for (int64_t i = 0; i < std::min(count, all); ++i)
    out.push_back(rows[static_cast<size_t>(i * all / std::min(count, all))]);
  return out;
}

std::vector<int64_t> Flipped(const Attacked& attacked) {
  std::vector<int64_t> rows;
  for (size_t i = 0; i < attacked.flipped.size(); ++i) {
    if (attacked.flipped[i]) rows.push_back(static_cast<int64_t>(i));
  }
  return rows;
}

// Flipped images, or any that were right where none was flipped.
std::vector<int64_t> Shown(const EvaluationData& data, const Attacked& attacked, int64_t count) {
  std::vector<int64_t> rows = Flipped(attacked);
  for (int64_t i = 0; rows.empty() && i < data.size(); ++i) rows.push_back(i);
  return Spread(rows, count);
}

json CompareMethod(const model::ImageClassifier& model, const EvaluationData& data,
                   const Attacked& attacked, const std::string& method,
                   const EvaluationOptions& options) {
  const std::vector<int64_t> shown = Shown(data, attacked, options.saliency_images);
  const at::Tensor rows = at::tensor(shown, at::kLong);
  measure::SaliencyOptions saliency;
  saliency.method = method;
  saliency.seed = options.seed;
  const auto maps = [&](const at::Tensor& images, const at::Tensor& logits) {
    return measure::ComputeSaliency(model, images.index_select(0, rows),
                                    logits.index_select(0, rows).argmax(1), saliency);
  };
  const measure::SaliencyMaps before = maps(data.images, data.clean_logits);
  const measure::SaliencyMaps after = maps(attacked.images, attacked.logits);
  std::vector<double> spearman, ssim, top_k;
  for (int64_t i = 0; i < rows.numel(); ++i) {
    const measure::MapSimilarity similarity = measure::CompareMaps(before.map[i], after.map[i]);
    spearman.push_back(similarity.spearman);
    ssim.push_back(similarity.ssim);
    top_k.push_back(similarity.top_k);
  }
  json out = {{"method", method},
              {"images", rows.numel()},
              {"spearman", SummaryJson(spearman)},
              {"ssim", SummaryJson(ssim)},
              {"top_k", SummaryJson(top_k)},
              {"completeness_error", nullptr}};
  if (before.completeness_error.defined()) {
    out["completeness_error"] = std::max(before.completeness_error.max().item<double>(),
                                         after.completeness_error.max().item<double>());
  }
  return out;
}

// Black (nothing) through orange to yellow: brightness alone tells it. map: [H, W].
data::Tile HeatPicture(const at::Tensor& map) {
  cv::Mat values(static_cast<int>(map.size(0)), static_cast<int>(map.size(1)), CV_32F);
  const at::Tensor flat = map.to(at::kCPU, at::kFloat).contiguous();
  std::copy_n(flat.data_ptr<float>(), flat.numel(), values.ptr<float>());
  // Single pixels of gradients are noise to the eye.
  cv::GaussianBlur(values, values, {0, 0}, 1.0, 0, cv::BORDER_REFLECT);
  double largest = 0;
  cv::minMaxLoc(values, nullptr, &largest);
  cv::Mat bytes, colours;
  values.convertTo(bytes, CV_8U, largest > 0 ? 255 / largest : 0);
  cv::applyColorMap(bytes, colours, cv::COLORMAP_INFERNO);
  cv::cvtColor(colours, colours, cv::COLOR_BGR2RGB);
  data::Tile tile;
  tile.height = values.rows;
  tile.width = values.cols;
  tile.pixels.assign(colours.data, colours.data + colours.total() * 3);
  return tile;
}

// The power of two by which the change fills the range around mid-grey.
int Amplification(const at::Tensor& delta) {
  const double largest = delta.abs().max().item<double>();
  int factor = 1;
  while (factor < 128 && factor * 2 * largest <= 0.5) factor *= 2;
  return factor;
}

}  // namespace

json SaliencyJson(const model::ImageClassifier& model, const EvaluationData& data,
                  const Attacked& attacked, const EvaluationOptions& options) {
  json out = json::array();
  if (options.saliency_images == 0) return out;
  for (const std::string& method : SaliencyNames(options))
    out.push_back(CompareMethod(model, data, attacked, method, options));
  return out;
}

json GalleryJson(const model::ImageClassifier& model, const EvaluationData& data,
                 const PlannedItem& item, const Attacked& attacked,
                 const EvaluationOptions& options, const std::filesystem::path& gallery) {
  json out = json::array();
  const std::vector<int64_t> rows = Shown(data, attacked, options.gallery);
  measure::SaliencyOptions saliency;
  const std::vector<std::string> methods = SaliencyNames(options);
  if (!methods.empty()) saliency.method = methods.front();
  const measure::Answers after = ToAnswers(attacked.logits, data.labels);
  for (const int64_t row : rows) {
    const at::Tensor original = data.images.narrow(0, row, 1);
    const at::Tensor changed = attacked.images.narrow(0, row, 1);
    const at::Tensor delta = changed - original;
    const int factor = Amplification(delta);
    json pictures = json::object();
    const auto save = [&](const std::string& what, const data::Tile& tile) {
      std::string file = fmt::format("{}-{:04}-{}.png", item.name, row, what);
      std::replace(file.begin(), file.end(), '_', '-');
      base::WriteFile(gallery / file, data::EncodePng(tile));
      pictures[what] = "gallery/" + file;
    };
    save("original", ToTile(original[0]));
    save("perturbed", ToTile(changed[0]));
    save("difference", ToTile((0.5 + delta[0] * factor).clamp(0, 1)));
    if (!methods.empty()) {
      const auto map = [&](const at::Tensor& image, int64_t answer) {
        return HeatPicture(
            measure::ComputeSaliency(model, image, at::full({1}, answer, at::kLong), saliency)
                .map[0]);
      };
      save("saliency_before", map(original, data.clean.Answer(row)));
      save("saliency_after", map(changed, after.Answer(row)));
    }
    const int64_t before = data.clean.Answer(row);
    out.push_back(
        {{"tile", data.infos[static_cast<size_t>(row)].name},
         {"index", row},
         {"label", data.clean.labels[static_cast<size_t>(row)]},
         {"answer_before", before},
         {"answer_after", after.Answer(row)},
         {"score_before", data.clean.Probability(row, before)},
         {"score_after", after.Probability(row, before)},
         {"score_answer_after", after.Probability(row, after.Answer(row))},
         {"fooled", static_cast<bool>(attacked.flipped[static_cast<size_t>(row)])},
         {"rmse_grey", 255 * measure::Distance(delta, measure::Norm::kRmse).item<double>()},
         {"linf_grey", 255 * measure::Distance(delta, measure::Norm::kLinf).item<double>()},
         {"amplification", factor},
         {"saliency", methods.empty() ? json(nullptr) : json(saliency.method)},
         {"pictures", pictures}});
  }
  return out;
}

}  // namespace assay::robustness
