"""Members whose names lead astray, collide, or are merely odd."""

from __future__ import annotations

from tests.corpus.cases import MODULE, Case, Content, Wheel

TRAVERSAL = "APPNOTE.TXT 4.4.17: no drive, no leading slash; CWE-22"
PIP_PREFIX = "CVE-2026-1703 (pip): a sibling whose name begins like the target's"
ZIPFILE = "zipfile cuts names at a NUL byte"
UNPACKED = "binary distribution format: every member is a file below its scheme"


def _wheel(files: dict[str, Content], **values: object) -> Wheel:
    return Wheel({**MODULE, **files}, **values)  # type: ignore[arg-type]


NO_PATH = "no path inside a wheel"
_REFUSED = (
    Case("climbs out of site-packages", TRAVERSAL, _wheel({"../evil.py": ""}), NO_PATH),
    Case("climbs to the prefix", TRAVERSAL, _wheel({"../../../evil.txt": ""}), NO_PATH),
    Case("climbs out of the prefix", TRAVERSAL, _wheel({"../../../../outside/evil": ""}), NO_PATH),
    Case("climbs from inside", TRAVERSAL, _wheel({"a/../../evil.py": ""}), NO_PATH),
    Case(
        "climbs to a sibling whose name begins like the prefix's",
        PIP_PREFIX,
        _wheel({"../../../../prefix-evil/x": ""}),
        NO_PATH,
    ),
    Case(
        "climbs to a sibling whose name begins like site-packages'",
        PIP_PREFIX,
        _wheel({"../site-packages-evil/x.py": ""}),
        NO_PATH,
    ),
    Case(
        "climbs and comes back",
        TRAVERSAL,
        _wheel({"../site-packages/evil.py": ""}),
        NO_PATH,
        choice=True,
    ),
    Case("absolute path", TRAVERSAL, _wheel({"{around}/outside/evil.py": ""}), NO_PATH),
    Case(
        "absolute path to a file that is there",
        TRAVERSAL,
        _wheel({"{around}/outside/kept.txt": "evil"}),
        NO_PATH,
    ),
    Case("two leading slashes", TRAVERSAL, _wheel({"/{around}/outside/evil": ""}), NO_PATH),
    Case(
        "drive letter and backslashes", TRAVERSAL, _wheel({"C:\\evil.py": ""}), NO_PATH, choice=True
    ),
    Case(
        "backslashes that climb",
        TRAVERSAL,
        _wheel({"a\\..\\..\\evil.py": ""}),
        NO_PATH,
        choice=True,
    ),
    Case("backslash in a name", TRAVERSAL, _wheel({"a\\b.py": ""}), NO_PATH, choice=True),
    Case("empty component", UNPACKED, _wheel({"a//b.py": ""}), NO_PATH, choice=True),
    Case("dot component", UNPACKED, _wheel({"./a.py": ""}), NO_PATH, choice=True),
    Case("NUL byte in a name", ZIPFILE, _wheel({"a.py\0.txt": ""}), NO_PATH),
    Case("NUL byte that hides the rest", ZIPFILE, _wheel({"x/../..\0/y": ""}), NO_PATH),
    Case(
        "newline in a name", "RECORD: CSV by lines", _wheel({"a\nb.py": ""}), NO_PATH, choice=True
    ),
    Case("escape sequence in a name", "CWE-150", _wheel({"\x1b[2J.py": ""}), NO_PATH, choice=True),
    Case("empty name", UNPACKED, _wheel({"": "x"}), NO_PATH),
    Case("name of 256 bytes", "NAME_MAX", _wheel({"n" * 253 + ".py": ""}), "name is too long"),
    Case(
        "name of 129 characters in 258 bytes",
        "NAME_MAX counts bytes",
        _wheel({"ü" * 129: ""}),
        "name is too long",
    ),
    Case(
        "path of 4,500 bytes",
        "PATH_MAX",
        _wheel({"/".join(["d" * 90] * 50) + "/m.py": ""}),
        "name is too long|path is too long",
    ),
    Case("file and directory, file first", UNPACKED, _wheel({"a": "1", "a/b.py": ""}), "both a"),
    Case("file and directory, file last", UNPACKED, _wheel({"a/b.py": "", "a": "1"}), "both a"),
    Case("file and empty directory", UNPACKED, _wheel({"a/": "", "a": "1"}), "both a"),
    Case(
        "a file below a link to a directory outside",
        "CWE-59; links in wheels are not specified (PEP 778)",
        Wheel(
            {**MODULE, "way": "{around}/outside", "way/evil.py": ""},
            modes={"way": 0o120777},
        ),
        "both a file and a directory",
    ),
    Case(
        "sagepip's own directory",
        "sagepip",
        _wheel({".sagepip/journal": "x"}),
        "sagepip's own",
        choice=True,
    ),
    Case(
        "a package that is a user's link",
        "CWE-59: nothing is written through a link",
        _wheel({"linked/evil.py": ""}),
        "outside the target|through a link",
    ),
    Case(
        "over a user's dangling link",
        "CWE-59",
        _wheel({"dangling.py": "evil"}),
        "dangling.py",
    ),
    Case(
        "over a user's file", "nobody's files are not replaced", _wheel({"users.py": "e"}), "users"
    ),
    Case("over a user's hard link", "CWE-62", _wheel({"hard.py": "evil"}), "hard.py"),
    Case(
        "over a module of another distribution",
        "pip #4625: files of others are overwritten",
        _wheel({"neighbour/__init__.py": "evil"}),
        "neighbour",
    ),
    Case(
        "over the metadata of another distribution",
        "binary distribution format: one .dist-info",
        _wheel({"neighbour-1.dist-info/METADATA": "Name: evil"}),
        r"2 \.dist-info directories",
    ),
    Case(
        "a file where another has a directory",
        "nothing of others is replaced",
        _wheel({"neighbour": "a file"}),
        "neighbour",
    ),
)

_INSTALLED = (
    Case("names that differ in case", UNPACKED, _wheel({"Odd.py": "1", "odd.py": "2"})),
    Case("directories that differ in case", UNPACKED, _wheel({"Od/a.py": "1", "od/a.py": "2"})),
    Case(
        "names that differ in Unicode normal form",
        UNPACKED,
        _wheel({"u\u0308.txt": "1", "\u00fc.txt": "2"}),
    ),
    Case("device names of Windows", UNPACKED, _wheel({"con.py": "1", "aux/nul.py": "2"})),
    Case("trailing dots and blanks", UNPACKED, _wheel({"odd./a ": "1", "b...": "2"})),
    Case("leading dots, dashes and tildes", UNPACKED, _wheel({".a": "", "-rf": "", "~b/c": ""})),
    Case("colon, quotes, comma and asterisk", UNPACKED, _wheel({"a:b,\"c'*?": "1"})),
    Case("line separator of Unicode in a name", "RECORD: CSV", _wheel({"a\u2028b.txt": "1"})),
    Case("right-to-left override in a name", UNPACKED, _wheel({"a\u202eb.txt": "1"})),
    Case("name of 255 bytes", "NAME_MAX", _wheel({"n" * 255: "1"})),
    Case(
        "a link, which is a file with a path in it",
        "links in wheels are not specified (PEP 778)",
        Wheel({**MODULE, "way": "{around}/outside/kept.txt"}, modes={"way": 0o120777}),
    ),
    Case(
        "modes of devices and pipes",
        "binary distribution format: only the executable bit counts",
        Wheel({**MODULE, "pipe": "1", "disk": "2"}, modes={"pipe": 0o010644, "disk": 0o060644}),
    ),
    Case(
        "directory entries", "installer #72: zip writes them", _wheel({"pkg/": "", "pkg/a.py": ""})
    ),
)

CASES = _REFUSED + _INSTALLED
