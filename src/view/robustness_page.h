// The report of a robustness evaluation (docs/robustness-report.md) as one self-contained HTML
// page: intended use, flags, the table of all attacks, curves, energy, saliency, gallery, threat
// model, limits. Thread-safe: pure functions, as far as the loader is.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace assay::view {

// The bytes of a picture of the report by its name ("gallery/x.png"); empty: it is left out.
using PictureLoader = std::function<std::string(const std::string&)>;

// Throws kBadInput when the report is not one of robustness, or of a newer version.
std::string WriteRobustnessPage(const nlohmann::json& report, const PictureLoader& load);

// data: URL of a PNG picture.
std::string PngUrl(const std::string& bytes);

// Parts of the page, in robustness_corruptions.cc, robustness_analysis.cc, robustness_gallery.cc.
std::string RobustnessCorruptions(const nlohmann::json& report);
std::string RobustnessCurves(const nlohmann::json& report);
std::string RobustnessEnergy(const nlohmann::json& report);
std::string RobustnessConstructs(const nlohmann::json& report);
std::string RobustnessSaliency(const nlohmann::json& report);
std::string RobustnessGallery(const nlohmann::json& report, const PictureLoader& load);

// Text and numbers of JSON members that may be absent or null.
std::string ReportText(const nlohmann::json& object, const char* member);  // as text, unescaped
std::optional<double> ReportNumber(const nlohmann::json& object, const char* member);

}  // namespace assay::view
