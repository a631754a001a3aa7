"""Checks that the folders of src/ include each other only along the arrows of the design.

The arrows are read from CMakeLists.txt (assay_module(NAME DEPS assay::x ...)); a folder may also include what it
reaches downward. app may include everything. Usage: check_includes.py SOURCE_DIR
"""

import pathlib
import re
import sys


def main(root):
    text = (root / "CMakeLists.txt").read_text()
    arrows = {}
    for name, rest in re.findall(r"assay_module\((\w+)(?: TORCH)? DEPS ([^)]*)\)", text):
        arrows[name] = set(re.findall(r"assay::(\w+)", rest)) - {"torch"}

    def reach(name):
        seen, todo = {name}, [name]
        while todo:
            for below in arrows.get(todo.pop(), ()):
                if below not in seen:
                    seen.add(below)
                    todo.append(below)
        return seen

    torch_free = {"base", "tokenizer", "data", "store", "view", "serve"}
    bad = []
    for path in sorted((root / "src").glob("*/*")):
        if path.suffix not in (".h", ".cc"):
            continue
        folder = path.parent.name
        allowed = reach(folder) if folder != "app" else set(arrows) | {"app"}
        if folder not in arrows and folder != "app":
            bad.append(f"{path}: folder '{folder}' has no assay_module line in CMakeLists.txt")
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            included = re.match(r'\s*#include "(\w+)/', line)
            if included and included[1] not in allowed:
                bad.append(f"{path}:{number}: {folder} may not include {included[1]}")
            if folder in torch_free and re.match(r"\s*#include <(ATen|torch|c10)/", line):
                bad.append(f"{path}:{number}: {folder} must stay free of libtorch")
    print("\n".join(bad) or "include arrows hold")
    return 1 if bad else 0


sys.exit(main(pathlib.Path(sys.argv[1])))
