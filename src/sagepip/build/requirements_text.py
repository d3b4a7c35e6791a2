"""The text of a requirement file: its encoding, and the lines as they are meant.

Lines are joined at backslashes, then stripped of comments, then ``${VARIABLES}`` are replaced, in
pip's order.
"""

from __future__ import annotations

import os
import re

from sagepip.ground.errors import TargetError

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_COMMENT = re.compile(r"(^|\s+)#.*$")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_INCLUDING = re.compile(r"(?:-[cr]\s*|--(?:constraint|requirement)(?:=|\s+))(?P<path>.+)")
_CODING = re.compile(rb"#.*coding[:=]\s*([-\w.]+)")
_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\0\0", "utf-32-le"),  # before UTF-16's, which is the beginning of it
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)


def logical_lines(path: str, environ: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Read the lines of a requirement file that say something.

    Args:
        path: the file.
        environ: the values of ``${VARIABLES}``; one that is unset or empty is left as it stands.

    Yields:
        The number of a line (of the first one, where several are joined) and its text.

    Raises:
        TargetError: the file cannot be read or decoded.
    """
    for number, joined in _joined(_decoded(path)):
        line = _COMMENT.sub("", joined).strip()
        line = _VARIABLE.sub(lambda match: environ.get(match[1]) or match[0], line)
        if line:
            yield number, line


def constraint_lines(
    path: str, environ: Mapping[str, str], including: tuple[str, ...] = ()
) -> Iterator[tuple[str, str]]:
    """Read the lines of a constraint file, and of the files that it includes, that say something.

    Args:
        path: the file.
        environ: the values of ``${VARIABLES}``.
        including: the resolved paths of the files that include it.

    Yields:
        Where a line stands, ``FILE, line N``, and its text; lines that include have been followed.

    Raises:
        TargetError: a file cannot be read or decoded, is on the network, or includes itself.
    """
    identity = os.path.realpath(path)
    if identity in including:
        raise TargetError(f"{path} includes itself", advice="take one of the -c lines out")
    for number, line in logical_lines(path, environ):
        origin = f"{path}, line {number}"
        if match := _INCLUDING.fullmatch(line):
            inner = _included(match["path"].strip(), path, origin)
            yield from constraint_lines(inner, environ, (*including, identity))
        else:
            yield origin, line


def _included(named: str, path: str, origin: str) -> str:
    scheme, colon, rest = named.partition(":")
    if colon and scheme.lower() == "file":
        from urllib.parse import unquote, urlsplit

        named = unquote(urlsplit(named).path)
    elif colon and rest.startswith("//"):
        raise TargetError(
            f"{origin}: a constraint file on the network: {named}", advice="download it first"
        )
    return os.path.join(os.path.dirname(path), named)


def _decoded(path: str) -> str:
    try:
        with open(path, "rb") as stream:
            data = stream.read()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise TargetError(
            f"cannot read the requirement file {path}: {why}", advice="is the path right?"
        ) from error
    encoding = "utf-8"
    for mark, name in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            data, encoding = data[len(mark) :], name
            break
    else:
        for line in data.split(b"\n")[:2]:
            if declared := _CODING.match(line):
                encoding = declared[1].decode("ascii")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise TargetError(
            f"{path}, line {number}: not {encoding}: byte 0x{data[error.start]:02x}",
            advice="save it as UTF-8, or declare another encoding in the first line",
        ) from error
    except LookupError as error:
        raise TargetError(f"{path}: unknown encoding: {encoding}", advice="use UTF-8") from error
    except UnicodeError as error:  # of codecs that are no encodings of a text, as idna
        raise TargetError(f"{path}: not {encoding}: {error}", advice="use UTF-8") from error
    if "\0" in text:
        number = text.count("\n", 0, text.index("\0")) + 1
        raise TargetError(f"{path}, line {number}: a NUL character", advice="is it a text file?")
    return text


def _joined(text: str) -> Iterator[tuple[int, str]]:
    first, parts = 0, list[str]()
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        first = first if parts else number
        comment = _COMMENT.match(line)
        if line.endswith("\\") and not comment:
            parts.append(line[:-1])
            continue
        # A comment line ends a continuation; the blank keeps it a comment when joined.
        joined = "".join([*parts, f" {line}" if comment else line])
        parts = []
        yield first, joined
