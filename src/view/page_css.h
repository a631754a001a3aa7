// The layout rules of the HTML pages, without the colour scales (PageCss in style.h adds them: use
// that). Thread-safe.
#pragma once

#include <string_view>

namespace assay::view {

std::string_view PageRules();

}  // namespace assay::view
