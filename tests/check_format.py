"""Checks that clang-format would change no source file. Usage: check_format.py SOURCE_DIR

Exits with 77 (skipped) where clang-format is absent or of another version: versions differ in what they do.
"""

import pathlib
import re
import shutil
import subprocess
import sys

VERSION = "14"  # Debian 12's


def main(root):
    program = shutil.which(f"clang-format-{VERSION}") or shutil.which("clang-format")
    if program is None:
        print("skipped: clang-format is not installed (scripts/setup.sh lint)")
        return 77
    found = re.search(r"version (\d+)", subprocess.check_output([program, "--version"], text=True))
    if found is None or found[1] != VERSION:
        print(f"skipped: {program} is not version {VERSION}")
        return 77
    files = sorted(
        str(path)
        for folder in ("src", "tests", "bench", "fuzz", "examples")
        for path in (root / folder).rglob("*")
        if path.suffix in (".h", ".cc")
    )
    checked = subprocess.run([program, "--dry-run", *files], capture_output=True, text=True, check=True)
    unformatted = sorted(set(re.findall(r"^(.+?):\d+:\d+: warning", checked.stderr, re.M)))
    if unformatted:
        print("not formatted; run `make format`:", *unformatted, sep="\n  ")
        return 1
    print(f"{len(files)} files are formatted")
    return 0


sys.exit(main(pathlib.Path(sys.argv[1])))
