// The neurons of a layer as a field of small squares coloured by F1, each a link to its page where
// it has one. Thread-safe: pure functions.
#pragma once

#include <string>
#include <vector>

#include "view/index_page.h"

namespace assay::view {

// One picture; `units` are of one layer and ascending. Part of a page with PageCss().
std::string UnitMapSvg(const std::vector<const MapUnit*>& units);

// Headings and maps of all layers, ascending, with a legend.
std::string UnitMapsHtml(const std::vector<MapUnit>& units);

}  // namespace assay::view
