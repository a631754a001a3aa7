#!/usr/bin/env python3
"""Scores the segmentation of nuclei on images that its numbers were not tuned on.

scripts/tune_nuclei.py ASSAY IMAGES [PASSES]: IMAGES holds images/ and labels/. Images are halved by the order of their
names (first, third, ... against second, fourth, ...); on each half the options are chosen by coordinate search, for the sum of
F1 and AJI over all nuclei, and scored on the other half.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

CANDIDATES = {
    "blur-px": [0, 0.5, 1, 1.5],
    "local-weight": [0.25, 0.5, 0.75],
    "local-px": [20, 40, 80],
    "strictness": [0.9, 1, 1.1],
    "least-stain": [0.1, 0.15, 0.2],
    "core-radii": [1, 1.25, 1.5, 2],
    "core-strictness": [0.9, 0.95, 1, 1.05],
    "least-area": [0.08, 0.15, 0.25],
    "neck": [0.8, 0.9, 1],
}


def score(assay, folder, options):
    """(F1, AJI, Dice) over all nuclei of the folder."""
    with tempfile.TemporaryDirectory() as out:
        flags = [f"--{name}={value}" for name, value in options.items()]
        subprocess.run([assay, "robust", "nuclei", "--images", folder, "--out", out, *flags], check=True,
                       stdout=subprocess.DEVNULL)
        pooled = json.loads((pathlib.Path(out) / "nuclei.json").read_text())["pooled"]
    return pooled["f1"], pooled["aji"], pooled["dice"]


def search(assay, folder, passes):
    # From the middle of each list, not from the shipped values, which have seen every image.
    best = {name: values[len(values) // 2] for name, values in CANDIDATES.items()}
    highest = sum(score(assay, folder, best)[:2])
    for _ in range(passes):
        for name, values in CANDIDATES.items():
            for value in values:
                tried = {**best, name: value}
                if tried != best and (found := sum(score(assay, folder, tried)[:2])) > highest:
                    best, highest = tried, found
    return best


def main():
    assay, source = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    passes = int(sys.argv[3]) if len(sys.argv) > 3 else 2
    names = sorted(path.name for path in (source / "images").glob("*.png"))
    with tempfile.TemporaryDirectory() as scratch:
        halves = []
        for half in (0, 1):
            folder = pathlib.Path(scratch) / str(half)
            for kind in ("images", "labels"):
                (folder / kind).mkdir(parents=True)
                for name in names[half::2]:
                    (folder / kind / name).symlink_to(source / kind / name)
            halves.append(folder)
        row = "{:<34} F1 {:.3f}  AJI {:.3f}  Dice {:.3f}"
        print(row.format("shipped options, all images", *score(assay, source, {})))
        for half in (0, 1):
            options = search(assay, halves[half], passes)
            print("chosen on half", half + 1, options)
            print(row.format(f"  on half {half + 1}, which chose them", *score(assay, halves[half], options)))
            print(row.format(f"  on half {2 - half}, not seen", *score(assay, halves[1 - half], options)))


if __name__ == "__main__":
    main()
