"""What a wheel's RECORD must say of its members (binary distribution format, RECORD)."""

from __future__ import annotations

from sagepip.ground.errors import TargetError
from sagepip.transaction.record import BadRecord, RecordRow, parse_record

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# "sha256 or better": of those that every Python has, and that have one length.
_HASHES = frozenset(
    {"sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512", "blake2b", "blake2s"}
)
_USUAL = "sha256="
_SIGNATURES = frozenset({"RECORD.jws", "RECORD.p7s"})


def bad_record(wheel: str, problem: str) -> TargetError:
    """Return the error that a wheel and its RECORD disagree."""
    return TargetError(
        f"{wheel}: {problem}",
        advice="the wheel was altered, damaged or badly built; fetch or build it again, or give "
        "--accept-bad-record with its name",
    )


def read_record(wheel: str, text: str) -> Sequence[RecordRow]:
    """Read a wheel's RECORD.

    Raises:
        TargetError: it cannot be understood.
    """
    try:
        rows = parse_record(text)
    except BadRecord as error:
        raise bad_record(wheel, f"bad RECORD: {error}") from error
    # Old tools wrote the paths of Windows; catboost's pads its hashes.
    if "\\" not in text and "=," not in text and '"' not in text:
        return rows
    return [
        RecordRow(path.replace("\\", "/"), digest.rstrip("="), size) for path, digest, size in rows
    ]


def check_record(
    wheel: str, rows: Sequence[RecordRow], members: Mapping[str, int], dist_info: str
) -> dict[str, RecordRow]:
    """Refuse a RECORD that leaves out, invents or repeats something, or has no proof of it.

    Args:
        wheel: the path, for messages.
        rows: the rows.
        members: the size of each file.
        dist_info: the name of the wheel's dist-info directory.

    Returns:
        The row of each file that has one.

    Raises:
        TargetError: see above.
    """
    found: dict[str, RecordRow] = {}
    for row in rows:
        path, digest, _ = row
        if path in found:
            raise bad_record(wheel, f"RECORD lists {path} twice")
        found[path] = row
        if digest and digest[:7] != _USUAL:
            _check_hash(wheel, path, digest)
    for name, size in members.items():
        listed = found.get(name)
        if listed is None or not listed[1] or listed[2] != size or name.startswith(dist_info):
            _check_member(wheel, name, size, listed, dist_info)
    for path in found.keys() - members.keys():
        if not (path.endswith("/") and any(name.startswith(path) for name in members)):
            raise bad_record(wheel, f"RECORD lists {path}, which the wheel does not hold")
    return found


def _check_hash(wheel: str, path: str, digest: str) -> None:
    algorithm, separator, _ = digest.partition("=")
    if not separator:
        raise bad_record(wheel, f"RECORD has {digest!r} as the hash of {path}")
    if algorithm not in _HASHES:
        raise bad_record(wheel, f"RECORD has the weak or unknown hash {algorithm} of {path}")


def _check_member(wheel: str, name: str, size: int, row: RecordRow | None, dist_info: str) -> None:
    parent, _, base = name.rpartition("/")
    if parent == dist_info and base in _SIGNATURES:
        if row is not None:
            raise bad_record(wheel, f"RECORD lists {name}, its own signature")
    elif parent == dist_info and base == "RECORD":
        if row is not None and (row.digest or row.size is not None):
            raise bad_record(wheel, "RECORD states a hash or a size of itself")
    elif row is None:
        raise bad_record(wheel, f"{name} is not in RECORD")
    elif not row.digest:
        raise bad_record(wheel, f"RECORD has no hash of {name}")
    elif row.size is not None and row.size != size:
        raise bad_record(wheel, f"{name} has {size} bytes, RECORD says {row.size}")
