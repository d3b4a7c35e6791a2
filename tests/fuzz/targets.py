"""The parsers that are fuzzed: how bytes reach each, and what must be so of what it answers.

Each either gives a result or raises the error that it documents; any other exception is a finding.
Where there is a writer, what was read and written reads back as the same.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

# Imported here and not only where it is used: a fuzzer watches what is imported with this module.
import packaging.requirements
import packaging.specifiers
import packaging.utils
import packaging.version  # noqa: F401

from sagepip.build.cache_bound import size_bound
from sagepip.cli.build_options import BUILD
from sagepip.cli.environment import (
    build_timeout,
    given_by_install_flags,
    given_by_pip_variables,
    lock_timeout,
)
from sagepip.cli.install_options import INSTALL
from sagepip.cli.option import OptionTable
from sagepip.cli.settings import Given, Settings
from sagepip.cli.trace_text import report_lines
from sagepip.cli.uninstall_options import UNINSTALL
from sagepip.ground.headers import Headers
from sagepip.ground.target_python import TargetPython
from sagepip.ground.trace_recorder import OPENING
from sagepip.operations.dependencies import check_requirements
from sagepip.operations.option_words import read_words
from sagepip.operations.requirements_file import read_requirements
from sagepip.operations.target_parsing import parse_editable, parse_target
from sagepip.operations.trace_chrome import chrome_trace
from sagepip.operations.trace_summary import as_json, summarise
from sagepip.staging import gate
from sagepip.staging.checked_archive import check_wheel
from sagepip.staging.record_gate import check_record, read_record
from sagepip.transaction.journal import format_journal, journal_path, read_journal
from sagepip.transaction.record import (
    BadRecord,
    format_record,
    parse_installed_files,
    parse_record,
)
from tests.corpus.raw_zip import Entry, write_zip
from tests.fuzz import archives, sites
from tests.fuzz.target import Target, may_refuse, place, text_of
from tests.wheels import digest

WHEEL = "demo-1.0-py3-none-any.whl"
_INFO = "demo-1.0.dist-info"
_MEMBERS = {
    f"{_INFO}/METADATA": b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n",
    f"{_INFO}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{_INFO}/entry_points.txt": b"[console_scripts]\ndemo = demo:main\n",
    "demo.py": b"x = 1\n",
}
_RECORD = "".join(
    f"{name},{digest(text)},{len(text)}\n" for name, text in _MEMBERS.items()
).encode()
_TEXTS = (*_MEMBERS, f"{_INFO}/RECORD")
_TABLES: tuple[OptionTable, ...] = (INSTALL, BUILD.table, UNINSTALL.table)


def _wheel(data: bytes) -> None:
    path = place() / WHEEL
    path.write_bytes(data)
    with may_refuse():
        check_wheel(str(path))


def _member(data: bytes) -> None:
    """Put bytes in place of one text of a good wheel, whose zip file is right."""
    name = _TEXTS[data[0] % len(_TEXTS)] if data else _TEXTS[0]
    members = {**_MEMBERS, name: data[1:]}
    if not name.endswith("/RECORD"):
        rows = [f"{one},{digest(text)},{len(text)}\n" for one, text in members.items()]
        members[f"{_INFO}/RECORD"] = "".join([*rows, f"{_INFO}/RECORD,,\n"]).encode()
    _wheel(write_zip([Entry(one, text) for one, text in members.items()]))


def _record(data: bytes) -> None:
    text = text_of(data)
    if text is None:
        return
    with may_refuse(BadRecord):
        parse_installed_files(text, "demo.egg-info")
    with may_refuse(BadRecord):
        rows = parse_record(text)
        again = parse_record(format_record(rows).decode("utf-8"))
        assert again == sorted(rows, key=lambda one: one.path)
    with may_refuse():
        read = read_record(WHEEL, text)
        check_record(WHEEL, read, {row.path: row.size or 0 for row in read}, _INFO)


def _requirements(data: bytes) -> None:
    path = place() / "requirements.txt"
    path.write_bytes(data)
    with may_refuse():
        for line in read_requirements(str(path), {"HOME": "/home"}).requirements:
            parse = parse_editable if line.editable else parse_target
            with may_refuse():
                parse(line.text, lambda: TargetPython.running().markers)


def _journal(data: bytes) -> None:
    """Read bytes as a journal: as they are, and as the body under a right checksum."""
    site = str(place())
    head = f"sagepip-journal 1 {hashlib.sha256(data).hexdigest()}\n".encode()
    for content in (data, head + data + b"\n"):
        Path(journal_path(site)).write_bytes(content)
        with may_refuse():
            journal = read_journal(site)
            if journal is None:
                continue
            again = format_journal(
                site, journal.transaction, journal.what, journal.plan, journal.homes[1:]
            )
            Path(journal_path(site)).write_bytes(again)
            reread = read_journal(site)
            assert reread is not None
            assert (reread.plan, reread.what) == (journal.plan, journal.what)
            assert (reread.transaction, reread.homes) == (journal.transaction, journal.homes)


def _entry_points(data: bytes) -> None:
    text = text_of(data)
    if text is None:
        return
    with may_refuse():
        scripts = gate.check_scripts(WHEEL, text)
        again = (f"[{s.kind}_scripts]\n{s.name} = {s.module}:{s.attribute}\n" for s in scripts)
        for one, alone in zip(scripts, again, strict=True):
            assert gate.check_scripts(WHEEL, alone) == [one]


def _metadata(data: bytes) -> None:
    text = text_of(data)
    if text is None:
        return
    headers = Headers(text)
    with may_refuse():
        gate.check_wheel_version(WHEEL, headers)
    with may_refuse():
        gate.check_metadata(WHEEL, headers, "demo", "1.0")
    with may_refuse():
        gate.check_requires_python(WHEEL, headers, TargetPython.running())
    with may_refuse():
        check_requirements(WHEEL, headers)


def _words(data: bytes) -> None:
    """Read lines as words of commands, as targets and as values of variables."""
    text = data.decode("utf-8", "surrogateescape")
    words = [one for one in text.replace("\0", "").split("\n") if one]
    for table in _TABLES:
        with may_refuse():
            for one in read_words(words, table.takes_value):
                if one.name:
                    Given.by_word(table.get(one.name), one.value)
    with may_refuse():
        given_by_install_flags(INSTALL, {"SAGE_PIP_INSTALL_FLAGS": " ".join(words)})
    variables = dict(one.split("=", 1) for one in words if "=" in one)
    with may_refuse():
        list(given_by_pip_variables(INSTALL, variables))
    for word in words:
        for name in ("SAGEPIP_LOCK_TIMEOUT", "SAGEPIP_BUILD_TIMEOUT", "SAGEPIP_CACHE_MAX_SIZE"):
            for read in (lock_timeout, build_timeout, lambda _, environ: size_bound(environ)):
                with may_refuse():
                    read(Settings([]), {name: word})
        for parse in (parse_target, parse_editable):
            with may_refuse():
                parse(word, lambda: TargetPython.running().markers)


def _trace(data: bytes) -> None:
    """Read lines of a trace, and put together what they tell in all its forms."""
    path = place() / "trace"
    path.write_bytes(data)
    with may_refuse():
        summary = summarise([str(path)])
        json.dumps([as_json(summary), chrome_trace(summary)], allow_nan=False)
        assert report_lines(summary, everything=True)
        for run in summary.runs:
            assert run.seconds >= 0
            assert all(one.seconds >= 0 <= one.cpu_seconds for one in run.phases.values())


_JOURNAL = (
    b'{"transaction": "01", "owner": "1 2 h 3 install", "what": "install x", "others": [], '
    b'"before": [["mkdir", "a"], ["place", "t/a", "a", [1, 2, 3]]], "commit": [["swap", "t/b", '
    b'"b", [1, 2, 3], [4, 5, 6]]], "after": [["rmdir", "c", [1, 2, 3]], ["replace", "d", "e", '
    b'"f", [1, 2, 3], [4, 5, 6]], ["retire", "g", "h", [1, 2, 3]]]}'
)

_TRACE = "".join(
    f'{OPENING}"run": "{run}", "event": "{event}", "at": {at}{more}}}\n'
    for run, event, at, more in (
        ("a", "command", 1.5, ', "wall": 9, "pid": 7, "program": "p", "words": ["w"], "host": "h"'),
        ("a", "begin", 1.5, ', "phase": "wait", "what": "x"'),
        ("a", "waiting", 1.6, ', "lock": "L", "holder": "process 8 on h"'),
        ("b", "command", 1, ', "wall": 8, "pid": 8, "program": "q", "words": [], "host": "h"'),
        ("b", "acquired", 1.1, ', "lock": "L", "shared": true'),
        ("b", "released", 2, ', "lock": "L"'),
        ("b", "exit", 3, ', "status": -9, "cpu": 0.5, "problem": "no luck"'),
        ("a", "acquired", 2, ', "lock": "L"'),
        ("a", "subject", 2, ', "what": "install x 1"'),
        ("a", "end", 2.5, ', "phase": "wait", "cpu": 0.25, "failed": true'),
        ("a", "exit", 4, ', "status": 0, "cpu": 1'),
    )
).encode()

TARGETS = {
    "wheel": Target(
        _wheel,
        (write_zip([Entry(one, text) for one, text in _MEMBERS.items()]), b"PK\5\6" + bytes(18)),
    ),
    "member": Target(
        _member, tuple(bytes([i]) + text for i, text in enumerate([*_MEMBERS.values(), _RECORD]))
    ),
    "record": Target(_record, (_RECORD, b'"a,b",,\n"c""d",sha256=x,1\n', b"a\r\nb,,\r\n")),
    "requirements": Target(
        _requirements,
        (
            b"a[b] >= 1 ; python_version < '4' # why\n-c \"x y\"\n-e ./d ; os_name == 'x' -C a=b\n",
            b"# coding: latin-1\na \\\n -C k=v\n--no-index\n-f ${HOME}/x\n--no-binary a,b\n",
            b"a @ file:///tmp/a-1-py3-none-any.whl#sha256=0\n./x.tar.gz[y]\n\xef\xbb\xbf",
        ),
    ),
    "journal": Target(_journal, (_JOURNAL, b"sagepip-journal 1 0\n{}\n")),
    "entry-points": Target(
        _entry_points,
        (
            b"[console_scripts]\na = b.c:d.e [x,y]\n[gui_scripts]\nf = g:h\n[other]\ni: j\n",
            b"; c\n[DEFAULT]\nk = v:w\n[console_scripts]\n a=b:c\n  d\n",
        ),
    ),
    "metadata": Target(
        _metadata,
        (
            b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nRequires-Python: >=3.8,!=3.9.*\n"
            b"Requires-Dist: a[b]>=1; extra == 'c' and python_version < '4'\nProvides-Extra: c\n",
            b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n continued\n\nbody\n",
        ),
    ),
    "trace": Target(_trace, (_TRACE, _TRACE[: len(_TRACE) // 2] + b"\n\xff\n" + _TRACE)),
    "words": Target(
        _words,
        (
            b"-vvv\ninstall\n--no-deps\n-C\n--a=b\n--build-isolation=none\n--\n-x\n.",
            b"./a-1-py3-none-any.whl[x]\na @ file:///b.tar.gz\ngit+https://x\nPIP_VERBOSE=2",
            b"PIP_NO_BUILD_ISOLATION=0\nPIP_FIND_LINKS=a b\n-fa\n--config-settings=k=v\n~/x",
            b"1.5G\n300\n0.5 MiB\n1e3\n",
        ),
    ),
    **archives.TARGETS,
    **sites.TARGETS,
}
