"""Tiles as `assay robust` meets them: generated ones with damage among them, corruptions, whole slides. What is left out must
be counted by every command, and what cannot be done must be said.
Usage: robust_tiles_test.py SOURCE_DIR ASSAY SHARED_FOLDER"""
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile

assay, shared = map(pathlib.Path, sys.argv[2:4])
os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
problems = []


def run(*words, fails=False):
    done = subprocess.run([assay, "robust", *map(str, words)], capture_output=True, text=True, cwd=folder)
    if (done.returncode != 0) != fails or done.returncode < 0:
        problems.append(f"robust {' '.join(map(str, words))}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stderr if fails else done.stdout


def expect(what, true):
    if not true:
        problems.append(what)


def expect_in(part, text):
    expect(f"'{part}' is not in: {text}", part in text)


def read(file):
    return json.loads((folder / file).read_text())


def rows(file):
    with open(folder / file, newline="") as text:
        return list(csv.DictReader(text))


def make_tiles():
    run("synthesize", "--out", "tiles", "--tiles", 24, "--patients", 6, "--seed", 3)
    labels = {row["label"] for row in rows("tiles/manifest.csv")}
    expect(f"labels {labels}", labels == {"few_atypical", "many_atypical"})
    for name in ("00001", "00007"):
        file = folder / "tiles/tiles" / f"{name}.png"
        file.write_bytes(file.read_bytes()[:500])


def check_counts():
    """24 tiles, two of them cut off: every command says so."""
    line = "problems: left out 2, converted 0 (truncated 2)"
    expect_in(line, run("check", "--tiles", "tiles", "--json", "check.json", "--csv", "check.csv"))
    expect("22 rows", len(rows("check.csv")) == 22 and rows("check.csv")[0]["label"].endswith("_atypical"))
    expect_in(line, run("attack", "--tiles", "tiles", "--attack", "fgsm", "--json", "attack.json"))
    expect_in(line, run("study", "make", "--tiles", "tiles", "--out", "study", "--trials", 1, "--levels", "4,16"))
    expect_in("training tiles, " + line,
              run("universal", "--train-tiles", "tiles", "--train-split", "train", "--test-tiles", "tiles", "--test-split",
                  "test", "--budgets", "4/255", "--epochs", 1, "--json", "universal.json"))
    for counts in (read("check.json"), read("attack.json"), read("study.key.json"), read("universal.json")["training_tiles"]):
        expect(f"counts {counts.get('left_out')}", counts["left_out"] == 2 and counts["problems"] == {"truncated": 2})
    run("synthesize", "--out", "small", "--tiles", 4, "--size-px", 64, "--seed", 5)
    expect_in("no labelled tile is usable", run("attack", "--tiles", "small", "--attack", "fgsm", fails=True))
    expect_in("(wrong size 4)", run("attack", "--tiles", "small", "--attack", "fgsm", "--other-size", "resize"))
    run("attack", "--tiles", "tiles", "--transform", "jpeg", "--attack", "search", "--steps", 1, "--draws", 1, "--compat",
        "reet", "--limit", 2)
    (folder / "empty/benign").mkdir(parents=True)
    expect_in("class folders hold no images", run("check", "--tiles", "empty", fails=True))


def check_corruptions():
    listed = run("apply", "--list")
    expect_in("haematoxylin_weak", listed)
    few = ("--attacks", "none", "--transforms", "none", "--masks", "none", "--resamples", 10)
    table = run("evaluate", "--tiles", "tiles", "--out", "run", *few, "--corruptions", "darker,noise")
    expect_in("accuracy by severity", table)
    report = read("run/report.json")
    expect("two corruptions", [row["name"] for row in report["corruptions"]] == ["darker", "noise"])
    for row in report["corruptions"]:
        expect(f"{row}", len(row["accuracy"]) == 5 and abs(sum(row["accuracy"]) / 5 - row["mean_accuracy"]) < 1e-9)
    expect_in("Accuracy on corrupted tiles", (folder / "run/report.html").read_text())
    for nothing in (("--corruptions", "none"), ("--compat", "reet")):
        expect_in("nothing to evaluate", run("evaluate", "--tiles", "tiles", "--out", "none", *few, *nothing, fails=True))


def check_slide(slide):
    words = run("check", "--tiles", slide, "--csv", "slide.csv", "--json", "slide.json")
    expect_in("the tiles of a slide, where it has tissue, have no labels", words)
    found, summary = rows("slide.csv"), read("slide.json")
    expect("one row a tile", len(found) == summary["tiles"] > 20)
    for row in summary["by_class"]:
        same = [tile for tile in found if tile["answer"] == row["class"]]
        expect(f"{row}", len(same) == row["predicted"])
        mean = sum(float(tile["probability " + row["class"]]) for tile in found) / len(found)
        expect(f"mean {mean}, {row}", abs(mean - row["mean_probability"]) < 1e-5)
    run("tiles", slide, "--out", "cut", "--size", 96, "--mpp", 0.5)
    made = rows("cut/manifest.csv")
    expect("no label", "label" not in made[0] and made[0]["slide"] == "CMU-1-Small-Region")
    # The tiles of the folder are those of the slide.
    run("check", "--tiles", "cut", "--csv", "cut.csv")
    expect("the same answers", [row["probability many_atypical"] for row in rows("cut.csv")] ==
           [row["probability many_atypical"] for row in found])
    expect("the same places", [(row["x"], row["y"]) for row in made] == [(row["x"], row["y"]) for row in found])
    run("tiles", slide, "--out", "named", "--size", 96, "--limit", 3, "--label", "few_atypical")
    expect_in("few_atypical       3", run("check", "--tiles", "named"))
    for command in (("attack", "--attack", "fgsm"), ("evaluate", "--out", "no"), ("study", "make", "--out", "no"),
                    ("train", "--out", "no"), ("check", "--require-declared")):
        expect_in("label", run(*command, "--tiles", slide, fails=True))
    expect_in("enlarged", run("check", "--tiles", slide, "--mpp", 0.1, fails=True))


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    small_region = (shared / "data/wsi/CMU-1-Small-Region.svs").resolve()
    if not small_region.exists():
        print("no slide here: not checked")
    try:
        make_tiles()
        check_counts()
        check_corruptions()
        if small_region.exists():
            check_slide(small_region)
    except (OSError, LookupError, json.JSONDecodeError) as error:  # what a command did not write
        problems.append(f"{type(error).__name__}: {error}")
if problems:
    print(f"{len(problems)} problems", *problems[:20], sep="\n")
    sys.exit(1)
print("tiles are counted, corrupted and cut")
