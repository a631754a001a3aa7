// Words of a text as the augmenter means them: runs of letters and apostrophes, with at least one
// letter.
#pragma once

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

namespace assay::neurons {

using WordRange = std::pair<size_t, size_t>;  // bytes [begin, end)

// Ascending. ASCII letters and every character beyond ASCII count as letters.
std::vector<WordRange> WordRanges(std::string_view text);

}  // namespace assay::neurons
