// A synthetic set as files.
#include "base/file.h"
#include "data/synthetic_tissue.h"
#include "data/tile_image.h"

namespace assay::data {

void WriteSyntheticTiles(const SynthesisOptions& options, const std::filesystem::path& folder,
                         const std::function<void(int64_t)>& done) {
  base::ValidateFields(options);
  std::string manifest = "path,label,patient,slide,split,mask,nuclei,atypical_share\n";
  std::string nuclei = "path,id,kind,x_px,y_px,radius_px,area_px\n";
  for (int64_t i = 0; i < options.tiles; ++i) {
    const SyntheticTile made = SynthesizeTile(options, i);
    const std::string mask = fmt::format("masks/{:05}.png", i);
    base::WriteFile(folder / made.tile.name, EncodePng(made.tile));
    base::WriteFile(folder / mask, EncodeLabelMap(made.labels, made.tile.height, made.tile.width));
    manifest += fmt::format("{},{},{},{},{},{},{},{:.4f}\n", made.tile.name,
                            kSyntheticClasses[static_cast<size_t>(made.tile.label)],
                            made.tile.patient, made.tile.slide, made.tile.split, mask,
                            made.nuclei.size(), made.atypical_share);
    for (const SyntheticNucleus& nucleus : made.nuclei) {
      nuclei += fmt::format("{},{},{},{:.2f},{:.2f},{:.2f},{}\n", made.tile.name, nucleus.id,
                            nucleus.atypical ? "atypical" : "typical", nucleus.x_px, nucleus.y_px,
                            nucleus.radius_px, nucleus.area_px);
    }
    if (done) done(i + 1);
  }
  base::WriteFile(folder / "nuclei.csv", nuclei);
  nlohmann::json about = {{"what",
                           "generated tiles that look like H&E; for demonstration, and for "
                           "the exact place of every nucleus"},
                          {"options", base::FieldsToJson(options)},
                          {"microns_per_pixel", kSyntheticMicronsPerPixel},
                          {"class_names", kSyntheticClasses},
                          {"atypical_share_of_class_1", kAtypicalShare}};
  base::WriteFile(folder / "synthesis.json", about.dump(1) + "\n");
  base::WriteFile(folder / "manifest.csv", manifest);  // last: a folder with it is whole
}

}  // namespace assay::data
