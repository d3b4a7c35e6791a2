"""RECORD: missing, wrong, or merely odd."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace

from tests.corpus.cases import MODULE, Case, Content, Rows, Wheel, altered, record_text
from tests.corpus.raw_zip import Entry
from tests.wheels import digest

MENTIONED = "binary distribution format: every file is mentioned and correctly hashed in RECORD"
HASHES = "binary distribution format: sha256 or better; md5, sha1 and sha224 are not permitted"
SIGNED = "binary distribution format: RECORD.jws and RECORD.p7s are not mentioned in RECORD"
FORM = "recording installed projects: path, hash, size"
PIP_4705 = "pip #4705: hashes of RECORD are not checked"
ENTRY = tuple[str, str, str]


def _row(change: Callable[[ENTRY], ENTRY], name: str = "bad.py") -> Callable[[Rows], Content]:
    """Return what changes one row."""
    return lambda rows: record_text([change(row) if row[0] == name else row for row in rows])


def _hashed(algorithm: str, label: str = "") -> Callable[[Rows], Content]:
    made = hashlib.new(algorithm, b"x = 1\n")
    value = urlsafe_b64encode(made.digest()).decode().rstrip("=")
    return _row(lambda row: (row[0], f"{label or algorithm}={value}", row[2]))


def _named(hash_: str) -> Callable[[Rows], Content]:
    return _row(lambda row: (row[0], hash_, row[2]))


def _also(*rows: ENTRY) -> Callable[[Rows], Content]:
    return lambda found: record_text([*found, *rows])


def _without(name: str) -> Callable[[Rows], Content]:
    return lambda rows: record_text([row for row in rows if row[0] != name])


_BAD_CONTENT = altered(lambda one: replace(one, data=b"y = 2\n"))
_SIGNATURES = {"{info}/RECORD.jws": "{}", "{info}/RECORD.p7s": "x"}

_REFUSED = (
    Case("no RECORD", MENTIONED, Wheel(record=lambda _: None), "holds no .*RECORD"),
    Case("empty RECORD", MENTIONED, Wheel(record=lambda _: ""), "not in RECORD"),
    Case("altered content", PIP_4705, Wheel(entries=_BAD_CONTENT), "not what RECORD says"),
    Case(
        "altered METADATA",
        "sentry-cli 3.8.0: WHEEL was rewritten after RECORD",
        Wheel(
            entries=altered(
                lambda one: replace(one, data=one.data + b"Summary: more\n"),
                "bad-1.dist-info/METADATA",
            )
        ),
        "METADATA (has|is not what RECORD says)",
    ),
    Case(
        "altered entry_points.txt",
        PIP_4705,
        Wheel(
            entry_points="[console_scripts]\nx = bad:a\n",
            entries=altered(
                lambda one: replace(one, data=one.data.replace(b"bad:a", b"bad:b")),
                "bad-1.dist-info/entry_points.txt",
            ),
        ),
        "entry_points.txt is not what RECORD says",
    ),
    Case(
        "altered script, which is rewritten",
        PIP_4705,
        Wheel(
            {**MODULE, "{data}/scripts/x": "#!python\n1\n"},
            entries=altered(
                lambda one: replace(one, data=b"#!python\n2\n"), "bad-1.data/scripts/x"
            ),
        ),
        "not what RECORD says",
    ),
    Case(
        "altered bytecode, which is not installed",
        PIP_4705,
        Wheel(
            {**MODULE, "__pycache__/bad.cpython-399.pyc": "1"},
            entries=altered(lambda one: replace(one, data=b"2"), "__pycache__/bad.cpython-399.pyc"),
        ),
        "not what RECORD says",
    ),
    Case("wrong size", FORM, Wheel(record=_row(lambda row: (*row[:2], "7"))), "RECORD says 7"),
    Case("a file that is not listed", MENTIONED, Wheel(record=_without("bad.py")), "not in RECORD"),
    Case(
        "METADATA not listed",
        MENTIONED,
        Wheel(record=_without("bad-1.dist-info/METADATA")),
        "not in RECORD",
    ),
    Case(
        "an unlisted file behind the others",
        "CVE-2025-54368",
        Wheel(entries=lambda found: [*found, Entry("evil.py", b"1")]),
        "evil.py is not in RECORD",
    ),
    Case(
        "a listed file that is not there",
        MENTIONED,
        Wheel(record=_also(("gone.py", digest(b""), "0"))),
        "lists gone.py, which .* not",
    ),
    Case(
        "a row that leads outside",
        "CWE-22: uninstallation takes what RECORD lists",
        Wheel(record=_also(("../../../../outside/kept.txt", "", ""))),
        "lists .*outside/kept.txt",
    ),
    Case("an absolute row", "CWE-22", Wheel(record=_also(("/etc/passwd", "", ""))), "/etc/passwd"),
    Case(
        "the same row twice",
        "pip #5913: duplicate entries",
        Wheel(record=lambda rows: record_text([*rows, rows[0]])),
        "lists bad.py twice",
        choice=True,
    ),
    Case(
        "two rows of one file, one of them wrong",
        "pip #5913",
        Wheel(record=_also(("bad.py", digest(b"evil"), "4"))),
        "lists bad.py twice",
    ),
    Case("no hash", MENTIONED, Wheel(record=_named("")), "no hash"),
    Case("two fields", FORM, Wheel(record=lambda _: "bad.py,\n"), "RECORD"),
    Case("four fields", FORM, Wheel(record=lambda _: "bad.py,,,\n"), "RECORD"),
    Case("a size that is no number", FORM, Wheel(record=_row(lambda row: (*row[:2], "x"))), "size"),
    Case("a negative size", FORM, Wheel(record=_row(lambda row: (*row[:2], "-6"))), "size"),
    Case("an empty path", FORM, Wheel(record=_also(("", "", ""))), "RECORD"),
    Case("an open quote", "CSV", Wheel(record=lambda _: '"bad.py,,\n' + "x,,\n" * 9), "RECORD"),
    Case("not UTF-8", FORM, Wheel(record=lambda _: b"b\xe4d.py,,\n"), "RECORD.*UTF-8"),
    Case("NUL bytes", "CSV", Wheel(record=lambda _: b"bad.py\0,,\n"), "RECORD"),
    Case(
        "a field of 200,000 characters",
        "CSV: the field limit",
        Wheel(record=_also(("x" * 200_000, "", ""))),
        "RECORD",
    ),
    Case("md5", HASHES, Wheel(record=_hashed("md5")), "hash md5"),
    Case("sha1", HASHES, Wheel(record=_hashed("sha1")), "hash sha1"),
    Case("sha224", HASHES, Wheel(record=_hashed("sha224")), "hash sha224"),
    Case("an unknown hash", "installer #178", Wheel(record=_named("sha=abc")), "hash sha"),
    Case("a hash without a length", HASHES, Wheel(record=_named("shake_128=abc")), "hash shake"),
    Case("a hash without a name", FORM, Wheel(record=_named("abc")), "RECORD"),
    Case(
        "a hash in hexadecimal",
        "installer #178; swat 1.12.1",
        Wheel(record=_named("sha256=" + hashlib.sha256(b"x = 1\n").hexdigest())),
        "not what RECORD says",
    ),
    Case(
        "signatures that are listed",
        SIGNED,
        Wheel({**MODULE, **_SIGNATURES}),
        "RECORD.jws",
        choice=True,
    ),
)


def _unsigned(rows: Rows) -> Content:
    return record_text([row for row in rows if row[0].rpartition(".")[2] not in ("jws", "p7s")])


_INSTALLED = (
    Case("signatures", SIGNED, Wheel({**MODULE, **_SIGNATURES}, record=_unsigned)),
    Case("sha384", HASHES, Wheel(record=_hashed("sha384"))),
    Case("sha512", HASHES, Wheel(record=_hashed("sha512"))),
    Case("blake2b", HASHES, Wheel(record=_hashed("blake2b"))),
    Case(
        "padding behind a hash",
        "pip #11762: catboost",
        Wheel(record=_row(lambda row: (row[0], row[1] + "=", row[2]))),
    ),
    Case("no size", FORM, Wheel(record=_row(lambda row: (row[0], row[1], "")))),
    Case("RECORD does not list itself", FORM, Wheel(record=_without("bad-1.dist-info/RECORD"))),
    Case("CRLF", "CSV", Wheel(record=lambda rows: record_text(rows).replace("\n", "\r\n"))),
    Case("blank lines", "CSV", Wheel(record=lambda rows: "\n" + record_text(rows) + "\n\n")),
    Case(
        "all fields quoted",
        "CSV",
        Wheel(record=lambda rows: "".join('"{}","{}","{}"\n'.format(*row) for row in rows)),
    ),
    Case("a comma in a name", "CSV", Wheel({**MODULE, 'a,"b".txt': "1"})),
    Case(
        "a directory that is listed",
        "recording installed projects: directories should not be listed",
        Wheel({**MODULE, "pkg/": "", "pkg/a": "1"}, record=_also(("pkg/", digest(b""), "0"))),
    ),
)

CASES = _REFUSED + _INSTALLED
