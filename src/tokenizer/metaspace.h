// The options that Metaspace has both as pre-tokenizer and as decoder.
#pragma once

#include <string>

#include "tokenizer/json_node.h"

namespace assay::tokenizer {

enum class PrependScheme {
  kAlways,  // before every part of the text between added tokens
  kFirst,   // before the part at the start of the text
  kNever,
};

struct MetaspaceOptions {
  std::string replacement = "\xE2\x96\x81";  // U+2581, written for a space
  PrependScheme prepend = PrependScheme::kAlways;
  bool split = true;  // cut before each replacement
};

// Throws kBadInput for other values. Files of before 2024 have `add_prefix_space` instead of
// `prepend_scheme`.
MetaspaceOptions ReadMetaspaceOptions(const JsonNode& node);

}  // namespace assay::tokenizer
