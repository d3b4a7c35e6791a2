"""What is looked at all at once, or by one comparison, is seen as one by one and taken apart."""

from __future__ import annotations

import csv
import io
import posixpath
import struct
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagepip.ground.errors import TargetError
from sagepip.staging import gate, installer_library, zip_layout
from sagepip.staging.record_gate import check_record, read_record
from sagepip.staging.wheel import WheelMetadata, read_wheel_metadata
from sagepip.transaction.record import RecordRow, format_record, parse_record
from tests.property.test_records import EXAMPLES
from tests.wheels import make_wheel

ODD = ("a", "b.py", ".", "..", "", ".b", "a.", "x\ny", "\\", "\0", "\x7f", "\xe9", "\u2028")
TOPS = ("demo-1.data", "demo-1.dist-info", "other.dist-info", "x.EGG-info", "scripts", "METADATA")
LONG = ("n" * 60, "n" * 64, "n" * 255, "n" * 256, "\xe9" * 128)
PARTS = st.one_of(st.sampled_from([*ODD, *TOPS, *LONG]), st.text(max_size=4))
NAMES = st.lists(PARTS, min_size=1, max_size=4).map("/".join)


@pytest.fixture(scope="module")
def metadata(tmp_path_factory: pytest.TempPathFactory) -> WheelMetadata:
    """Return what a wheel of demo 1 says of itself."""
    wheel = make_wheel(tmp_path_factory.mktemp("wheels"), "demo", "1", {"demo.py": "x = 1\n"})
    return read_wheel_metadata(str(wheel))


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(NAMES, max_size=6), st.booleans())
def test_names_are_refused_as_one_by_one(
    metadata: WheelMetadata, names: list[str], is_whole: bool
) -> None:
    """The same names, the same words."""
    names += [f"{metadata.dist_info}/METADATA"] if is_whole else []

    def said() -> str:
        try:
            return gate.check_members("x.whl", names, metadata)
        except TargetError as error:
            return error.problem

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gate, "_are_plain", lambda _: False)
        one_by_one = said()
    assert said() == one_by_one


def test_most_names_are_looked_at_at_once(metadata: WheelMetadata) -> None:
    """Otherwise the test above would prove nothing."""
    assert gate._are_plain(["demo/__init__.py", "demo/a b.txt", f"{metadata.dist_info}/METADATA"])
    assert not any(
        gate._are_plain(["demo.py", odd])
        for odd in ("", "a/", "/a", "a//b", "./a", "a/..", "a\nb", "a\\b", "a\0", "é", "n" * 256)
    )


FIELDS = st.one_of(
    st.sampled_from(["a", "b/c.py", 'q"', "a,b", "x\ny", "x\ry", " a", "é"]), st.text()
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.tuples(FIELDS, FIELDS, st.none() | st.integers(min_value=0))))
def test_rows_are_written_as_csv_writes_them(rows: list[tuple[str, str, int | None]]) -> None:
    """Whether or not there is something in them that needs quotes."""
    rows.sort(key=lambda one: one[0])
    stream = io.StringIO()
    for path, digest, size in rows:
        if "\r" in path + digest:
            writer = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
        else:
            writer = csv.writer(stream, lineterminator="\n")
        writer.writerow((path, digest, "" if size is None else size))
    try:
        wanted = stream.getvalue().encode()
    except UnicodeEncodeError:
        return
    assert format_record(RecordRow(*row) for row in rows) == wanted


DIGESTS = st.sampled_from(["", "sha256=a", "sha256=a=", "sha512=a", "md5=a", "sha256", "=", "a=b"])
ROWS = st.tuples(
    st.sampled_from(
        ["a", "b\\c", "d/e.py", "demo-1.dist-info/RECORD", "demo-1.dist-info/RECORD.jws"]
    ),
    DIGESTS,
    st.sampled_from(["", "0", "3", "٣", "x"]),
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(ROWS, max_size=5), st.booleans())
def test_a_record_is_checked_row_by_row(rows: list[tuple[str, str, str]], is_quoted: bool) -> None:
    """What it leaves out, repeats, or does not prove is found however it is read."""
    quoted = ['"{}","{}",{}' if is_quoted else "{},{},{}"] * len(rows)
    text = "".join(f"{form.format(*row)}\n" for form, row in zip(quoted, rows, strict=True))
    sizes = {"a": 3, "d/e.py": 0, "b/c": 3, "demo-1.dist-info/RECORD": 9}
    is_number = all(size in ("", "0", "3", "٣") for *_, size in rows)
    plain = [
        (path.replace("\\", "/"), digest.rstrip("="), int(size) if size else None)
        for path, digest, size in rows
        if is_number
    ]
    listed = {path: (digest, size) for path, digest, size in plain}
    good = (
        is_number
        and len(listed) == len(plain)
        and listed.keys() <= sizes.keys()
        and sizes.keys() - listed.keys() <= {"demo-1.dist-info/RECORD"}
        and all(
            (digest, size) == ("", None)
            if path.endswith("/RECORD")
            else digest in ("sha256=a", "sha512=a") and size in (None, sizes[path])
            for path, (digest, size) in listed.items()
        )
    )
    try:
        found = check_record("x.whl", read_record("x.whl", text), sizes, "demo-1.dist-info")
    except TargetError:
        assert not good
    else:
        assert good
        assert found == {row[0]: row for row in plain}


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=9), st.binary(max_size=99), st.booleans()),
        min_size=1,
        max_size=3,
        unique_by=lambda one: one[0],
    ),
    st.binary(max_size=4),
    st.lists(st.tuples(st.integers(0, 45), st.integers(0, 255)), max_size=2),
)
def test_a_local_header_is_taken_apart_where_it_is_not_plain(
    members: list[tuple[str, bytes, bool]], extra: bytes, changes: list[tuple[int, int]]
) -> None:
    """One that is accepted at first sight would be accepted at the second, with the same data."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "x.zip")
        with zipfile.ZipFile(path, "w") as archive:
            for name, content, is_packed in members:
                info = zipfile.ZipInfo(name)
                info.extra = struct.pack("<HH", 9, len(extra)) + extra if extra else b""
                method = zipfile.ZIP_DEFLATED if is_packed else zipfile.ZIP_STORED
                try:
                    archive.writestr(info, content, method)
                except UnicodeEncodeError:
                    return
        data = bytearray(path.read_bytes())
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
        for place, value in changes:
            data[entries[-1].header_offset + place] = value
        path.write_bytes(data)
        with open(path, "rb") as stream:
            for entry in entries:
                begin = zip_layout._behind_plain_header(stream.fileno(), entry)
                assert begin or extra or changes or not entry.orig_filename.isascii()
                if begin:
                    again = zip_layout._check_local_header("x", stream.fileno(), entry)
                    assert again == begin


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.one_of(PARTS, st.just("demo-1.data")), NAMES)
def test_what_paths_begin_with_is_that_of_posixpath(top: str, path: str) -> None:
    """For all that the loop of ``installer`` could ask."""

    def asked(paths: object) -> str:
        try:
            return str(paths.commonpath([top, path]))  # type: ignore[attr-defined]
        except ValueError as error:
            return repr(error)

    assert asked(installer_library._Paths()) == asked(posixpath)


def test_installer_asks_it() -> None:
    """Otherwise the test above would be about nothing."""
    from installer import _core

    assert isinstance(_core.posixpath, installer_library._Paths)  # type: ignore[attr-defined]
    assert _core.posixpath.join("a", "b") == "a/b"  # type: ignore[attr-defined]


def test_a_row_without_a_size_is_read() -> None:
    """As most rows of bytecode are."""
    assert parse_record("a.pyc,,\nb,sha256=c,1\n") == [
        RecordRow("a.pyc"),
        RecordRow("b", "sha256=c", 1),
    ]
