"""What a wheel must be before anything of it is written (wheel and core metadata specifications).

The checks take names and texts, not files, so that they can be tested without a wheel.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from sagepip.ground.errors import TargetError
from sagepip.ground.headers import Headers
from sagepip.ground.target_python import TargetPython

_INTERPRETER_NAME = re.compile(r"(python|pypy|pythonw)\d*(\.\d+)*(\.exe)?", re.IGNORECASE)
_OBJECT_REFERENCE = re.compile(
    r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\s*:\s*[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\s*(\[.*\])?"
)
_WEAK_HASHES = frozenset({"md5", "sha1", "sha224"})
_INSTALLATION_METADATA = frozenset({"INSTALLER", "REQUESTED", "direct_url.json"})


def check_wheel_version(wheel: str, headers: Headers) -> None:
    """Refuse a wheel of a format that sagepip does not know (binary distribution format, WHEEL).

    Raises:
        TargetError: Wheel-Version is missing or of another major version.
    """
    version = headers.get("Wheel-Version") or ""
    if not re.fullmatch(r"1\.\d+", version):
        raise TargetError(
            f"{wheel}: its format is Wheel-Version {version or 'unknown'}; sagepip knows 1.x",
            advice="is the file whole? was it built by a newer tool?",
        )


def check_metadata(wheel: str, headers: Headers, name: str, version: str) -> None:
    """Refuse a wheel whose METADATA is not that of its file name.

    Args:
        wheel: the path, for messages.
        headers: its METADATA.
        name: the project's name in the file name.
        version: the version in the file name.

    Raises:
        TargetError: METADATA is of an unknown major version, or its name or version differ.
    """
    from packaging.utils import canonicalize_name
    from packaging.version import InvalidVersion, Version

    metadata_version = headers.get("Metadata-Version") or ""
    if not re.fullmatch(r"[12]\.\d+", metadata_version):
        raise TargetError(
            f"{wheel}: its METADATA is of version {metadata_version or 'unknown'}; sagepip knows "
            "1.x and 2.x",
            advice="was it built by a newer tool?",
        )
    stated = headers.get("Name") or ""
    if canonicalize_name(stated) != canonicalize_name(name):
        raise TargetError(
            f"{wheel}: METADATA is of {stated or 'no project'}, the file name says {name}",
            advice="do not rename wheels; build it again",
        )
    try:
        same = Version(headers.get("Version") or "") == Version(version)
    except InvalidVersion:
        same = False
    if not same:
        raise TargetError(
            f"{wheel}: METADATA says version {headers.get('Version')}, the file name {version}",
            advice="do not rename wheels; build it again",
        )


def check_requires_python(wheel: str, headers: Headers, python: TargetPython) -> None:
    """Refuse a wheel that does not want the target's Python.

    Raises:
        TargetError: Requires-Python leaves it out, or cannot be understood.
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    wanted = headers.get("Requires-Python")
    if not wanted:
        return
    version = ".".join(map(str, python.version))
    try:
        matches = SpecifierSet(wanted).contains(version, prereleases=True)
    except InvalidSpecifier as error:
        raise TargetError(f"{wheel}: bad Requires-Python {wanted!r}: {error}") from error
    if not matches:
        raise TargetError(
            f"{wheel} requires Python {wanted}; {python.executable} is {version}",
            advice="use another version of it, or --ignore-requires-python",
        )


def check_tags(wheel: str, tags: Iterable[str], python: TargetPython) -> None:
    """Refuse a wheel that was built for another interpreter or platform.

    Raises:
        TargetError: none of its tags is among those that the target accepts.
    """
    wanted = set(tags)
    if f"py{python.version[0]}-none-any" in wanted or not wanted.isdisjoint(python.tags):
        return
    raise TargetError(
        f"{wheel} is not for {python.executable}: it is for {', '.join(sorted(wanted))}",
        advice="build it for this interpreter from its source",
    )


def check_scripts(wheel: str, entry_points: str) -> None:
    """Refuse console scripts and GUI scripts with dangerous names or impossible references.

    Args:
        wheel: the path, for messages.
        entry_points: the text of ``entry_points.txt``.

    Raises:
        TargetError: see above, or the file cannot be parsed.
    """
    from configparser import ConfigParser, Error

    parser = ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(entry_points)
    except Error as error:
        raise TargetError(f"{wheel}: bad entry_points.txt: {error}") from error
    for section in ("console_scripts", "gui_scripts"):
        if not parser.has_section(section):
            continue
        for name, reference in parser.items(section):
            check_script_name(wheel, name)
            if not _OBJECT_REFERENCE.fullmatch(reference.strip()):
                raise TargetError(
                    f"{wheel}: the script {name} refers to {reference!r}, not to module:function"
                )


def check_script_name(wheel: str, name: str) -> None:
    """Refuse a script name that is not a plain file name or is an interpreter's.

    Raises:
        TargetError: see above.
    """
    if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise TargetError(f"{wheel}: {name!r} is no name for a script")
    if _INTERPRETER_NAME.fullmatch(name):
        raise TargetError(
            f"{wheel}: its script {name!r} would replace an interpreter",
            advice="do not install this wheel",
        )


def check_members(wheel: str, names: Sequence[str], dist_info: str, data: str) -> None:
    """Refuse members whose names lead astray.

    Args:
        wheel: the path, for messages.
        names: the names of all members.
        dist_info: the name of the wheel's own dist-info directory.
        data: the name of its ``.data`` directory.

    Raises:
        TargetError: a duplicate, an absolute or climbing path, foreign metadata.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise TargetError(f"{wheel}: it holds {name!r} twice", advice="build it again")
        seen.add(name)
        parts = name.removesuffix("/").split("/")
        if name.startswith("/") or "\\" in name or "\0" in name or {"", ".", ".."} & set(parts):
            raise TargetError(
                f"{wheel}: it holds {name!r}, which is no path inside a wheel",
                advice="do not install this wheel",
            )
        inner = parts[2:] if parts[0] == data else parts
        if inner and inner[0].endswith((".dist-info", ".egg-info")) and parts[0] != dist_info:
            raise TargetError(
                f"{wheel}: it holds {name!r}, the metadata of another distribution",
                advice="do not install this wheel",
            )


def check_hashes(wheel: str, rows: Iterable[tuple[str, str]]) -> None:
    """Refuse a RECORD with duplicate paths or hashes that prove nothing.

    Args:
        wheel: the path, for messages.
        rows: path and hash of each row.

    Raises:
        TargetError: see above.
    """
    seen: set[str] = set()
    for path, digest in rows:
        if path in seen:
            raise TargetError(f"{wheel}: RECORD lists {path} twice", advice="build it again")
        seen.add(path)
        if digest.partition("=")[0].lower() in _WEAK_HASHES:
            raise TargetError(
                f"{wheel}: RECORD has the weak hash {digest.partition('=')[0]} for {path}",
                advice="build it with a current tool",
            )


def is_installation_metadata(name: str, dist_info: str) -> bool:
    """Whether a member is one that installers write, so that the wheel's own does not count."""
    parent, _, base = name.rpartition("/")
    return parent == dist_info and base in _INSTALLATION_METADATA
