// Generated tiles that look like H&E-stained tissue: stroma and nuclei of two kinds whose outlines
// are known exactly. For demonstration, and for tests that need the true place of every nucleus;
// nothing that holds for them is known to hold for tissue. Thread-safe.
//
// Light passes two stains (Ruifrok and Johnston 2001): I = I0 * 10^-(h H + e E) for each colour,
// with the stain vectors h and e, and concentrations H and E that are drawn: collagen fibres, gaps,
// cytoplasm, chromatin. Every patient has stain vectors, strengths and a lamp of its own.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/options.h"
#include "data/tile.h"

namespace assay::data {

struct SynthesisOptions {
  int64_t tiles = 1200;
  uint64_t seed = 1;
  int patients = 20;
  int size_px = 96;
  double stain_variation = 1;

  template <typename Visitor>
  void VisitFields(Visitor&& visit) {
    using base::Between;
    visit("tiles", tiles, "tiles to make", Between(1, 1e7));
    visit("seed", seed, "of everything drawn");
    visit("patients", patients, "patients: 60% train, 20% val, 20% test, at least one each",
          Between(3, 100000));
    visit("size-px", size_px, "side of a tile, 0.5 microns per pixel", Between(32, 2048));
    visit("stain-variation", stain_variation, "how much patients differ in stain; 0: not at all",
          Between(0, 3));
  }
};

struct SyntheticNucleus {
  uint16_t id = 0;        // in the label map, from 1
  bool atypical = false;  // large, irregular, clumped chromatin, nucleolus; else small and even
  double x_px = 0, y_px = 0, radius_px = 0;
  int64_t area_px = 0;  // visible pixels
};

struct SyntheticTile {
  Tile tile;                     // label 1 from kAtypicalShare on, else 0
  std::vector<uint16_t> labels;  // [height, width]: nucleus id, 0 outside
  std::vector<SyntheticNucleus> nuclei;
  double atypical_share = 0;  // of the nuclei, by number
};

constexpr double kAtypicalShare = 0.4;
constexpr double kSyntheticMicronsPerPixel = 0.5;
// Of labels 0 and 1; in the order of the alphabet, which is that of named labels. The shipped
// classifier (models/assay-he) has the same.
inline constexpr std::array<const char*, 2> kSyntheticClasses = {"few_atypical", "many_atypical"};

// Tile `index` of the set; depends on nothing but (options, index).
SyntheticTile SynthesizeTile(const SynthesisOptions& options, int64_t index);

// Writes tiles/NNNNN.png, masks/NNNNN.png (16-bit label maps), manifest.csv (path, label, patient,
// slide, split, mask, nuclei, atypical_share), nuclei.csv (every nucleus) and synthesis.json.
// done(n) is called after n tiles. Throws kUsage, kIo.
void WriteSyntheticTiles(const SynthesisOptions& options, const std::filesystem::path& folder,
                         const std::function<void(int64_t)>& done = {});

}  // namespace assay::data
