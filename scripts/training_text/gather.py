"""Cleans, de-duplicates and splits the training text. Called by scripts/training_text.sh; standard library only.

The result depends on the packages' content alone: documents are ordered by hashes, never by time or disk order.
"""

import argparse
import collections
import hashlib
import json
import pathlib
import re
import sys
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from sources import NPM, SOURCES  # noqa: E402

HELD_OUT_PERCENT = 3
MAX_DOCUMENT_CHARS = 24_000  # longer ones are cut at a paragraph or sentence: no manual is the whole held-out part
MIN_DOCUMENT_CHARS = 40
GROUPS = ("prose", "mail", "docs", "code")


def stable_hash(text):
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def clean(text):
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u00a0", " ").replace("\ufeff", "")
    text = re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffd]", "", text)
    text = re.sub(r"([-=*_~#+.^/])\1{7,}", lambda run: run.group(1) * 8, text)  # rules and underlines
    lines = [line.rstrip() for line in text.split("\n") if len(line) < 500 or line.count(" ") > len(line) / 20]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def is_readable(text):
    """Whether letters and spaces outweigh digits and punctuation, as they do not in tables and encoded data."""
    words = sum(c.isalpha() or c.isspace() for c in text)
    return len(text) >= MIN_DOCUMENT_CHARS and words > 0.7 * len(text) and len(set(text)) > 12


def split_long(text):
    """The text in parts of at most about MAX_DOCUMENT_CHARS, as equal as the places to cut allow."""
    count = -(-len(text) // MAX_DOCUMENT_CHARS)
    # Speeches may be one paragraph: they are cut after sentences.
    boundary = r"(?<=\n\n)" if text.count("\n\n") >= 4 * count else r"(?<=[.!?] )"
    parts = [""]
    for piece in re.split(boundary, text):
        if parts[-1] and len(parts[-1]) + len(piece) > len(text) / count + 2_000:
            parts.append("")
        parts[-1] += piece
    return [part.strip("\n ") for part in parts]


class Repeats:
    """What was already taken: paragraphs (licences, list footers), lines of mail, and near-duplicate documents."""

    MAX_USES = 2  # of one long paragraph or line over all documents

    def __init__(self):
        self.uses = collections.Counter()
        self.shingles = set()

    def without_boilerplate(self, text, group):
        separator, least = ("\n", 22) if group == "mail" else ("\n\n", 80)
        kept = []
        for part in text.split(separator):
            key = stable_hash(re.sub(r"\W+", " ", part))
            if len(part) >= least and not part.startswith(("From: ", "Subject: ")):
                self.uses[key] += 1
            if self.uses[key] <= self.MAX_USES:
                kept.append(part)
        return separator.join(kept).strip("\n")

    def seen(self, text):
        """Whether at least half of the text's eight-word runs were taken before; takes them if not."""
        words = re.findall(r"\w+", text.lower())
        runs = {zlib.crc32(" ".join(words[i : i + 8]).encode()) for i in range(max(1, len(words) - 7))}
        sample = {run for run in runs if run % 8 == 0} if len(runs) > 100 else runs
        if 2 * len(sample & self.shingles) >= len(sample):
            return True
        self.shingles |= sample
        return False


def package_folder(root, package):
    return root / ("npm" if package in NPM else "debian") / package


def documents(source, root):
    """(name, text) of every document of the source, in the order in which the cap takes them."""
    folder = package_folder(root, source.package)
    paths = {path for pattern in source.patterns for path in folder.glob(pattern) if path.is_file()}
    names = {str(path.relative_to(folder)): path for path in paths}
    names = {name: path for name, path in names.items() if not (source.skip and re.search(source.skip, name))}
    if not names:
        sys.exit(f"error: package {source.package} has no file like {source.patterns}")
    order = sorted(names, key=stable_hash)
    if source.many_per_file:
        every = [(f"{name}#{i}", text) for name in order for i, text in enumerate(source.read(names[name]))]
        yield from sorted(every, key=lambda document: stable_hash(document[0]))
        return
    for name in order:
        for i, text in enumerate(source.read(names[name])):
            yield f"{name}#{i}", text


def take(source, root, repeats):
    """The cleaned documents of one source, up to its cap."""
    taken, size = [], 0
    for _, raw in documents(source, root):
        if size >= source.max_bytes:
            break
        for text in split_long(clean(raw)):
            text = repeats.without_boilerplate(text, source.group)
            if is_readable(text) and size < source.max_bytes and not repeats.seen(text):
                taken.append(text)
                size += len(text.encode())
    return taken


def split(texts):
    """Documents in the order of their hash; the first that make up the percentage in bytes are held out."""
    ordered = sorted(texts, key=stable_hash)
    wanted = HELD_OUT_PERCENT / 100 * sum(len(text.encode()) for text in texts)
    held_out, size = [], 0
    while ordered and size < wanted:
        size += len(ordered[0].encode())
        held_out.append(ordered.pop(0))
    return {"train": ordered, "held_out": held_out}


def write(out, texts_by_group):
    sizes = {}
    parts_by_group = {group: split(texts_by_group[group]) for group in GROUPS}
    for part in ("train", "held_out"):
        (out / part).mkdir(parents=True, exist_ok=True)
        for group in GROUPS:
            texts = parts_by_group[group][part]
            lines = [json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts]
            (out / part / f"{group}.jsonl").write_text("".join(lines), encoding="utf-8")
            sizes[f"{part}/{group}"] = {"documents": len(texts), "bytes": sum(len(t.encode()) for t in texts)}
    return sizes


def gather(root, out):
    repeats, texts_by_group, used = Repeats(), collections.defaultdict(list), []
    for source in SOURCES:
        texts = take(source, root, repeats)
        texts_by_group[source.group] += texts
        version = (package_folder(root, source.package) / "VERSION").read_text().strip()
        size = sum(len(text.encode()) for text in texts)
        used.append({"group": source.group, "package": NPM.get(source.package, source.package).rsplit("@", 1)[0],
                     "from": "npm" if source.package in NPM else "Debian", "version": version,
                     "licence": source.licence, "documents": len(texts), "bytes": size})
        print(f"{source.group:6} {source.package:24} {len(texts):6} documents {size / 1e6:6.2f} MB", flush=True)
    sizes = write(out, texts_by_group)
    report = {"held_out_percent": HELD_OUT_PERCENT, "files": sizes, "sources": used}
    (out / "SOURCES.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, size in sizes.items():
        print(f"{name:16} {size['documents']:6} documents {size['bytes'] / 1e6:6.2f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", choices=("debian", "npm"), help="print the packages to fetch and stop")
    parser.add_argument("--from", dest="root", type=pathlib.Path, help="folder with debian/NAME and npm/NAME")
    parser.add_argument("--out", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.list == "npm":
        print("\n".join(NPM.values()))
    elif arguments.list == "debian":
        print("\n".join(dict.fromkeys(s.package for s in SOURCES if s.package not in NPM)))
    elif arguments.root and arguments.out:
        gather(arguments.root, arguments.out)
    else:
        parser.error("--from and --out are needed")


if __name__ == "__main__":
    main()
