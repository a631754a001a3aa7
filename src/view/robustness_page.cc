#include "view/robustness_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "view/markup.h"
#include "view/style.h"

namespace assay::view {
namespace {

using nlohmann::json;

constexpr std::string_view kRules = R"(
.lead{max-width:76ch;margin:14px 0 0}
.flags{margin:6px 0;padding-left:20px}
.flags li{margin:3px 0}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:16px;margin-bottom:14px}
.charts figure{margin:0;border:1px solid var(--line);border-radius:10px;padding:10px 10px 4px;background:var(--ground);min-width:0}
.charts figcaption{font-weight:600;font-size:14px;padding:0 4px 2px}
.charts svg{display:block;max-width:100%;height:auto}
.picture circle{stroke:none}
table.measures td,table.measures thead th{text-align:right;padding-left:16px}
table.measures thead th:first-child,table.measures td.text,table.measures thead th.text{text-align:left}
table.measures small{color:var(--quiet)}
.tiles{width:100%;border-collapse:collapse}
.rows{display:grid;gap:14px;margin:8px 0 18px}
.row{display:grid;grid-template-columns:repeat(5,minmax(0,150px)) minmax(150px,1fr);gap:10px;align-items:start}
.row figure{margin:0}
.row img{width:100%;aspect-ratio:1;image-rendering:pixelated;border-radius:6px;border:1px solid var(--line);display:block;background:var(--sunk)}
.row figcaption{font-size:12.5px;color:var(--quiet);padding-top:3px}
.row .about{font-size:13.5px;overflow-wrap:anywhere}
.row .about b{font-size:15px}
@media (max-width:760px){.row{grid-template-columns:repeat(3,minmax(0,1fr))}.row .about{grid-column:1/-1}}
@media print{.wide{overflow:visible}}
.wrong{color:#b42318;font-weight:600}
@media (prefers-color-scheme:dark){.wrong{color:#ff8f80}}
)";

std::string Percent(std::optional<double> value) {
  return value ? fmt::format("{:.1f}", 100 * *value) : std::string("–");
}

// "87.0 (81–92)" in percent.
std::string IntervalText(const json& metrics, const char* member) {
  if (!metrics.contains(member) || !metrics[member].is_object()) return "–";
  const json& interval = metrics[member];
  const auto value = ReportNumber(interval, "value"), low = ReportNumber(interval, "low"),
             high = ReportNumber(interval, "high");
  std::string out = Percent(value);
  if (low && high) out += fmt::format(" <small>{:.0f}–{:.0f}</small>", 100 * *low, 100 * *high);
  return out;
}

std::optional<double> ValueOf(const json& metrics, const char* member) {
  if (!metrics.contains(member) || !metrics[member].is_object()) return std::nullopt;
  return ReportNumber(metrics[member], "value");
}

std::string Fact(const std::string& name, const std::string& value) {
  if (value.empty()) return "";
  return fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", EscapeMarkup(name), EscapeMarkup(value));
}

std::string Facts(const json& report) {
  const json &model = report["model"], &data = report["data"];
  const auto count = [&](const char* member) {
    const auto value = ReportNumber(data, member);
    return value ? FormatCount(static_cast<int64_t>(*value)) : std::string();
  };
  std::string out = "<dl class=\"facts\">";
  out += Fact("Classifier", ReportText(model, "name"));
  const auto hash = [](const json& of, const char* member) {
    const std::string digits = ReportText(of, member);
    return digits.size() > 16 ? digits.substr(0, 16) + "…" : digits;
  };
  const auto algorithm = [](const json& of) {
    const std::string name = ReportText(of, "hash_algorithm");
    return name.empty() ? std::string("Hash") : name;
  };
  out += Fact(algorithm(model) + " of its file", hash(model, "hash"));
  out += Fact("SHA-256 of its file", hash(model, "sha256"));
  out += Fact("Tiles", fmt::format("{} {}", ReportText(data, "name"), ReportText(data, "split")));
  out += Fact(algorithm(data) + " of the tiles", hash(data, "hash"));
  out += Fact("Number of tiles", count("tiles"));
  out += Fact("Patients", count("patients"));
  out += Fact("Clean accuracy", Percent(ValueOf(report["clean"], "accuracy")) + "%");
  if (const auto declared = ReportNumber(model, "declared_accuracy"))
    out += Fact("Declared accuracy", Percent(declared) + "%");
  if (report.contains("worst_case")) {
    out += Fact("Accuracy, worst case",
                Percent(ValueOf(report["worst_case"]["metrics"], "accuracy")) + "%");
  }
  out += Fact("Locked threshold",
              fmt::format("{:.3f} ({})", ReportNumber(report["threshold"], "value").value_or(0.5),
                          ReportText(report["threshold"], "chosen_on")));
  out += Fact("Seed", ReportText(report["seeds"], "seed"));
  out += Fact("Made", ReportText(report, "created_at"));
  return out + "</dl>\n";
}

std::string TitleOf(const json& report, const std::string& name) {
  for (const json& item : report["items"])
    if (ReportText(item, "name") == name) return ReportText(item, "title");
  return name;
}

// "PGD, Square: no image was flipped": the same text of many items once.
std::string FlagList(const json& report) {
  std::vector<std::pair<std::string, std::string>> flags;  // text, titles
  for (const json& flag : report.value("flags", json::array())) {
    const std::string name = ReportText(flag, "item"), text = ReportText(flag, "text");
    const std::string title = name == "evaluation" ? "Evaluation" : TitleOf(report, name);
    const auto same = std::find_if(flags.begin(), flags.end(),
                                   [&](const auto& known) { return known.first == text; });
    if (same == flags.end())
      flags.emplace_back(text, title);
    else
      same->second += " · " + title;
  }
  if (flags.empty()) return "<p class=\"quiet\">No flags were raised.</p>\n";
  std::string items;
  for (const auto& [text, titles] : flags)
    items += fmt::format("<li><b>{}</b>: {}</li>\n", EscapeMarkup(titles), EscapeMarkup(text));
  return "<ul class=\"flags\">\n" + items + "</ul>\n";
}

std::string AccuracyBar(const json& metrics, bool strong) {
  const double share = ValueOf(metrics, "accuracy").value_or(0);
  return fmt::format("<td class=\"bar\"><i style=\"--share:{:.3f}\"></i><{}>{}</{}></td>", share,
                     strong ? "b" : "span", IntervalText(metrics, "accuracy"),
                     strong ? "b" : "span");
}

// A row of both tables: the item, and what was measured on it.
struct Measured {
  std::string title, budget;
  json metrics, stored, energy;
  bool strong = false;
};

std::vector<Measured> AllMeasured(const json& report) {
  std::vector<Measured> rows = {{"Clean", "", report["clean"], {}, {}, true}};
  for (const json& item : report["items"]) {
    rows.push_back({ReportText(item, "title"),
                    ReportText(item.value("threat", json::object()), "budget"), item["metrics"],
                    item.value("stored", json()), item.value("energy", json())});
  }
  if (report.contains("worst_case")) {
    rows.push_back({"Worst case of all",
                    "each tile met by what harms it most",
                    report["worst_case"]["metrics"],
                    {},
                    {},
                    true});
  }
  return rows;
}

std::string RowName(const Measured& row) {
  return fmt::format("<tr><th scope=\"row\">{0}{1}{2}</th>", row.strong ? "<b>" : "",
                     EscapeMarkup(row.title), row.strong ? "</b>" : "");
}

std::string SuccessTable(const std::vector<Measured>& rows) {
  std::string out =
      "<div class=\"wide\"><table class=\"measures\"><thead><tr><th></th><th "
      "class=\"text\">Budget</th><th>Accuracy</th><th title=\"share of correctly classified tiles "
      "that some candidate flips\">Fooling rate</th>"
      "<th title=\"fooling rate after rounding to 8 bits\">8-bit</th>"
      "<th title=\"fooling rate after JPEG of quality 90\">JPEG 90</th>"
      "<th title=\"fooling rate after JPEG of quality 75\">JPEG 75</th><th title=\"mean root mean "
      "square of the change, grey levels\">RMSE</th></tr></thead><tbody>\n";
  for (const Measured& row : rows) {
    out += RowName(row) + fmt::format("<td class=\"text\">{}</td>", EscapeMarkup(row.budget)) +
           AccuracyBar(row.metrics, row.strong) +
           fmt::format("<td>{}</td>", IntervalText(row.metrics, "fooling_rate"));
    for (const char* member : {"png", "jpeg90", "jpeg75"})
      out += fmt::format("<td>{}</td>", Percent(ReportNumber(row.stored, member)));
    const json rmse = row.energy.is_object() ? row.energy.value("rmse_grey", json()) : json();
    out += fmt::format("<td>{}</td></tr>\n", FormatNumber(ReportNumber(rmse, "mean"), 2));
  }
  return out + "</tbody></table></div>\n";
}

std::string DecisionTable(const std::vector<Measured>& rows) {
  std::string out =
      "<div class=\"wide\"><table class=\"measures\"><thead><tr><th></th><th>AUC</th>"
      "<th>Sensitivity</th><th>Specificity</th><th>ECE</th><th>Brier</th><th title=\"mean change "
      "of "
      "the true class's probability\">Change of p</th><th title=\"(accuracy - adversarial "
      "accuracy) / accuracy\">REET ratio</th></tr></thead><tbody>\n";
  for (const Measured& row : rows) {
    out += RowName(row);
    for (const char* member : {"auc", "sensitivity", "specificity"})
      out += fmt::format("<td>{}</td>", IntervalText(row.metrics, member));
    for (const char* member : {"ece", "brier"})
      out += fmt::format("<td>{}</td>", FormatNumber(ValueOf(row.metrics, member), 3));
    out += fmt::format("<td>{}</td><td>{}</td></tr>\n",
                       FormatNumber(ReportNumber(row.metrics, "input_sensitivity"), 2),
                       Percent(ReportNumber(row.metrics, "reet_ratio")));
  }
  return out + "</tbody></table></div>\n";
}

std::string IntervalNote(const json& report) {
  const bool patients = ReportText(report["data"], "clusters") == "patient";
  const json& accuracy = report["clean"].value("accuracy", json::object());
  if (!ReportNumber(accuracy, "low"))
    return patients ? "No intervals: all tiles are of one patient." : "No intervals.";
  return fmt::format("Small: 95% bootstrap interval over {}.", patients ? "patients" : "tiles");
}

// Which items the worst case is of, and which not.
std::string WorstCaseNote(const json& report) {
  if (!report.contains("worst_case"))
    return "<p class=\"quiet\">No worst case: no item has a budget.</p>\n";
  const json& worst = report["worst_case"];
  std::vector<std::string> titles;
  for (const json& name : worst.value("items", json::array()))
    if (name.is_string()) titles.push_back(TitleOf(report, name.get<std::string>()));
  std::string out = fmt::format("Worst case: each tile met by whichever harms it most of {}.",
                                fmt::join(titles, " · "));
  for (const json& left : worst.value("left_out", json::array())) {
    out += fmt::format(" Without {}: {}.", TitleOf(report, ReportText(left, "item")),
                       ReportText(left, "reason"));
  }
  return fmt::format("<p class=\"quiet\">{}</p>\n", EscapeMarkup(out));
}

std::string MeasureTables(const json& report) {
  const std::vector<Measured> rows = AllMeasured(report);
  return SuccessTable(rows) + "<p class=\"quiet\">In percent, except RMSE (grey levels of 255). " +
         IntervalNote(report) + "</p>\n" + WorstCaseNote(report) +
         "<h3>Ranking, decisions and calibration</h3>\n" + DecisionTable(rows) +
         fmt::format(
             "<p class=\"quiet\">In percent, except ECE, Brier and the change of p. Sensitivity "
             "and "
             "specificity at the locked threshold {:.3f}, chosen on: {}.</p>\n",
             ReportNumber(report["threshold"], "value").value_or(0.5),
             EscapeMarkup(ReportText(report["threshold"], "chosen_on")));
}

std::string ThreatTable(const json& report) {
  std::string out =
      "<div class=\"wide\"><table><thead><tr><th>Item</th><th>Space</th><th>Norm</th>"
      "<th>Budget</th><th>Objective</th><th>Optimiser</th><th class=\"n\">Steps</th>"
      "<th class=\"n\">Draws</th><th>Attacker knows</th><th class=\"n\">Forwards</th>"
      "<th class=\"n\">Seconds</th></tr></thead><tbody>\n";
  for (const json& item : report["items"]) {
    const json threat = item.value("threat", json::object()),
               cost = item.value("cost", json::object());
    out += fmt::format("<tr><th scope=\"row\">{}</th>", EscapeMarkup(ReportText(item, "title")));
    for (const char* member : {"space", "norm", "budget", "objective", "optimizer"})
      out += fmt::format("<td>{}</td>", EscapeMarkup(ReportText(threat, member)));
    for (const char* member : {"steps", "draws"})
      out += fmt::format("<td class=\"n\">{}</td>", EscapeMarkup(ReportText(threat, member)));
    out +=
        fmt::format("<td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
                    EscapeMarkup(ReportText(threat, "knowledge")),
                    FormatCount(static_cast<int64_t>(ReportNumber(cost, "forwards").value_or(0))),
                    FormatNumber(ReportNumber(cost, "seconds"), 1));
  }
  return out + "</tbody></table></div>\n";
}

std::string Limits(const json& report) {
  std::string out = "<ul class=\"flags\">";
  for (const json& limit : report.value("limits", json::array())) {
    if (limit.is_string())
      out += fmt::format("<li>{}</li>\n", EscapeMarkup(limit.get<std::string>()));
  }
  out += "</ul>\n<details class=\"options\"><summary>All options and seeds</summary><dl>";
  const json options = report.value("options", json::object());
  for (const auto& [key, value] : options.items()) {
    out += fmt::format("<dt>{}</dt><dd>{}</dd>", EscapeMarkup(key),
                       EscapeMarkup(ReportText(options, key.c_str())));
  }
  return out + "</dl></details>\n";
}

}  // namespace

std::string ReportText(const json& object, const char* member) {
  if (!object.is_object() || !object.contains(member) || object[member].is_null()) return "";
  const json& value = object[member];
  if (value.is_string()) return value.get<std::string>();
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::optional<double> ReportNumber(const json& object, const char* member) {
  if (!object.is_object() || !object.contains(member) || !object[member].is_number())
    return std::nullopt;
  return object[member].get<double>();
}

std::string WriteRobustnessPage(const json& report, const PictureLoader& load) {
  if (ReportText(report, "schema") != "assay.robustness")
    base::Fail(base::ErrorKind::kBadInput, "not a robustness report: 'schema' is '{}'",
               ReportText(report, "schema"));
  if (ReportNumber(report, "version").value_or(0) != 1) {
    base::Fail(base::ErrorKind::kBadInput,
               "a robustness report of version {}; this program reads 1",
               ReportText(report, "version"));
  }
  for (const char* member : {"model", "data", "clean", "items", "threshold", "seeds"}) {
    if (!report.contains(member))
      base::Fail(base::ErrorKind::kBadInput, "a robustness report without '{}'", member);
  }
  for (const json& item : report["items"]) {
    if (!item.is_object() || !item.contains("metrics"))
      base::Fail(base::ErrorKind::kBadInput, "a robustness report with an item without 'metrics'");
  }
  if (report.contains("worst_case") && !report["worst_case"].contains("metrics"))
    base::Fail(base::ErrorKind::kBadInput, "a robustness report without 'worst_case.metrics'");
  const std::string title = EscapeMarkup(ReportText(report, "title"));
  std::string out = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\"><title>{}</title>\n<style>\n{}{}</style>"
      "</head>\n<body><main>\n<div class=\"top\"><div><p class=\"quiet\">Assay {} · robustness</p>"
      "<h1>{}</h1></div></div>\n<p class=\"lead\">{}</p>\n",
      title, PageCss(), kRules, EscapeMarkup(ReportText(report, "assay")), title,
      EscapeMarkup(ReportText(report, "intended_use")));
  out += "<h2>What was tested</h2>\n" + Facts(report);
  out += "<h2>Accuracy after each attack</h2>\n" + MeasureTables(report);
  out += RobustnessCorruptions(report);
  out += "<h2>Flags</h2>\n" + FlagList(report);
  out += RobustnessCurves(report) + RobustnessEnergy(report) + RobustnessConstructs(report) +
         RobustnessSaliency(report) + RobustnessGallery(report, load);
  out += "<h2>Threat model and cost</h2>\n" + ThreatTable(report);
  out += "<h2>Limits</h2>\n" + Limits(report);
  return out + "</main></body></html>\n";
}

}  // namespace assay::view
