"""Inputs that once raised something else than what is documented, by target: none is to again."""

from __future__ import annotations

from tests.corpus.raw_zip import UTF8, Entry, write_zip

_DIGITS = b"1" * 5000
_DEEP = b"(" * 5000

FINDINGS: tuple[tuple[str, bytes], ...] = (
    ("wheel", write_zip([Entry("a\xff", b"", flags=UTF8)]).replace("ÿ".encode(), b"\xf5\xf5")),
    ("member", b"\x04a,," + _DIGITS),
    ("record", b"a,," + _DIGITS),
    ("record", b'"\r*x",sh,'),
    ("requirements", b"# coding: undefined\na\n"),
    ("requirements", b"a; os_name === 'x'\n"),
    ("requirements", b"-e ./d ; os_name === 'x'\n"),
    ("requirements", b"a; python_version < '" + _DIGITS + b"'\n"),
    ("requirements", b"a;" + _DEEP),
    ("requirements", b"./a ;" + _DEEP),
    ("metadata", b"Metadata-Version: 2.1\nName: demo\nVersion: " + _DIGITS),
    ("metadata", b"Requires-Python: >=" + _DIGITS),
    ("metadata", b"Requires-Dist: a;" + _DEEP),
    ("journal", b"[" * 100_000),
    ("words", b"a;" + _DEEP),
    ("words", b"PIP_VERBOSE=" + _DIGITS),
    ("words", _DIGITS + b"G"),
    ("zip", write_zip([Entry("", b"")])),
    ("holder", b"1 host nan sagepip"),
    ("holder", b"1 host 1e300 sagepip"),
    ("holder", b"1 host 1.0 \x1b[31msagepip\nmore"),
)
