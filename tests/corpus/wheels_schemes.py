"""``.data`` directories, and what is no module: ``.pth`` files, bytecode."""

from __future__ import annotations

from tests.corpus.cases import GOOD_WHEEL, MODULE, Case, Content, Wheel

DATA = "binary distribution format: the .data directory"
REACH = "CWE-22 by way of .data"
SITE = "{data}/data/lib/python{xy}/site-packages"
PIP_8656 = "pip #8656: what is in .data but in no scheme"


def _wheel(files: dict[str, Content]) -> Wheel:
    return Wheel({**MODULE, **files})


_REFUSED = (
    Case("unknown scheme", DATA, _wheel({"{data}/unknown/x": ""}), "unknown"),
    Case("scheme in capitals", DATA, _wheel({"{data}/PURELIB/x": ""}), "PURELIB"),
    Case("a file in .data itself", PIP_8656, _wheel({"{data}/x": ""}), "bad-1.data/x"),
    Case("a file instead of a scheme", PIP_8656, _wheel({"{data}/purelib": ""}), "data/purelib"),
    Case("a file instead of .data", PIP_8656, _wheel({"{data}": ""}), "bad-1.data"),
    Case(
        "the data of another distribution",
        DATA,
        _wheel({"other-2.data/scripts/x": ""}),
        "data of another distribution",
        choice=True,
    ),
    Case("climbs out of a scheme", REACH, _wheel({"{data}/scripts/../../evil": ""}), "no path"),
    Case(
        "climbs out of the prefix by data",
        REACH,
        _wheel({"{data}/data/../outside/evil": ""}),
        "no path",
    ),
    Case(
        "absolute path by data", REACH, _wheel({"{data}/data/{around}/outside/evil": ""}), "no path"
    ),
    Case(
        "metadata of another by purelib",
        "pip #7494 names it as a way around",
        _wheel({"{data}/purelib/other-2.dist-info/METADATA": ""}),
        "metadata of another",
    ),
    Case(
        "metadata of another by platlib, in capitals",
        "importlib.metadata finds it",
        _wheel({"{data}/platlib/OTHER-2.DIST-INFO/METADATA": ""}),
        "metadata of another",
    ),
    Case(
        "metadata of another by data",
        REACH,
        _wheel({f"{SITE}/other-2.dist-info/METADATA": ""}),
        "metadata of another",
    ),
    Case(
        "metadata of another by data, in capitals",
        "importlib.metadata finds it",
        _wheel({f"{SITE}/OTHER-2.DIST-INFO/METADATA": ""}),
        "metadata of another",
    ),
    Case(
        "metadata of a neighbour by data",
        REACH,
        _wheel({f"{SITE}/neighbour-1.dist-info/RECORD": ""}),
        "metadata of another",
    ),
    Case(
        "its own metadata by purelib",
        REACH,
        _wheel({"{data}/purelib/{info}/METADATA": "Name: evil"}),
        "metadata of another|twice",
    ),
    Case(
        "its own RECORD by data",
        REACH,
        _wheel({f"{SITE}/{{info}}/RECORD": ""}),
        "twice|metadata",
    ),
    Case(
        "over python by scripts", REACH, _wheel({"{data}/scripts/python3": "#!python\n"}), "interp"
    ),
    Case("over python by data", REACH, _wheel({"{data}/data/bin/python3": ""}), "interpreter"),
    Case("a new python", REACH, _wheel({"{data}/scripts/python3.99": ""}), "interpreter"),
    Case(
        "a python without the global lock",
        REACH,
        _wheel({"{data}/scripts/python3.14t": ""}),
        "interp",
    ),
    Case("over pyvenv.cfg", REACH, _wheel({"{data}/data/pyvenv.cfg": ""}), "configures"),
    Case(
        "over a file of another distribution by data",
        REACH,
        _wheel({"{data}/data/share/neighbour.txt": "evil"}),
        "neighbour",
    ),
    Case(
        "over a script of another distribution",
        "pip #1800",
        _wheel({"{data}/scripts/neighbour": "evil"}),
        "neighbour",
    ),
    Case(
        "through a user's link by data",
        REACH,
        _wheel({f"{SITE}/linked/evil.py": ""}),
        "outside the target",
    ),
    Case(
        "one place from two parts",
        DATA,
        _wheel({"a.py": "1", "{data}/purelib/a.py": "2"}),
        "twice",
    ),
    Case(
        "sagepip's own directory by data",
        "sagepip",
        _wheel({f"{SITE}/.sagepip/lock": ""}),
        "own",
        choice=True,
    ),
)

_INSTALLED = (
    Case(
        "every scheme",
        DATA,
        _wheel(
            {
                "{data}/purelib/a.py": "1",
                "{data}/platlib/b.py": "2",
                "{data}/scripts/c": "#!/bin/sh\n",
                "{data}/headers/d.h": "4",
                "{data}/headers/e/f.h": "5",
                "{data}/data/share/g/h.txt": "6",
                "{data}/data/etc/i.cfg": "7",
            }
        ),
    ),
    Case(
        "purelib in a wheel whose root is platlib",
        DATA,
        Wheel(
            {"bad.py": "1", "{data}/purelib/pure.py": "2", "{data}/platlib/plat.py": "3"},
            wheel=GOOD_WHEEL.replace("true", "false"),
        ),
    ),
    Case(
        "platlib in a wheel whose root is purelib",
        DATA,
        _wheel({"{data}/platlib/bad/plat.py": "2", "bad/pure.py": "1"}),
    ),
    Case("a package by data alone", DATA, Wheel({"{data}/purelib/pkg/__init__.py": ""})),
    Case("modules by data", DATA, _wheel({f"{SITE}/pkg/a.py": "1"})),
    Case("no files at all", "metapackages", Wheel({})),
    Case(".pth file", "site: .pth files", _wheel({"bad.pth": "import sys\n"})),
    Case(".pth file that is broken", "site", _wheel({"bad.pth": b"\xff\0import nothing\n"})),
    Case(
        "bytecode in __pycache__",
        "installer leaves it out: it would be run unread",
        _wheel({"__pycache__/bad.cpython-399.pyc": "x", "pkg/__pycache__/x/y": "z"}),
    ),
    Case("bytecode without its source", "PEP 3147", _wheel({"old.pyc": b"\0\1"})),
    Case("a file named __pycache__", "odd", _wheel({"pkg/__pycache__": "x", "pkg/a.py": "1"})),
    Case(
        "modules that do not compile",
        "templates, Python 2",
        _wheel({"pkg/a.py": "print 1\n", "pkg/b.py": b"\0\xff", "pkg/c.py": "x = " + "(" * 500}),
    ),
    Case("sitecustomize", "site", _wheel({"sitecustomize.py": "x = 1\n"})),
    Case("a directory that ends in .data", DATA, _wheel({"my.data/x": "1"})),
)

CASES = _REFUSED + _INSTALLED
