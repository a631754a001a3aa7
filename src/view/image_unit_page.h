// One unit of an image classifier as a self-contained HTML page: its layer, statistics and
// clusters, with the patches that it sees as pictures. Nothing is loaded from anywhere; every
// string from outside is escaped. Thread-safe: pure functions.
#pragma once

#include <optional>
#include <string>

#include "store/records.h"

namespace assay::view {

struct ImageUnitPage {
  store::UnitId unit;
  std::string model, layer;  // "cifar_resnet20", "layer1.0.conv1: 3 x 3 convolution"
  std::optional<store::UnitStats> stats;
  std::string seen;           // what a location sees: "15 x 15 of 32 x 32 pixels"
  std::string clusters_html;  // from WriteClusterTabs; empty: there are none
};
std::string WriteImageUnitPage(const ImageUnitPage& page);

// One patch for ClusterTabs::draw. png: the picture's bytes.
struct PatchFigure {
  std::string png;
  int edge_px = 96;  // as shown
  std::string rank;  // "central", "2"
  double activation = 0;
  std::string tile, place;  // for the tooltip: name and where in it
  std::string label;        // of the tile; may be empty
};
std::string WritePatchFigure(const PatchFigure& figure);

// RFC 4648.
std::string Base64(std::string_view bytes);

}  // namespace assay::view
