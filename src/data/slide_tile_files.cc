// The tiles of a slide as files.
#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "data/csv.h"
#include "data/slide_tiles.h"
#include "data/tile_image.h"

namespace assay::data {

int64_t WriteSlideTiles(const Slide& slide, const std::filesystem::path& folder, int64_t limit,
                        const std::string& label, const std::function<void(int64_t)>& done) {
  const auto all = static_cast<int64_t>(slide.places().size());
  const int64_t count = limit > 0 ? std::min(limit, all) : all;
  std::string manifest = "path,slide,patient,x,y";
  manifest += label.empty() ? "\n" : ",label\n";
  for (int64_t i = 0; i < count; ++i) {
    const Slide::Place& place = slide.places()[static_cast<size_t>(i * all / count)];
    const std::string path = fmt::format("tiles/{}_{}.png", place.x, place.y);
    try {
      base::WriteFile(folder / path, EncodePng(slide.Read(place)));
    } catch (const TileError& error) {
      base::Fail(base::ErrorKind::kBadInput, "{}", error.what());
    }
    manifest += fmt::format("{},{},,{},{}", path, CsvField(slide.name()), place.x, place.y);
    if (!label.empty()) manifest += "," + CsvField(label);
    manifest += "\n";
    if (done) done(i + 1);
  }
  base::WriteFile(folder / "manifest.csv", manifest);  // last: a folder with it is whole
  return count;
}

}  // namespace assay::data
