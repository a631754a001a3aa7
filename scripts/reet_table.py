"""The table of reet_table.sh from its runs. Usage: reet_table.py OUT

A cell is the mean over the seeds in % and (smallest-largest); accuracy and the mean over all transforms also have the half
width of the 95% interval over seeds (Student's t). The line "patients" is the mean over the seeds of the 95% interval of one
classifier when test patients are drawn again. s/epoch is wall time, as the machine was.
"""
import json
import math
import pathlib
import sys

METHODS = [("standard", "none"), ("random", "random"), ("adversarial", "adversarial")]
T975 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}


def mean(values):
    return sum(values) / len(values)


def half_width(values):
    n = len(values)
    if n < 2:
        return float("nan")
    variance = sum((v - mean(values)) ** 2 for v in values) / (n - 1)
    return T975.get(n, 1.96) * math.sqrt(variance / n)


def cell(values, interval=False):
    around = f" ± {100 * half_width(values):.1f}" if interval and len(values) > 1 else ""
    return f"{100 * mean(values):.1f}{around} ({100 * min(values):.0f}-{100 * max(values):.0f})"


def read(out, method):
    runs = []
    for folder in sorted(out.glob(f"{method}-*")):
        report = folder / "evaluation" / "report.json"
        if report.exists():
            runs.append((folder.name.rsplit("-", 1)[1], json.loads(report.read_text()),
                         json.loads((folder / "history.json").read_text())))
    return runs


def rates(report):
    return {item["title"]: item["metrics"]["fooling_rate"]["value"] for item in report["items"]}


def main():
    out = pathlib.Path(sys.argv[1])
    rows = {label: read(out, method) for method, label in METHODS}
    rows = {label: runs for label, runs in rows.items() if runs}
    first = next(iter(rows.values()))[0][1]
    titles = list(rates(first))
    print(f"{first['data']['tiles']} test tiles of {first['data']['patients']} patients; "
          f"epochs {', '.join(str(len(runs[0][2]['history'])) for runs in rows.values())}")
    print("| training augmentation | seeds | accuracy | " + " | ".join(t.lower() for t in titles) +
          " | all | s/epoch |")
    print("|---" * (len(titles) + 5) + "|")
    means = {}
    for label, runs in rows.items():
        reports = [report for _, report, _ in runs]
        means[label] = {seed: mean(list(rates(report).values())) for seed, report, _ in runs}
        seconds = [point["seconds"] for _, _, history in runs for point in history["history"]]
        columns = [cell([r["clean"]["accuracy"]["value"] for r in reports], True)]
        columns += [cell([rates(r)[title] for r in reports]) for title in titles]
        columns.append(cell(list(means[label].values()), True))
        print(f"| {label} | {len(runs)} | " + " | ".join(columns) + f" | {mean(seconds):.0f} |")
        intervals = [[(i["metrics"]["fooling_rate"]["low"], i["metrics"]["fooling_rate"]["high"])
                      for i in r["items"]] for r in reports]
        clean = [(r["clean"]["accuracy"]["low"], r["clean"]["accuracy"]["high"]) for r in reports]
        spans = [clean] + [[run[t] for run in intervals] for t in range(len(titles))]
        print("| patients | | " +
              " | ".join("-" if any(v is None for pair in s for v in pair) else
                         f"{100 * mean([a for a, _ in s]):.0f}-{100 * mean([b for _, b in s]):.0f}"
                         for s in spans) + " | | |")
    if "adversarial" not in means:
        return
    for other in means:
        shared = sorted(set(means[other]) & set(means["adversarial"]))
        if other == "adversarial" or not shared:
            continue
        ratios = [means["adversarial"][s] / means[other][s] for s in shared]
        accuracy = {label: {seed: report["clean"]["accuracy"]["value"] for seed, report, _ in runs}
                    for label, runs in rows.items()}
        gains = [100 * (accuracy["adversarial"][s] - accuracy[other][s]) for s in shared]
        print(f"adversarial against {other}: mean fooling rate {mean(ratios):.2f} times "
              f"({', '.join(f'{r:.2f}' for r in ratios)} by seed), clean accuracy {mean(gains):+.1f} "
              f"({', '.join(f'{g:+.1f}' for g in gains)})")


main()
