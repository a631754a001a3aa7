#include "tokenizer/metaspace.h"

#include "tokenizer/utf8.h"

namespace assay::tokenizer {

MetaspaceOptions ReadMetaspaceOptions(const JsonNode& node) {
  MetaspaceOptions options;
  if (const auto replacement = node.Find("replacement")) {
    options.replacement = ToUtf8(replacement->CodePoint());
  }
  if (const auto scheme = node.Find("prepend_scheme")) {
    const std::string name = scheme->String();
    if (name == "always") {
      options.prepend = PrependScheme::kAlways;
    } else if (name == "first") {
      options.prepend = PrependScheme::kFirst;
    } else if (name == "never") {
      options.prepend = PrependScheme::kNever;
    } else {
      scheme->Bad("'always', 'first' or 'never'");
    }
  }
  if (!node.BoolOr("add_prefix_space", true)) options.prepend = PrependScheme::kNever;
  options.split = node.BoolOr("split", true);
  return options;
}

}  // namespace assay::tokenizer
