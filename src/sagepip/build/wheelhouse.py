"""Wheelhouses: which files they have for a project, and storing a wheel that was built."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sagepip.ground.errors import TargetError
from sagepip.ground.filesystem import make_directories, publish_file, remove_file
from sagepip.transaction.owner_mark import directory_lock

if TYPE_CHECKING:
    from packaging.version import Version

_PART = ".part"
SDIST_SUFFIXES = (".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz", ".tar.zst", ".tar")


def candidates(name: str, find_links: Iterable[str]) -> list[str]:
    """Return the wheels and sdists of one project, newest version first, wheels before sdists.

    Args:
        name: the project's, spelt in any way.
        find_links: directories, or archives themselves; what cannot be read counts as empty.
    """
    from packaging.utils import canonicalize_name

    wanted = canonicalize_name(name)
    found = []
    for place in find_links:
        for path in _files(place):
            parsed = parse_file_name(os.path.basename(path))
            if parsed is not None and parsed[0] == wanted:
                found.append((parsed[1], path.endswith(".whl"), path))
    return [path for _, _, path in sorted(found, reverse=True)]


def parse_file_name(file_name: str) -> tuple[str, Version] | None:
    """Return the canonical project name and version of a wheel's or sdist's file name, or None.

    Hidden names are None: that is what files look like that are being written.
    """
    from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
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
                return (str(canonicalize_name(stem)), Version(last)) if dash else None
            except InvalidVersion:
                return None
    return None


def store_wheel(wheel: str, directory: str) -> str:
    """Publish a wheel in a wheelhouse by one rename, then drop the project's other wheels.

    Under a lock on the directory, so that of two that are stored at once one stays. Storing what is
    there already, byte for byte, changes nothing.

    Args:
        wheel: the path of the wheel.
        directory: the wheelhouse; made if missing.

    Returns:
        The path of the stored wheel.

    Raises:
        TargetError: ``wheel`` is no wheel by its name, or cannot be read or stored.
        LockError: the directory cannot be locked.
    """
    base_name = os.path.basename(wheel)
    parsed = parse_file_name(base_name)
    if parsed is None or not base_name.endswith(".whl"):
        raise TargetError(f"not a wheel's file name: {wheel}", advice="give a built .whl file")
    final = os.path.join(directory, base_name)
    try:
        make_directories(directory)
        with directory_lock(directory, "storing a wheel"):
            for left in _files(directory):
                if left.endswith(_PART):
                    remove_file(left)  # of one that was killed
            if not _same_content(wheel, final):
                publish_distribution(wheel, final)
            for other in _others(parsed[0], final):
                remove_file(other)
    except OSError as error:
        raise TargetError(
            f"cannot store {base_name} in {directory}: {error.strerror}",
            advice="is the directory writable, and is there space?",
        ) from error
    return final


def publish_distribution(path: str, final: str) -> None:
    """Copy a wheel or sdist to its final name: written under a hidden one, then renamed.

    Args:
        path: where it is.
        final: the path it gets, in a directory that is made if missing.

    Raises:
        OSError: it cannot be read or written.
    """
    import shutil
    import uuid

    directory, base_name = os.path.split(final)
    make_directories(directory)
    # Not tempfile: its files are private, and only the kernel knows umask and default ACLs.
    temporary = os.path.join(directory, f".{base_name[:120]}.{uuid.uuid4().hex}{_PART}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with open(descriptor, "wb") as target, open(path, "rb") as source:
            shutil.copyfileobj(source, target, 1 << 20)
        publish_file(temporary, final)
    except BaseException:
        remove_file(temporary)
        raise


def _others(project: str, kept: str) -> list[str]:
    found = candidates(project, [os.path.dirname(kept)])
    return [path for path in found if path.endswith(".whl") and path != kept]


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
