// Text and numbers for SVG, HTML and XML. Every string that is not ours goes through EscapeMarkup.
// Thread-safe: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace assay::view {

// Bytes that are not UTF-8 become U+FFFD; control, format and direction characters (but not line
// end and tab) are shown as ShowToken does: what is left is allowed in XML and harmless on a
// terminal.
std::string CleanText(std::string_view text);

// CleanText with a space for each line end and tab.
std::string OneLine(std::string_view text);

// CleanText, then safe as text and inside a quoted attribute: & < > " ' are escaped.
std::string EscapeMarkup(std::string_view text);

// Safe as a link target (in double quotes): as EscapeMarkup, but anything with a scheme other than
// http(s) becomes "#".
std::string EscapeLink(std::string_view href);

// Fixed decimals; "–" when absent or not a number. Never "-0.00".
std::string FormatNumber(std::optional<double> value, int decimals);
// The same for quantities of any size, activations above all: what the decimals would cut to two
// digits or fewer is written as 1.23e-05.
std::string FormatQuantity(std::optional<double> value, int decimals);

// For coordinates: at most one decimal, no trailing zero.
std::string FormatCoordinate(double value);

// 1234567 -> "1,234,567".
std::string FormatCount(int64_t count);

}  // namespace assay::view
