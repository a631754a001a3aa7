"""Readers of the formats that training text comes in. Each takes a path and returns a list of document texts, not yet
cleaned; an empty list says that the file holds no text for people. Used by sources.py."""

import email
import gzip
import html.parser
import re
import struct
import subprocess
import zlib


def decode(data):
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def read_text(path):
    data = path.read_bytes()
    return decode(gzip.decompress(data) if path.suffix == ".gz" else data)


def unwrap(text):
    """Joins the lines of each paragraph, for prose that was wrapped to a fixed width."""
    return "\n\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", text))


def plain(path):
    return [read_text(path)]


# --- Prose ---


def r_strings(record):
    """The character vector of one serialised R object (format X: big-endian), missing values left out."""
    at, strings = record.index(b"UTF-8") + 5, []
    kind, count = struct.unpack_from(">II", record, at)
    if kind & 0xFF != 16:
        raise ValueError(f"not an R character vector: type {kind & 0xFF}")
    at += 8
    for _ in range(count):
        _, size = struct.unpack_from(">Ii", record, at)
        at += 8
        if size >= 0:
            strings.append(decode(record[at : at + size]))
            at += size
    return strings


def r_novels(path):
    """An R lazy-load database whose records are character vectors, each the lines of a book: one document a chapter."""
    data, at, chapters = path.read_bytes(), 0, []
    while at < len(data):
        unpack = zlib.decompressobj()
        record = unpack.decompress(data[at + 4 :])  # four bytes of length come first
        at = len(data) - len(unpack.unused_data)
        book = "\n".join(line.rstrip() for line in r_strings(record))
        for chapter in re.split(r"\n(?=(?:CHAPTER|Chapter) [\dIVXLC]+)", book)[1:]:
            chapters.append(unwrap(chapter.replace("_", "")))
    return chapters


def fortunes(path):
    return [part.expandtabs(4).strip("\n") for part in re.split(r"\n%\n", read_text(path))]


def jargon(path):
    """The lexicon: one document an entry, which begins with its head word between colons."""
    entries = re.split(r"\n(?=   :\S[^\n]*:)", read_text(path))[1:]
    # A head word, and the text of the next chapter after the last entry of a letter, are no entries.
    return [unwrap(entry) for entry in entries if 200 < len(entry) < 10_000]


# --- Mail ---

ADDRESS = re.compile(r"[\w.+=-]+@[\w-]+(\.[\w-]+)+")
# Mail with any of these words is left out: a demonstration model needs no such text.
UNWANTED = re.compile(r"xxx|porn|\bsex|viagra|penis|nude|teen|horny|lolita", re.I)
ENCODED_LINE = re.compile(r"^\S{60,}$")


def header(message, name):
    value = str(email.header.make_header(email.header.decode_header(message.get(name, ""))))
    return " ".join(value.split())


def mail(path):
    """Sender's name, subject and the plain-text body. HTML-only mail has none."""
    message = email.message_from_bytes(path.read_bytes())
    parts = [p for p in message.walk() if p.get_content_type() == "text/plain" and not p.is_multipart()]
    try:
        body = decode(parts[0].get_payload(decode=True))
        sender, subject = header(message, "From"), header(message, "Subject")
    except (IndexError, LookupError, UnicodeError, ValueError):
        return []  # no plain part, or an encoding that is not what it says
    if UNWANTED.search(body) or body.count("<") > 40 or sum(map(str.isascii, body)) < 0.97 * len(body):
        return []
    sender = ADDRESS.sub("", sender).strip(' "<>()') or "unknown"
    lines = [line for line in body.splitlines() if not ENCODED_LINE.match(line)]
    return [f"From: {sender}\nSubject: {ADDRESS.sub('', subject)}\n\n" + ADDRESS.sub("<address>", "\n".join(lines))]


# --- Documentation ---


def run(command):
    return decode(subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout)


REPEATED_SECTION = re.compile(r"\n(ATTRIBUTES|COLOPHON|COPYRIGHT|AUTHORS?|REPORTING BUGS)\n.*?(?=\n[A-Z]|\Z)", re.S)


def man_page(path):
    source = read_text(path)
    if source.startswith(".so "):  # another name of the same page
        return []
    page = run(["mandoc", "-T", "utf8", "-O", "indent=4,width=96", str(path)])
    page = re.sub(r".\x08", "", page)  # bold and underlined letters are struck twice
    lines = page.strip("\n").split("\n")[1:-1]  # without the running head and foot
    return [REPEATED_SECTION.sub("", "\n".join(lines))]


def pod(path):
    return [run(["pod2text", "-u", "-w", "96", str(path)])]


ROLE = re.compile(r":[a-z][a-z:+-]*:`[!~]?([^`<]*?)(?:\s*<[^`]*>)?`")
LINK = re.compile(r"`([^`<]+?)\s*<[^`>]*>`__?")
DIRECTIVE = re.compile(
    r"^[ \t]*\.\. (?:_[^\n]*:|index::|toctree::|\|[^\n]*|highlight::|module::|currentmodule::|sectionauthor::"
    r"|moduleauthor::|testsetup|testcleanup|include::|only::|XXX|\$|include)[^\n]*\n"
    r"(?:[ \t]+[^\n]*\n|[ \t]*\n(?=[ \t]+\S))*",
    re.M)


def rst(path):
    text = DIRECTIVE.sub("", read_text(path) + "\n")
    text = re.sub(r"^[ \t]*:(noindex|ref|noindexentry):.*\n", "", text, flags=re.M)
    return [LINK.sub(r"\1", ROLE.sub(r"\1", text))]


class HtmlText(html.parser.HTMLParser):
    """Text of a page: blocks on lines of their own, <pre> as it is, no navigation, scripts or styles."""

    BLOCKS = {"p", "div", "li", "tr", "dt", "dd", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "ul", "ol", "dl", "table"}
    SKIPPED = {"script", "style", "head"}
    NAVIGATION = re.compile(r"nav|header|footer|toc|contents", re.I)
    VOID = {"br", "hr", "img", "meta", "link", "input", "col", "area", "base", "wbr"}

    def __init__(self):
        super().__init__()
        self.pieces, self.open, self.skip_depth, self.pre_depth = [], [], 0, 0

    def handle_starttag(self, tag, attributes):
        if tag in self.BLOCKS or tag == "br":
            self.pieces.append("\n" if tag in ("li", "tr", "br", "dt", "dd") else "\n\n")
        if tag in self.VOID:
            return
        names = " ".join(value or "" for name, value in attributes if name in ("class", "role"))
        skipped = tag in self.SKIPPED or (tag in ("div", "table", "nav", "ul") and bool(self.NAVIGATION.search(names)))
        self.open.append((tag, skipped))
        self.skip_depth += skipped
        self.pre_depth += tag == "pre"

    def handle_endtag(self, tag):
        if tag not in (name for name, _ in self.open):
            return
        while self.open:  # a tag left open ends with the one around it
            name, skipped = self.open.pop()
            self.skip_depth -= skipped
            self.pre_depth -= name == "pre"
            if name == tag:
                break
        if tag in self.BLOCKS:
            self.pieces.append("\n\n" if tag in ("p", "pre") or tag[0] == "h" else "\n")

    def handle_data(self, data):
        if self.skip_depth == 0:
            self.pieces.append(data if self.pre_depth else re.sub(r"\s+", " ", data))


def html_page(path):
    page = HtmlText()
    page.feed(read_text(path))
    text = "".join(page.pieces)
    return ["\n".join(line.rstrip() for line in text.split("\n") if not re.match(r"\s*(Next|Prev(ious)?|Up):", line))]


# --- Code ---

LICENCE = re.compile(r"copyright|licen[cs]e|warranty|SPDX|\(c\) ?(19|20)\d\d", re.I)
LEADING_COMMENT = re.compile(
    r"\A(?:\s*(?:/\*.*?\*/|(?://[^\n]*\n)+|(?:#(?!!|include|if|define|pragma)[^\n]*\n)+))", re.S)


def code(path):
    """One file, without the licence at its head."""
    if not path.is_file() or path.is_symlink():
        return []
    text = read_text(path)
    for _ in range(6):
        first = LEADING_COMMENT.match(text)
        if not first or not LICENCE.search(first.group()):
            break
        text = text[first.end() :]
    return [text] if len(text) > 300 else []


def perl_code(path):
    texts = code(path)
    return [re.sub(r"^=[a-z]\w*\b.*?^=cut[^\n]*\n", "", t.split("\n__END__\n")[0], flags=re.S | re.M) for t in texts]
