"""The list of a distribution's files: RECORD, and the installed-files.txt that it superseded.

RECORD is that of the recording-installed-projects specification.
"""

from __future__ import annotations

import os

from sagepip.ground.light_dataclass import NamedTuple

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# No file is larger; int() refuses thousands of digits.
_SIZE_DIGITS = 20
# No system knows longer paths, and no hash in use is longer; messages show both.
_PATH_CHARACTERS = 4096
_DIGEST_CHARACTERS = 512


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


new_row = tuple.__new__
"""As ``RecordRow``, of ``RecordRow`` and a tuple that is there already: in half the time."""


class BadRecord(ValueError):
    """A RECORD that cannot be understood; the text says which row and why."""


def parse_record(text: str) -> list[RecordRow]:
    """Read the rows of a RECORD.

    Raises:
        BadRecord: a row has not three fields, no path, or a size that is no number.
    """
    lines = text.replace("\r\n", "\n")
    if '"' not in lines and "\r" not in lines:
        return _parse_plain(lines.split("\n"), "\0" in lines)
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


def _parse_plain(lines: Sequence[str], has_nul: bool) -> list[RecordRow]:
    """Read rows without quotes: nearly every RECORD has only such."""
    # No field is longer than the line, and no name holds this character.
    short = max(map(len, lines)) <= _DIGEST_CHARACTERS and not has_nul
    rows: list[RecordRow] = []
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        fields = line.split(",")
        if short and len(fields) == 3:
            path, digest, size = fields
            if path and not size:
                rows.append(new_row(RecordRow, (path, digest, None)))
                continue
            if path and size.isdecimal() and len(size) <= _SIZE_DIGITS:
                rows.append(new_row(RecordRow, (path, digest, int(size))))
                continue
        rows.append(_row(number, fields))
    return rows


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
    in_order = sorted(rows, key=lambda row: row[0])
    text = "".join(
        f"{path},{digest},\n" if size is None else f"{path},{digest},{size}\n"
        for path, digest, size in in_order
    )
    number = len(in_order)
    if text.count(",") != 2 * number or text.count("\n") != number or '"' in text or "\r" in text:
        text = "".join(map(_quoted, in_order))  # something else is in them
    return text.encode("utf-8")


def _quoted(row: RecordRow) -> str:
    """Return the line of a row that may need quotes."""
    import csv
    import io

    path, digest, size = row
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    if "\r" in path + digest:  # before Python 3.13 not quoted unless it ends lines
        writer = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow((path, digest, "" if size is None else size))
    return stream.getvalue()


def recorded_path(row: RecordRow, metadata_directory: str) -> str:
    """Return the absolute, normalised path that a row stands for.

    Args:
        row: a row of a RECORD.
        metadata_directory: the directory that holds the dist-info.
    """
    return os.path.normpath(os.path.join(metadata_directory, row.path))
