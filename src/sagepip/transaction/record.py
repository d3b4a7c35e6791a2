"""The list of a distribution's files: RECORD, and the installed-files.txt that it superseded.

RECORD is that of the recording-installed-projects specification.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from sagepip.ground.light_dataclass import NamedTuple

# No file is larger; int() refuses thousands of digits.
_SIZE_DIGITS = 20
# No system knows longer paths, and no hash in use is longer; messages show both.
_PATH_CHARACTERS = 4096
_DIGEST_CHARACTERS = 512
# With anything else in it a field stands for itself.
_PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+./=@~"


class RecordRow(NamedTuple):
    """One row; a tuple, because there are as many as files.

    Attributes:
        path: relative to the directory that holds the dist-info, with ``/``; or absolute.
        digest: ``sha256=…`` in URL-safe base64 without padding, or an empty string.
        size: in bytes, or None.
    """

    path: str
    digest: str = ""
    size: int | None = None


class BadRecord(ValueError):
    """A RECORD that cannot be understood; the text says which row and why."""


def parse_record(text: str) -> list[RecordRow]:
    """Read the rows of a RECORD.

    Raises:
        BadRecord: a row has not three fields, no path, or a size that is no number.
    """
    if '"' not in text and "\r" not in text.replace("\r\n", "\n"):
        return _parse_plain(text.replace("\r\n", "\n").split("\n"))
    import csv
    import io

    rows: list[RecordRow] = []
    try:
        # Not splitlines(), to which some characters of names end a line.
        for number, fields in enumerate(csv.reader(io.StringIO(text, newline="")), 1):
            if not fields:
                continue
            rows.append(_row(number, fields))
    except csv.Error as error:
        raise BadRecord(str(error)) from error
    return rows


def _parse_plain(lines: Sequence[str]) -> list[RecordRow]:
    """Read rows without quotes: nearly every RECORD has only such."""
    return [_row(number, line.split(",")) for number, line in enumerate(lines, 1) if line]


def _row(number: int, fields: Sequence[str]) -> RecordRow:
    if len(fields) != 3 or not fields[0]:
        raise BadRecord(f"row {number} is not path,hash,size")
    path, digest, size = fields
    if "\0" in path or len(path) > _PATH_CHARACTERS:
        raise BadRecord(f"row {number}: no file has such a name")
    if len(digest) > _DIGEST_CHARACTERS:
        raise BadRecord(f"row {number}: no hash is as long as that")
    if not size:
        return RecordRow(path, digest)
    if not (size.isdecimal() and len(size) <= _SIZE_DIGITS):
        raise BadRecord(f"row {number}: the size {size[:40]!r} is not a number of bytes")
    return RecordRow(path, digest, int(size))


def parse_installed_files(text: str, metadata_name: str) -> list[RecordRow]:
    """Read an installed-files.txt as the rows that a RECORD would have, but for hash and size.

    Args:
        text: one path a line, relative to the ``.egg-info`` directory, or absolute.
        metadata_name: the name of that directory.

    Raises:
        BadRecord: a line is no path.
    """
    if "\0" in text:
        raise BadRecord("a line is no path")
    paths = {os.path.normpath(os.path.join(metadata_name, line)) for line in text.splitlines()}
    # An old setuptools lists the directory itself; nothing lists the list.
    paths |= {os.path.join(metadata_name, "installed-files.txt")}
    return [RecordRow(path) for path in sorted(paths - {metadata_name})]


def format_record(rows: Iterable[RecordRow]) -> bytes:
    """Write the rows of a RECORD, sorted by path."""
    lines = []
    for path, digest, size in sorted(rows, key=lambda row: row[0]):
        text = "" if size is None else size
        if path.strip(_PLAIN) or digest.strip(_PLAIN):  # there is something else in it
            import csv
            import io

            stream = io.StringIO()
            writer = csv.writer(stream, lineterminator="\n")
            if "\r" in path + digest:  # before Python 3.13 not quoted unless it ends lines
                writer = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
            writer.writerow((path, digest, text))
            lines.append(stream.getvalue())
        else:
            lines.append(f"{path},{digest},{text}\n")
    return "".join(lines).encode("utf-8")


def recorded_path(row: RecordRow, metadata_directory: str) -> str:
    """Return the absolute, normalised path that a row stands for.

    Args:
        row: a row of a RECORD.
        metadata_directory: the directory that holds the dist-info.
    """
    return os.path.normpath(os.path.join(metadata_directory, row.path))
