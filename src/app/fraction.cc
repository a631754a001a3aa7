#include "app/fraction.h"

#include <charconv>
#include <cmath>

#include "base/error.h"

namespace assay::app {
namespace {

double ParseNumber(std::string_view text, const std::string& whole, const std::string& what) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
    base::Fail(base::ErrorKind::kUsage, "{} is '{}'; expected a number or a fraction such as 2/255",
               what, whole);
  return value;
}

}  // namespace

double ParseFraction(const std::string& text, const std::string& what) {
  const size_t slash = text.find('/');
  if (slash == std::string::npos) return ParseNumber(text, text, what);
  const double below = ParseNumber(std::string_view(text).substr(slash + 1), text, what);
  if (below == 0)
    base::Fail(base::ErrorKind::kUsage, "{} is '{}': the denominator is 0", what, text);
  return ParseNumber(std::string_view(text).substr(0, slash), text, what) / below;
}

void AcceptFraction(CLI::App& command, const std::string& option) {
  command.get_option(option)
      ->transform([option](const std::string& text) {
        return fmt::format("{}", ParseFraction(text, option));  // shortest text of the same value
      })
      ->type_name("NUMBER|A/B");
}

}  // namespace assay::app
