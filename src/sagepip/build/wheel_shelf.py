"""The wheels of a wheelhouse as pip sees them, where there can be no doubt about it."""

from __future__ import annotations

import os

from sagepip.build.readable_versions import Clauses, admits, clauses_of, newest_of
from sagepip.build.wheelhouse import SDIST_SUFFIXES, parse_file_name
from sagepip.ground.errors import SagepipError
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.light_functools import cached_property
from sagepip.ground.project_names import canonical_name
from sagepip.ground.requirements import is_name
from sagepip.ground.target_python import TargetPython
from sagepip.ground.versions import is_same_version, release_of

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sagepip.staging.wheel import WheelMetadata


class Doubt(Exception):
    """Why it is for pip to say what it would take."""


class ShelvedWheel:
    """A wheel in a wheelhouse, looked into when it is first asked.

    Args:
        path: absolute.
        project: its canonical name, by the file name.
        version: by the file name.
        python: the interpreter that it must be for.

    Attributes:
        path: as above.
        version: as above.
    """

    def __init__(self, path: str, project: str, version: str, python: TargetPython) -> None:
        self.path = path
        self.version = version
        self._project = project
        self._python = python
        self._known: tuple[WheelMetadata, str] | None = None

    @property
    def sha256(self) -> str:
        """The digest of the very file whose metadata is told, in hexadecimal.

        Raises:
            Doubt: as of :meth:`metadata`.
        """
        return self._read()[1]

    def metadata(self) -> WheelMetadata:
        """Return its metadata.

        Raises:
            Doubt: it cannot be read or understood, is not what the file name says, is not for
                the interpreter, or changes meanwhile.
        """
        return self._read()[0]

    def _read(self) -> tuple[WheelMetadata, str]:
        if self._known is None:
            from sagepip.build.hashes import file_digest
            from sagepip.staging.wheel import read_wheel_metadata

            try:
                before = _identity(self.path)
                found = read_wheel_metadata(self.path)
                digest = file_digest(self.path)
                changed = _identity(self.path) != before
            except (OSError, SagepipError) as error:
                raise Doubt(f"{self.path}: {error}") from error
            if changed:
                raise Doubt(f"{self.path} changes")
            self._check(found)
            self._known = found, digest
        return self._known

    def _check(self, found: WheelMetadata) -> None:
        headers = found.headers
        try:
            wanted = clauses_of(headers.get("Requires-Python") or "")
            is_same = is_same_version(headers.get("Version") or "", self.version)
        except ValueError as error:
            raise Doubt(f"{self.path}: {error}") from error
        if (
            headers.is_odd
            or found.wheel_headers.is_odd
            or canonical_name(headers.get("Name") or "") != self._project
            or not is_same
            or not found.is_own(found.dist_info.removesuffix(".dist-info"))
            or not _is_usual_format(found.wheel_headers.get("Wheel-Version") or "")
            or any("\n" in one for one in headers.get_all("Requires-Dist"))
        ):
            raise Doubt(f"{self.path} is no usual wheel")
        if not admits(wanted, ".".join(map(str, self._python.version))):
            raise Doubt(f"{self.path} is not for this Python")  # pip takes an older one


@dataclass(frozen=True)
class _Candidate:
    """What pip may choose.

    Attributes:
        version: its version.
        wheel: it; None for an sdist.
    """

    version: str
    wheel: ShelvedWheel | None


class WheelShelf:
    """Wheelhouses that consist of directories.

    Args:
        places: their absolute paths; one that is not there counts as empty, as for pip.
        python: the interpreter that wheels must be for.

    Raises:
        Doubt: one of them is not a directory that can be read, or holds pages of links.
    """

    def __init__(self, places: Iterable[str], python: TargetPython) -> None:
        self._python = python
        self._files: dict[str, list[str]] = {}
        self._candidates: dict[str, list[_Candidate]] = {}
        for place in dict.fromkeys(map(os.path.abspath, places)):
            try:
                names = os.listdir(place)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise Doubt(f"{place}: {error.strerror}") from error
            for name in names:
                self._put(place, name)

    def _put(self, place: str, name: str) -> None:
        if name.endswith(".whl"):
            project = name.partition("-")[0]
        elif name.endswith(SDIST_SUFFIXES):
            project = name.rpartition("-")[0]
        elif "htm" in name.lower():
            raise Doubt(f"{place}/{name} may be a page of links")
        else:
            return
        self._files.setdefault(canonical_name(project), []).append(os.path.join(place, name))

    @cached_property
    def _tags(self) -> frozenset[str]:
        try:
            return frozenset(self._python.tags)
        except SagepipError as error:
            raise Doubt(str(error)) from error

    def newest(self, project: str, specifiers: Sequence[Clauses]) -> ShelvedWheel:
        """Return the newest wheel of a project that specifiers admit.

        Args:
            project: its canonical name.
            specifiers: all of them have to admit it.

        Returns:
            The same object for the same wheel.

        Raises:
            Doubt: there is none, or pip may prefer something else.
        """
        if project not in self._candidates:
            self._candidates[project] = self._find(project)
        admitted = [
            one
            for one in self._candidates[project]
            if all(admits(each, one.version) for each in specifiers)
        ]
        if not admitted:
            raise Doubt(f"there is no {project}")
        newest, is_prerelease = newest_of(one.version for one in admitted)
        # An sdist of the same version is second to a wheel.
        wheels = [
            one.wheel for one in admitted if one.wheel and is_same_version(one.version, newest)
        ]
        if len(wheels) != 1 or is_prerelease:
            raise Doubt(f"{project} {newest}: {len(wheels)} wheels")
        return wheels[0]

    def _find(self, project: str) -> list[_Candidate]:
        found = []
        for path in self._files.get(project, ()):
            name = os.path.basename(path)
            if not name.endswith(".whl"):
                found.append(_Candidate(_version_of_sdist(name), None))
                continue
            named, version, is_accepted = self._read_name(name)
            if named != project:
                raise Doubt(f"{path} is of another project")
            if is_accepted:
                wheel = ShelvedWheel(path, project, version, self._python)
                found.append(_Candidate(version, wheel))
        return found

    def _read_name(self, file_name: str) -> tuple[str, str, bool]:
        """Return project and version of a wheel, and whether the interpreter accepts its tags."""
        parts = file_name.removesuffix(".whl").split("-")
        if len(parts) == 5 and parts[3:] == ["none", "any"]:
            name, version, interpreters = parts[:3]
            plain = is_name(name) and "__" not in name and release_of(version)
            if plain and interpreters in (f"py{self._python.version[0]}", "py2.py3"):
                return canonical_name(name), version, True
        from packaging.utils import parse_wheel_filename

        try:
            named, parsed, _, tags = parse_wheel_filename(file_name)
        except ValueError as error:
            raise Doubt(str(error)) from error
        return str(named), str(parsed), not self._tags.isdisjoint(map(str, tags))


def _version_of_sdist(file_name: str) -> str:
    suffix = next(one for one in SDIST_SUFFIXES if file_name.endswith(one))
    version = file_name.removesuffix(suffix).rpartition("-")[2]
    if release_of(version) and not file_name.startswith("."):
        return version
    parsed = parse_file_name(file_name)
    if parsed is None:
        raise Doubt(f"{file_name} is no usual sdist")
    return str(parsed[1])


def _identity(path: str) -> tuple[int, ...]:
    found = os.stat(path)
    times = (found.st_mtime_ns, found.st_ctime_ns)
    return (found.st_dev, found.st_ino, found.st_size, *times)


def _is_usual_format(version: str) -> bool:
    major, _, minor = version.partition(".")
    return major == "1" and minor.isascii() and minor.isdecimal()
