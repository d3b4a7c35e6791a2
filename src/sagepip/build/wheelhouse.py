"""Wheelhouses: which files they have for a project, and storing a wheel that was built."""

from __future__ import annotations

import errno
import os

from sagepip.ground.errors import TargetError
from sagepip.ground.filesystem import (
    make_directories,
    publish_file,
    remove_directory_if_empty,
    remove_file,
)
from sagepip.ground.light_contextlib import suppress
from sagepip.ground.light_functools import cache
from sagepip.ground.project_names import canonical_name
from sagepip.transaction.owner_mark import directory_lock

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from packaging.version import Version

_PART_BEGINS, _PART_ENDS = ".sagepip-", ".part"
_PART_DIGITS = 32
_PART_BYTES = 1 << 20
SDIST_SUFFIXES = (".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz", ".tar.zst", ".tar")


def candidates(name: str, find_links: Iterable[str]) -> list[str]:
    """Return the wheels and sdists of one project, newest version first, wheels before sdists.

    Args:
        name: the project's, spelt in any way.
        find_links: directories, or archives themselves; what cannot be read counts as empty.
    """
    return candidates_by_project(find_links).get(canonical_name(name), [])


def candidates_by_project(find_links: Iterable[str]) -> dict[str, list[str]]:
    """Return the wheels and sdists of all projects, by their canonical names.

    Args, order: as of :func:`candidates`.
    """
    found: dict[str, list[tuple[Version, bool, str]]] = {}
    for place in find_links:
        for path in _files(place):
            parsed = parse_file_name(os.path.basename(path))
            if parsed is not None:
                found.setdefault(parsed[0], []).append((parsed[1], path.endswith(".whl"), path))
    return {
        name: [path for _, _, path in sorted(files, reverse=True)] for name, files in found.items()
    }


@cache
def parse_file_name(file_name: str) -> tuple[str, Version] | None:
    """Return the canonical project name and version of a wheel's or sdist's file name, or None.

    Hidden names are None: that is what files look like that are being written.
    """
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename
    from packaging.version import InvalidVersion, Version

    if file_name.startswith("."):
        return None
    if file_name.endswith(".whl"):
        try:
            project, version, _, _ = parse_wheel_filename(file_name)
        except (InvalidWheelFilename, InvalidVersion):
            return None
        return str(project), version
    for suffix in SDIST_SUFFIXES:
        if file_name.endswith(suffix):
            stem, dash, last = file_name[: -len(suffix)].rpartition("-")
            try:
                return (str(canonical_name(stem)), Version(last)) if dash else None
            except InvalidVersion:
                return None
    return None


def store_wheel(wheel: str, directory: str) -> str:
    """Store a wheel in a wheelhouse, which keeps one a project: its others are removed, last.

    Args:
        wheel: the path of the wheel.
        directory: the wheelhouse; made if missing.

    Returns:
        The path of the stored wheel.

    Raises:
        TargetError: ``wheel`` is no whole wheel, or cannot be read or stored.
        LockError: the directory cannot be locked.
    """
    (stored,) = store_files([wheel], directory, one_per_project=True)
    return stored


def store_files(paths: Sequence[str], directory: str, *, one_per_project: bool) -> list[str]:
    """Publish wheels or sdists in a directory, each by one rename, under a lock on the directory.

    All are written before the first is published: a lack of space changes nothing. Storing what is
    there already, byte for byte, changes nothing either. Nobody has to take the lock for reading:
    a project that was there before is there at every instant.

    Args:
        paths: the files; no two of one name.
        directory: where to; made if missing.
        one_per_project: remove the other wheels of the projects, once the new ones are there.

    Returns:
        Their paths in the directory, in the same order.

    Raises:
        TargetError: one is no whole wheel or sdist by its name, or cannot be read or stored; of
            what was to be published nothing has been, unless the message says so.
        LockError: the directory cannot be locked.
    """
    finals = {path: os.path.join(directory, os.path.basename(path)) for path in paths}
    for path in paths:
        _check(path)
    if not paths:
        return []
    made: list[str] = []
    try:
        made = make_directories(directory)
        with directory_lock(directory, "storing a wheel"):
            _sweep(directory)
            _publish({p: f for p, f in finals.items() if not _same_content(p, f)})
            if one_per_project:
                for final in finals.values():
                    _remove_others(final)
    except BaseException as error:
        for one in reversed(made):
            remove_directory_if_empty(one)
        if not isinstance(error, OSError):
            raise
        names = ", ".join(map(os.path.basename, paths))
        raise TargetError(
            f"cannot store {names} in {directory}: {error.strerror}",
            advice="is the directory writable, and is there space?",
        ) from error
    return list(finals.values())


def check_storable(directory: str) -> None:
    """Refuse a directory that files cannot be stored in, before the work of hours is done.

    Args:
        directory: an absolute path; need not exist.

    Raises:
        TargetError: it is none, or cannot be written to or made.
    """
    existing = directory
    while not os.path.lexists(existing):
        existing = os.path.dirname(existing)
    if not os.path.isdir(existing):
        raise TargetError(f"not a directory: {existing}", advice="name another with --wheel-dir")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise TargetError(
            f"cannot write to the directory {existing}", advice="name another with --wheel-dir"
        )


def publish_distribution(path: str, final: str) -> None:
    """Copy a wheel or sdist to its final name in a directory of the caller's own.

    Args:
        path: the path of the file.
        final: the path it gets, in a directory that is made if missing.

    Raises:
        OSError: it cannot be read or written.
    """
    make_directories(os.path.dirname(final))
    _publish({path: final})


def _check(path: str) -> None:
    """Refuse what is no whole wheel, nor an sdist by its name."""
    from sagepip.staging.checked_archive import check_wheel

    name = os.path.basename(path)
    if parse_file_name(name) is None:
        raise TargetError(
            f"not the file name of a wheel or sdist: {path}", advice="give a built .whl file"
        )
    if name.endswith(".whl"):
        check_wheel(path)


def _sweep(directory: str) -> None:
    """Remove what one that was killed has left; whoever writes such a file holds the lock."""
    for path in _files(directory):
        if _is_part(os.path.basename(path)):
            remove_file(path)


def _is_part(name: str) -> bool:
    digits = name.removeprefix(_PART_BEGINS).removesuffix(_PART_ENDS)
    return (
        len(digits) == _PART_DIGITS
        and name == f"{_PART_BEGINS}{digits}{_PART_ENDS}"
        and not digits.strip("0123456789abcdef")
    )


def _publish(files: Mapping[str, str]) -> None:
    """Copy files to hidden names beside their final ones, then rename them."""
    written: dict[str, str] = {}
    published: list[str] = []
    try:
        for path, final in files.items():
            if os.path.isdir(final):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), final)
            name = f".sagepip-{os.urandom(16).hex()}.part"
            temporary = os.path.join(os.path.dirname(final), name)
            # Not tempfile: its files are private, and only the kernel knows umask and default ACLs.
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            written[temporary] = final
            with open(descriptor, "wb") as target, open(path, "rb") as source:
                while part := source.read(_PART_BYTES):
                    target.write(part)
                target.flush()
                if os.environ.get("SAGEPIP_SYNC", "").strip("0"):
                    os.fsync(descriptor)
        for temporary, final in written.items():
            publish_file(temporary, final)
            published.append(final)
    except BaseException as error:
        for temporary in written:
            with suppress(OSError):  # the next one sweeps
                remove_file(temporary)
        if published and isinstance(error, OSError):
            raise TargetError(
                f"stored {', '.join(published)}, but no more: {error.strerror}",
                advice="is the directory writable?",
            ) from error
        raise


def _remove_others(stored: str) -> None:
    """Remove the other wheels of the project of one that is stored."""
    parsed = parse_file_name(os.path.basename(stored))
    for path in candidates(parsed[0], [os.path.dirname(stored)]) if parsed else ():
        if not path.endswith(".whl") or path == stored:
            continue
        try:
            remove_file(path)
        except OSError as error:
            raise TargetError(
                f"stored {stored}, but cannot remove {path}: {error.strerror}",
                advice="remove it by hand",
            ) from error


def _same_content(wheel: str, stored: str) -> bool:
    """Whether the wheel is stored already, as a regular file of its own."""
    import filecmp
    import stat

    try:
        if not stat.S_ISREG(os.lstat(stored).st_mode):
            return False
    except FileNotFoundError:
        return False
    return filecmp.cmp(wheel, stored, shallow=False)


def _files(place: str) -> list[str]:
    try:
        with os.scandir(place) as entries:
            return [entry.path for entry in entries if entry.is_file()]
    except NotADirectoryError:
        return [place]
    except OSError:
        return []
