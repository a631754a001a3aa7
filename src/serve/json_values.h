// How values are written for the page: shared by the files that describe a neuron. Internal to
// serve.
#pragma once

#include <array>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "serve/http.h"
#include "store/records.h"
#include "view/token_text.h"

namespace assay::serve {

inline constexpr std::array kKindNames = {"top", "bottom", "quantile", "given", "above"};
inline const char* KindName(store::ExampleKind kind) {
  return kKindNames[static_cast<size_t>(kind)];
}

// Five significant digits are more than a page can show; null when not finite. Not decimals: there
// are models whose largest activations are 1e-7.
inline Json Short(double value) {
  if (!std::isfinite(value)) return nullptr;
  if (value == 0) return 0.0;
  const double unit = std::pow(10.0, 4 - std::floor(std::log10(std::abs(value))));
  return std::isfinite(unit) ? std::round(value * unit) / unit : value;
}

inline Json ShortNumbers(std::span<const float> values) {
  Json out = Json::array();
  for (const float value : values) out.push_back(Short(value));
  return out;
}

// One text a token, to be shown as running text.
inline Json TextsOf(std::span<const std::string> token_texts,
                    const std::vector<store::TokenId>& tokens) {
  Json out = Json::array();
  for (std::string& text : view::ShowRunningText(token_texts, tokens))
    out.push_back(std::move(text));
  return out;
}

// A cluster's label, which is made of tokens as they are, with nothing invisible in it.
inline std::string LabelText(const std::string& label) {
  const std::array<store::TokenId, 1> whole = {0};
  return view::ShowRunningText(std::span(&label, 1), whole).front();
}

}  // namespace assay::serve
