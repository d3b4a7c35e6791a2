"""One installed distribution against its own metadata."""

from __future__ import annotations

import base64
import configparser
import hashlib
import os
import re
import stat

from packaging.version import Version

from sagepip.ground.errors import ConflictError
from sagepip.ground.headers import Headers
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.project_names import canonical_name
from sagepip.operations.findings import Finding, Kind
from sagepip.operations.module_lookup import is_standard_module, module_exists
from sagepip.transaction.installed import InstalledDistribution
from sagepip.transaction.ownership import CACHE_DIRECTORY
from sagepip.transaction.record import RecordRow, recorded_path

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterator

_TARGET_UP = re.compile(r"(\.\./)+")
_SYSTEM_INSTALLERS = frozenset({"debian", "dpkg", "apt", "rpm", "dnf", "portage", "pacman", "guix"})
_EXTRAS = re.compile(r"\s*\[[^]]*\]\s*$")


@dataclass(frozen=True)
class Surroundings:
    """What a distribution is checked against.

    Attributes:
        roots: the resolved live directories of the target.
        search: where modules may lie, in the sense of ``sys.path``.
        is_target: whether it is a ``--target`` directory, where pip's RECORDs point two
            directories too high.
    """

    roots: tuple[str, ...]
    search: tuple[str, ...]
    is_target: bool = False


def check_distribution(one: InstalledDistribution, around: Surroundings) -> list[Finding]:
    """Compare a distribution with its core metadata, list of files and entry points.

    Args:
        one: one that lists its files.
        around: the target.

    Returns:
        What is wrong with it.
    """
    return [
        *_metadata_findings(one),
        *_record_findings(one, around),
        *_entry_point_findings(one, around),
    ]


def is_systems(one: InstalledDistribution, *, externally_managed: bool) -> bool:
    """Whether the system's package manager brought a distribution, and checks it by its own list.

    Such tools strip libraries and move scripts after RECORD was written, or leave RECORD out.

    Args:
        one: the distribution.
        externally_managed: whether its interpreter belongs to such a tool (PEP 668).
    """
    installer = (_read(one, "INSTALLER") or "").strip().lower()
    return installer in _SYSTEM_INSTALLERS or (
        externally_managed and not installer and _read(one, one.headers_name) is not None
    )


def _metadata_findings(one: InstalledDistribution) -> Iterator[Finding]:
    def bad(why: str) -> Finding:
        return Finding(one.name, one.version, Kind.METADATA, detail=why)

    text = _read(one, one.headers_name)
    if text is None:
        yield bad("it is missing")
        return
    headers = Headers(text)
    name, version = headers.get("Name"), headers.get("Version")
    if not name or not version:
        yield bad("it is empty" if not text.strip() else "it has no Name or no Version")
    elif canonical_name(name) != one.name:
        yield bad(f"it is of {name}")
    elif one.version and not _same_version(version, one.version):
        yield bad(f"it is of version {version}")


def _record_findings(one: InstalledDistribution, around: Surroundings) -> Iterator[Finding]:
    try:
        rows = one.record
    except ConflictError as error:
        yield Finding(one.name, one.version, Kind.RECORD, detail=str(error.__cause__ or error))
        return
    except OSError as error:
        yield Finding(one.name, one.version, Kind.RECORD, detail=error.strerror or str(error))
        return
    if rows is None:
        yield Finding(one.name, one.version, Kind.RECORD, detail="it is missing")
        return
    info = os.path.join(one.directory, os.path.basename(one.metadata_path))
    own, metadata = (
        os.path.normpath(os.path.join(info, name)) for name in (one.list_name, one.headers_name)
    )
    lists_itself = False
    for row in rows:
        path = recorded_path(row, one.directory)
        lists_itself = lists_itself or path == own
        if path == metadata and not os.path.lexists(path):
            continue  # said already
        if (found := _row_finding(row, path, around)) is not None:
            kind, detail = found
            yield Finding(one.name, one.version, kind, row.path, detail)
    if not lists_itself:
        yield Finding(one.name, one.version, Kind.RECORD, detail="torn: it does not list itself")


def _row_finding(row: RecordRow, path: str, around: Surroundings) -> tuple[Kind, str] | None:
    inside = _is_inside(path, around.roots)
    if not inside and around.is_target:
        moved = os.path.join(around.roots[0], _TARGET_UP.sub("", row.path, count=1))
        if os.path.lexists(moved):
            path, inside = moved, True
    if not os.path.lexists(path):
        # Bytecode may always be thrown away, and made again.
        is_bytecode = os.path.basename(os.path.dirname(path)) == CACHE_DIRECTORY
        return None if is_bytecode else (Kind.MISSING, "" if inside else "outside the target")
    if not inside:
        # What is not the target's is not read, and what is there is no matter for --target.
        return None if around.is_target else (Kind.OUTSIDE, "")
    if os.path.basename(os.path.dirname(path)) == CACHE_DIRECTORY:
        return None
    try:
        found = os.stat(path)
        if stat.S_ISDIR(found.st_mode) and os.path.islink(path) and not row.digest:
            return None
        if not stat.S_ISREG(found.st_mode):
            return Kind.ALTERED, "not a regular file"
        if row.size is not None and found.st_size != row.size:
            return Kind.ALTERED, f"{found.st_size} bytes, not {row.size}"
        return _hash_finding(row, path)
    except FileNotFoundError:
        return Kind.MISSING, "a link to nowhere" if os.path.islink(path) else ""
    except OSError as error:
        return Kind.ALTERED, f"cannot be read: {error.strerror}"


def _hash_finding(row: RecordRow, path: str) -> tuple[Kind, str] | None:
    if not row.digest:
        return None
    algorithm, _, expected = row.digest.partition("=")
    try:
        with open(path, "rb") as stream:
            digest = hashlib.file_digest(stream, algorithm).digest()
    except ValueError:
        return Kind.RECORD, f"unknown hash {algorithm}"
    actual = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    # Debian's tools of 2022 wrote hexadecimal digits.
    is_same = expected.rstrip("=") == actual or expected.lower() == digest.hex()
    return None if is_same else (Kind.ALTERED, algorithm)


def _entry_point_findings(one: InstalledDistribution, around: Surroundings) -> Iterator[Finding]:
    text = _read(one, "entry_points.txt")
    if text is None or one.is_editable:
        return
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except configparser.Error:
        yield Finding(
            one.name, one.version, Kind.ENTRY_POINT, detail="entry_points.txt is malformed"
        )
        return
    for group in parser.sections():
        for name, value in parser.items(group):
            module = value.partition(":")[0].strip()
            # What needs an extra may be absent.
            if not module or _EXTRAS.search(value) or is_standard_module(module):
                continue
            if not module_exists(_EXTRAS.sub("", module), around.search):
                yield Finding(
                    one.name,
                    one.version,
                    Kind.ENTRY_POINT,
                    f"{group}: {name}",
                    f"no module {module}",
                )


def _read(one: InstalledDistribution, name: str) -> str | None:
    try:
        return one.read(name)
    except OSError:
        return None


def _is_inside(path: str, roots: tuple[str, ...]) -> bool:
    parent, name = os.path.split(path)
    live = os.path.join(os.path.realpath(parent), name)
    return any(live.startswith(root.rstrip(os.sep) + os.sep) for root in roots)


def _same_version(first: str, second: str) -> bool:
    """Whether two spellings are one version; a directory's name has ``_`` for ``-``."""
    try:
        return Version(first.replace("_", "-")) == Version(second.replace("_", "-"))
    except ValueError:
        return re.sub(r"[^A-Za-z0-9]+", "-", first) == re.sub(r"[^A-Za-z0-9]+", "-", second)
