"""What a wheel must be before anything of it is written (wheel and core metadata specifications).

The checks take names and texts, not files, so that they can be tested without a wheel.
"""

from __future__ import annotations

from sagepip.ground import console
from sagepip.ground.errors import TargetError
from sagepip.ground.headers import Headers
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.project_names import canonical_name
from sagepip.ground.target_python import TargetPython
from sagepip.ground.versions import is_same_version

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sagepip.staging.wheel import WheelMetadata

_INTERPRETER_NAME = r"(python|pypy|pythonw)\d*(\.\d+)*t?(\.exe)?"
_OBJECT_REFERENCE = r"([^\s:\[\]]+)[ \t]*:[ \t]*([^\s:\[\]]+)[ \t]*(\[[^\]\n]*\])?"
# Of clauses that are understood without ``packaging``.
_OPERATORS = (">=", "<", "!=")
_DIGITS = 3
_BLANKS = " \t\n\r\f\v"
_SCHEMES = ("purelib", "platlib", "headers", "scripts", "data")
_METADATA = (".dist-info", ".egg-info")
# Control characters too: a NUL byte ends the name for zipfile, a newline a row of RECORD.
_ODD = r"[\x00-\x1f\x7f\\]"
_NO_NAMES = frozenset({"", ".", ".."})
# None is in names, each between two ends of lines, that are the plain paths of files; dots at the
# beginning of a name, which may be the whole of it, are looked at one by one.
_VISIBLE = bytes({*range(0x20, 0x7F), *b"\n"} - {*b"\\"})
_NOT_PLAIN = ("//", "/.", "\n.", "\n/", "/\n", "\n\n")
_NAME_BYTES = 255
# No character takes more in UTF-8.
_CHARACTER_BYTES = 4
# PATH_MAX is 4096, and the target's own path comes in front.
_PATH_BYTES = 3072
_SHOWN = 200
_HOSTILE = "do not install this wheel"
_MALFORMED = "the wheel is malformed; build it again"


def check_wheel_version(wheel: str, headers: Headers) -> None:
    """Refuse a wheel of a format that sagepip does not know (binary distribution format, WHEEL).

    A greater minor version is warned of, as the specification says.

    Raises:
        TargetError: Wheel-Version is missing or of another major version.
    """
    version = headers.get("Wheel-Version") or ""
    if not _is_version(version, "1"):
        raise TargetError(
            f"{wheel}: its format is Wheel-Version {version or 'unknown'}; sagepip knows 1.x",
            advice="is the file whole? was it built by a newer tool?",
        )
    if version != "1.0":
        console.warn(f"{wheel}: its format is Wheel-Version {version}; sagepip knows 1.0")


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
    for field in ("Metadata-Version", "Name", "Version"):
        if len(headers.get_all(field)) > 1:
            raise TargetError(f"{wheel}: METADATA states {field} twice", advice=_MALFORMED)
    metadata_version = headers.get("Metadata-Version") or ""
    if not _is_version(metadata_version, "12"):
        raise TargetError(
            f"{wheel}: its METADATA is of version {metadata_version or 'unknown'}; sagepip knows "
            "1.x and 2.x",
            advice="was it built by a newer tool?",
        )
    stated = headers.get("Name") or ""
    if canonical_name(stated) != canonical_name(name):
        raise TargetError(
            f"{wheel}: METADATA is of {stated or 'no project'}, the file name says {name}",
            advice="do not rename wheels; build it again",
        )
    try:
        same = is_same_version(headers.get("Version") or "", version)
    except ValueError as error:
        raise TargetError(
            f"{wheel}: METADATA says version {headers.get('Version')}: {error}", advice=_MALFORMED
        ) from error
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
    wanted = headers.get("Requires-Python")
    if not wanted:
        return
    if all(_plainly_holds(clause, python.version) for clause in wanted.split(",")):
        return  # what nearly all wheels say, without the library for all that could be said
    from packaging.specifiers import SpecifierSet

    version = ".".join(map(str, python.version))
    try:
        matches = SpecifierSet(wanted).contains(version, prereleases=True)
    except ValueError as error:
        raise TargetError(
            f"{wheel}: bad Requires-Python {wanted!r}: {error}",
            advice="use another version of it, or --ignore-requires-python",
        ) from error
    if not matches:
        raise TargetError(
            f"{wheel} requires Python {wanted}; {python.executable} is {version}",
            advice="use another version of it, or --ignore-requires-python",
        )


def _plainly_holds(clause: str, version: tuple[int, int, int]) -> bool:
    """Whether a clause of Requires-Python is of the usual kinds, and true (version specifiers)."""
    clause = clause.strip(_BLANKS)
    operator = next((one for one in _OPERATORS if clause.startswith(one)), "")
    number = clause.removeprefix(operator).lstrip(_BLANKS)
    is_prefix = operator == "!=" and number.endswith(".*")
    parts = number.removesuffix(".*" if is_prefix else "").split(".")
    if (
        not operator
        or len(parts) > len(version)
        or not all(part.isascii() and part.isdecimal() and len(part) <= _DIGITS for part in parts)
    ):
        return False
    stated = tuple(map(int, parts))
    if operator == ">=":
        return stated <= version
    if operator == "<":
        return version < stated
    if is_prefix:
        return version[: len(stated)] != stated
    return version != (*stated, 0, 0)[:3]


def _is_version(text: str, majors: str) -> bool:
    """Whether a text is the number of a format: one of the digits, a dot, and a minor version."""
    major, _, minor = text.partition(".")
    return len(major) == 1 and major in majors and minor.isdecimal()


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


@dataclass(frozen=True)
class EntryPoint:
    """An entry point that becomes a script.

    Attributes:
        kind: ``console`` or ``gui``.
        name: the script's.
        module: what it imports.
        attribute: what it calls of that.
    """

    kind: str
    name: str
    module: str
    attribute: str


def check_scripts(wheel: str, entry_points: str) -> list[EntryPoint]:
    """Refuse console scripts and GUI scripts with dangerous names or impossible references.

    Args:
        wheel: the path, for messages.
        entry_points: the text of ``entry_points.txt``.

    Returns:
        The scripts.

    Raises:
        TargetError: see above, or the file cannot be parsed.
    """
    if not entry_points:
        return []
    from sagepip.ground.ini_text import read_sections

    try:
        sections = read_sections(entry_points)
    except ValueError as error:
        raise TargetError(f"{wheel}: bad entry_points.txt: {error}", advice=_MALFORMED) from error
    found: dict[str, EntryPoint] = {}
    for kind in ("console", "gui"):
        for name, reference in sections.get(f"{kind}_scripts", {}).items():
            check_script_name(wheel, name)
            if name in found:
                raise TargetError(f"{wheel}: it has the script {name} twice", advice=_MALFORMED)
            module, attribute = _split_reference(reference)
            if not all(part.isidentifier() for part in f"{module}.{attribute}".split(".")):
                raise TargetError(
                    f"{wheel}: the script {name} refers to {reference!r}, not to module:function",
                    advice=_MALFORMED,
                )
            found[name] = EntryPoint(kind, name, module, attribute)
    return list(found.values())


def _split_reference(reference: str) -> tuple[str, str]:
    """Return the module and the object that an object reference names; extras are left out."""
    module, _, attribute = reference.partition(":")
    if not f"{module}{attribute}".replace(".", "").isidentifier():
        import re

        match = re.fullmatch(_OBJECT_REFERENCE, reference.strip())
        return (match[1], match[2]) if match else ("", "")
    return module, attribute


def check_script_name(wheel: str, name: str) -> None:
    """Refuse a script name that is not a plain file name or is an interpreter's.

    Raises:
        TargetError: see above.
    """
    if name in ("", ".", "..") or "/" in name or "\\" in name or not name.isprintable():
        raise TargetError(f"{wheel}: {name!r} is no name for a script", advice=_HOSTILE)
    if len(name.encode("utf-8", "surrogateescape")) > _NAME_BYTES:
        raise TargetError(f"{wheel}: the name is too long: {_shown(name)}", advice=_HOSTILE)
    if not name.lower().startswith("py"):
        return
    import re

    if re.fullmatch(_INTERPRETER_NAME, name, re.IGNORECASE):
        raise TargetError(
            f"{wheel}: its script {name!r} would replace an interpreter",
            advice=_HOSTILE,
        )


def check_members(wheel: str, names: Sequence[str], metadata: WheelMetadata) -> str:
    """Refuse members whose names lead astray or collide.

    Args:
        wheel: the path, for messages.
        names: the names of all members, as they stand in the archive.
        metadata: what the wheel says of itself.

    Returns:
        The name of its ``.data`` directory, whether it has one or not.

    Raises:
        TargetError: a duplicate, an absolute or climbing path, a name that is too long, foreign
            metadata, data in no scheme, a file that is a directory too.
    """
    tops = {name.partition("/")[0] for name in names}
    data = _data_directory(wheel, tops, metadata)
    foreign = any(one.lower().endswith(_METADATA) for one in tops - {metadata.dist_info})
    files = set(names) if _are_plain(names) else set()
    directories: set[str] = set()
    if len(files) < len(names) or foreign or data in tops:
        files.clear()
        for name in names:
            _check_member(wheel, name, data, metadata.dist_info, files, directories)
    above: set[str] = set()
    for parent in {path.rpartition("/")[0] for path in files | directories}:
        while parent and parent not in above:
            above.add(parent)
            parent = parent.rpartition("/")[0]
    for path in files & (above | directories):
        raise TargetError(
            f"{wheel}: {_shown(path)} is both a file and a directory in it", advice=_MALFORMED
        )
    return data


def _are_plain(names: Sequence[str]) -> bool:
    """Whether all names are those of files, and paths as they should be; looked at all at once."""
    text = "\n".join(["", *names, ""])
    return (
        text.isascii()
        and text.count("\n") == len(names) + 1
        and not text.encode().translate(None, _VISIBLE)
        and not any(one in text for one in _NOT_PLAIN)
        and max(map(len, names), default=0) <= _NAME_BYTES
    )


def _check_member(
    wheel: str, name: str, data: str, dist_info: str, files: set[str], directories: set[str]
) -> None:
    """Check one name and add it to the files or the directories that were seen before."""
    path = name.removesuffix("/")
    parts = path.split("/")
    is_file = path == name
    _check_name(wheel, name, parts)
    if path in (files if is_file else directories):
        raise TargetError(f"{wheel}: it holds {_shown(name)} twice", advice="build it again")
    (files if is_file else directories).add(path)
    inner = parts[2:] if parts[0] == data else parts
    foreign = inner and inner[0].lower().endswith(_METADATA)
    if foreign and parts[0] != dist_info:
        raise TargetError(
            f"{wheel}: it holds {_shown(name)}, the metadata of another distribution",
            advice=_HOSTILE,
        )
    if is_file and parts[0] == data and (len(parts) < 3 or parts[1] not in _SCHEMES):
        raise TargetError(
            f"{wheel}: it holds {_shown(name)}, which is in no scheme of its .data directory",
            advice=f"there are {', '.join(_SCHEMES)}; build it again",
        )


def check_dist_info(wheel: str, metadata: WheelMetadata) -> None:
    """Refuse a dist-info directory that is of another name or version than the file name.

    Raises:
        TargetError: see above.
    """
    if not metadata.is_own(metadata.dist_info.removesuffix(".dist-info")):
        raise TargetError(
            f"{wheel}: its metadata are in {metadata.dist_info}, the file name says "
            f"{metadata.file_name}-{metadata.file_version}",
            advice="do not rename wheels; build it again",
        )


def _data_directory(wheel: str, tops: Iterable[str], metadata: WheelMetadata) -> str:
    """Return the ``.data`` directory, which need not be spelt as the file name is."""
    own = []
    for top in sorted(tops):
        stem = top.removesuffix(".data")
        if stem == top:
            continue
        if metadata.is_own(stem):
            own.append(top)
            continue
        from packaging.version import Version

        try:
            Version(stem.rpartition("-")[2] if "-" in stem else "")
        except ValueError:
            continue  # a directory with an odd name
        raise TargetError(
            f"{wheel}: it holds {_shown(top)}, the data of another distribution", advice=_HOSTILE
        )
    if len(own) > 1:
        raise TargetError(f"{wheel}: it holds both {' and '.join(own)}", advice=_MALFORMED)
    return own[0] if own else f"{metadata.file_name}-{metadata.file_version}.data"


def _check_name(wheel: str, name: str, parts: Sequence[str]) -> None:
    if name.startswith("/") or _is_odd(name) or not _NO_NAMES.isdisjoint(parts):
        raise TargetError(
            f"{wheel}: it holds {_shown(name)}, which is no path inside a wheel", advice=_HOSTILE
        )
    if len(name) * _CHARACTER_BYTES <= _NAME_BYTES:
        return
    if any(len(part.encode("utf-8", "surrogateescape")) > _NAME_BYTES for part in parts):
        raise TargetError(f"{wheel}: a file name is too long: {_shown(name)}", advice=_HOSTILE)
    if len(name.encode("utf-8", "surrogateescape")) > _PATH_BYTES:
        raise TargetError(f"{wheel}: a path is too long: {_shown(name)}", advice=_HOSTILE)


def _is_odd(name: str) -> bool:
    if name.isprintable():
        return "\\" in name
    import re

    return bool(re.search(_ODD, name))


def _shown(name: str) -> str:
    """Return a name for a message, quoted and not endless."""
    return repr(name if len(name) <= _SHOWN else name[:_SHOWN] + "…")
