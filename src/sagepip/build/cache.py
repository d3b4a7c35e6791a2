"""The cache of builds: where it lies, and entries in it that are made once by whoever is first.

    CACHE/v1/resolutions/KEY     what pip chose for some requirements
    CACHE/v1/wheels/KEY/         a wheel, unpacked as it lies in an environment
    CACHE/v1/bytecode/KEY        the bytecode of a project's modules, by their content
    CACHE/v1/environments/KEY/   a build environment; its files are links to those in wheels/

A directory appears under its name complete, by one rename, and is locked (shared) by those who use
it; who finds it unused may lock it exclusively and take it away.
"""

from __future__ import annotations

import os
import stat

from sagepip.ground import console
from sagepip.ground.filesystem import (
    make_directories,
    place,
    publish_file,
    remove_file,
    remove_tree,
)
from sagepip.ground.json_text import json_text
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.sha256 import sha256_digest
from sagepip.ground.target_python import TargetPython
from sagepip.ground.timing import phase
from sagepip.transaction.owner_mark import await_directory, seize_directory, share_directory

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# Entries of another layout lie elsewhere: an older sagepip's cache is neither read nor damaged.
_FORMAT = "v1"
_MAKING = ".making"
_TRASH = ".trash-"
_PART = ".part"
_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n"


@dataclass(frozen=True)
class Cache:
    """A cache directory.

    Attributes:
        path: absolute; the format is part of it.
    """

    path: str

    @property
    def resolutions(self) -> str:
        """The directory of remembered resolutions."""
        return os.path.join(self.path, "resolutions")

    @property
    def wheels(self) -> str:
        """The directory of unpacked wheels."""
        return os.path.join(self.path, "wheels")

    @property
    def bytecode(self) -> str:
        """The directory of remembered bytecode."""
        return os.path.join(self.path, "bytecode")

    @property
    def environments(self) -> str:
        """The directory of build environments."""
        return os.path.join(self.path, "environments")

    def make(self) -> None:
        """Make its directories, for the user alone.

        Raises:
            OSError: they cannot be made.
        """
        top = os.path.dirname(self.path)
        if not os.path.isdir(top):
            make_directories(os.path.dirname(top))
            os.makedirs(top, mode=0o700, exist_ok=True)
        for path in (self.resolutions, self.wheels, self.bytecode, self.environments):
            make_directories(path)
        tag = os.path.join(top, "CACHEDIR.TAG")
        if not os.path.exists(tag) or os.path.getsize(tag) == 0:
            with open(tag, "w", encoding="utf-8") as stream:
                # So that backups leave it out (Cache Directory Tagging Specification).
                stream.write(_TAG)


def cache_path(environ: Mapping[str, str]) -> str:
    """Return where the cache is: ``SAGEPIP_CACHE_DIR``, else in the user's cache directory.

    Args:
        environ: the environment.

    Returns:
        The absolute path, or an empty string where the user has no home.
    """
    if given := environ.get("SAGEPIP_CACHE_DIR"):
        return os.path.join(os.path.abspath(os.path.expanduser(given)), _FORMAT)
    base = environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.expanduser("~/.cache")
    return os.path.join(base, "sagepip", _FORMAT) if os.path.isabs(base) else ""


def find_cache(environ: Mapping[str, str], what: str = "build environments are") -> Cache | None:
    """Return the cache, made if missing; None where there cannot be one.

    Builds go on without: a warning where the user has named the place, else a detail.

    Args:
        environ: the environment.
        what: is cached there, for messages.
    """
    say = console.warn if environ.get("SAGEPIP_CACHE_DIR") else console.detail
    path = cache_path(environ)
    if not path:
        say(f"{what} not cached: there is no home directory")
        return None
    cache = Cache(path)
    top = os.path.dirname(path)
    if not environ.get("SAGEPIP_CACHE_DIR") and not _is_ours(top):
        # sudo keeps HOME: what root made there the user could not use any more.
        say(f"{what} not cached: {top} is in somebody else's directory")
        return None
    try:
        cache.make()
        problem = why_not_ours(top)
    except OSError as error:
        say(f"{what} not cached: cannot write {top}: {error.strerror}")
        return None
    if problem:
        say(f"{what} not cached: {problem}")
        return None
    if not os.access(cache.environments, os.W_OK):
        say(f"{what} not cached: {top} cannot be written")
        return None
    try:
        descriptor = seize_directory(cache.environments)
    except OSError as error:
        # Not all file systems have such locks, or have them on directories.
        say(f"{what} not cached: {top} cannot be locked: {error.strerror}")
        return None
    if descriptor >= 0:
        os.close(descriptor)
    return cache


def why_not_ours(top: str) -> str:
    """Say why a cache directory must not be used by this user; an empty string if it may.

    What others may write to could be anything by the time that it is run.

    Raises:
        OSError: it cannot be looked at.
    """
    found = os.stat(top)
    if found.st_uid != os.geteuid():
        return f"{top} belongs to user {found.st_uid}"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others may write to {top}"
    return ""


def _is_ours(path: str) -> bool:
    """Whether the nearest directory that is there belongs to this user."""
    while not os.path.lexists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    try:
        return os.stat(path).st_uid == os.geteuid()
    except OSError:
        return False


def make_once(final: str, fill: Callable[[str], None]) -> bool:
    """Make a directory in the cache if it is not there; of several makers one does the work.

    Args:
        final: its path.
        fill: given a path beside it that does not exist, makes the directory there.

    Returns:
        Whether it was made just now, by this call.

    Raises:
        OSError: the cache cannot be written or locked.
    """
    parent, name = os.path.split(final)
    making = os.path.join(parent, f".{name}{_MAKING}")
    has_made = False
    while not os.path.isdir(final):
        _make_if_missing(making)
        with phase("wait-build", final):
            descriptor = await_directory(making)
        if descriptor < 0:
            continue  # another has made it
        try:
            if not os.path.isdir(final):
                tree = os.path.join(making, "tree")
                remove_tree(tree)  # of one who was killed
                fill(tree)
                place(tree, final)
                has_made = True
        finally:
            # Under the lock: whoever waits for it sees that the name has gone, and looks again.
            remove_tree(making)
            os.close(descriptor)
    return has_made


def _make_if_missing(path: str) -> None:
    """Make a directory. Others may remove it at any moment, which makedirs does not allow for."""
    try:
        os.mkdir(path)
    except FileExistsError:
        return
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        _make_if_missing(path)


def take_away(path: str) -> bool:
    """Remove a directory of the cache that the caller has locked exclusively.

    Args:
        path: the directory. Its name is free in one step, then its contents go.

    Returns:
        Whether all of it is gone.

    Raises:
        OSError: it cannot be given another name.
    """
    trash = os.path.join(os.path.dirname(path), f"{_TRASH}{os.urandom(16).hex()}")
    place(path, trash)
    return remove_tree(trash)


def write_file(path: str, data: bytes) -> None:
    """Write a file of the cache; it appears whole, or not at all.

    Raises:
        OSError: it cannot be written.
    """
    directory = os.path.dirname(path)
    temporary = os.path.join(directory, f".{os.urandom(16).hex()}{_PART}")
    # Whoever can lock the directory exclusively knows that what is unfinished was abandoned.
    descriptor = share_directory(directory)
    try:
        with open(temporary, "xb") as stream:
            stream.write(data)
        publish_file(temporary, path)
    except BaseException:
        remove_file(temporary)
        raise
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def interpreter_key(python: TargetPython) -> str:
    """Return what tells an interpreter from others as far as build environments go.

    Virtual environments of one installation are the same: a build environment is one of its own.

    Args:
        python: the interpreter.
    """
    home = os.path.realpath(python.executable)
    # Which wheels it accepts is decided by the system under it, too; its tags take long to list.
    system = os.uname()
    library = os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in os.confstr_names else ""
    platform = [system.sysname, system.machine, system.release, library]
    return key_of([home, python.build, python.implementation, python.cache_tag, platform])


def guarded(text: bytes) -> bytes:
    """Return text with its digest in front, so that damage to it is noticed."""
    return sha256_digest(text).hex().encode() + b"\n" + text


def unguarded(data: bytes) -> bytes:
    """Return the text that was :func:`guarded`.

    Raises:
        ValueError: it is not as it was written.
    """
    text = data.partition(b"\n")[2]
    if guarded(text) != data:
        raise ValueError("wrong digest")
    return text


def is_unfinished(name: str) -> bool:
    """Whether a name in the cache is of something that is being made or removed."""
    return name.startswith(_TRASH) or (name.startswith(".") and name.endswith((_MAKING, _PART)))


def key_of(parts: Iterable[object]) -> str:
    """Return the name of an entry that depends on some values: 32 hexadecimal digits.

    Args:
        parts: anything that :func:`json_text` can write.
    """
    return sha256_digest(json_text(list(parts)).encode()).hex()[:32]
