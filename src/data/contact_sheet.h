// Pictures of parts of tiles: one patch, scaled up so that it can be seen, and sheets of many.
// Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/tile.h"

namespace assay::data {

// Pixels [top, bottom) x [left, right) of a tile; may reach beyond its edges.
struct PatchPlace {
  int64_t top = 0, left = 0, bottom = 0, right = 0;
};

// The part of an RGB or grey tile at `place`, as RGB of edge_px x edge_px, its longer side filling
// the edge and the rest white; what lies beyond the tile is grey. A part smaller than least_px (a
// side) is shown with its surroundings, one larger than the tile with the whole tile; then a frame
// is around what the place has of the tile. Pixels stay square and sharp when scaled up. Throws
// kBadInput when the place is empty.
Tile CutPatch(const Tile& tile, const PatchPlace& place, int edge_px, int least_px = 16);

struct SheetRow {
  std::string title;          // printable ASCII shows as it is, anything else as '?'; may be empty
  std::vector<Tile> patches;  // RGB, all of one size
};

// Patches in rows of `columns`, each group under its title, on white. Throws kBadInput when there
// is no patch or sizes differ.
Tile DrawContactSheet(const std::vector<SheetRow>& rows, int columns);

}  // namespace assay::data
