// Command-line options from an options struct's VisitFields: one list of names, help and ranges
// serves everything.
#pragma once

#include <CLI/CLI.hpp>

#include "base/options.h"

namespace assay::app {

// Adds --NAME for every field of `options` (borrowed; it must outlive the parse). Underscores do
// not occur in names.
template <typename Options>
void BindOptions(CLI::App& command, Options& options, const std::string& group) {
  options.VisitFields(
      [&](const char* name, auto& value, const char* help, const base::Accepts& accepts = {}) {
        using T = std::decay_t<decltype(value)>;
        const std::string flag = fmt::format("--{}", name);
        CLI::Option* option = nullptr;
        if constexpr (std::is_same_v<T, bool>) {
          option = command.add_flag(fmt::format("{},!--no-{}", flag, name), value, help);
          option->default_str(value ? "on" : "off");
        } else {
          option = command.add_option(flag, value, help)->capture_default_str();
          if constexpr (std::is_same_v<T, std::string>) {
            if (!accepts.choices.empty())
              option->type_name(fmt::format("{}", fmt::join(accepts.choices, "|")));
          }
        }
        option->group(group);
      });
}

}  // namespace assay::app
