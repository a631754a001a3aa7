"""Writes a demo text from what the build's own packages put on the machine: documentation and licences.

One {"text": ...} a line, a document each. No file is downloaded. Usage: demo_text.py OUT.jsonl
"""

import json
import pathlib
import sys

# Prose that is on every Debian system with a C++ compiler and Python, most readable first.
PLACES = [
    ("/usr/share/common-licenses", "*"),
    ("/usr/share/perl", "**/*.pod"),
    ("/usr/lib/python3", "**/*.py"),
    ("/usr/lib/python3.11", "*.py"),
    ("/usr/include", "*.h"),
    ("/usr/share/doc", "*/copyright"),
]
LIMIT = 2_500_000  # characters; more than the demo reads
PER_PLACE = 700_000


def documents(folder, pattern):
    taken = 0
    seen = set()
    for path in sorted(pathlib.Path(folder).glob(pattern)):
        if not path.is_file() or path.is_symlink():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, OSError):
            continue
        if len(text) < 400 or hash(text) in seen:
            continue
        seen.add(hash(text))
        text = text[:20_000]
        taken += len(text)
        yield text
        if taken > PER_PLACE:
            return


def main(out):
    total = 0
    # In turns from every place, so that the beginning of the file is a mix already.
    sources = [documents(folder, pattern) for folder, pattern in PLACES]
    with open(out, "w", encoding="utf-8") as file:
        while sources and total < LIMIT:
            for source in list(sources):
                text = next(source, None)
                if text is None:
                    sources.remove(source)
                    continue
                file.write(json.dumps({"text": text}) + "\n")
                total += len(text)
    if total < 500_000:
        sys.exit(f"only {total} characters of text found on this machine; expected more than 500,000")


main(sys.argv[1])
