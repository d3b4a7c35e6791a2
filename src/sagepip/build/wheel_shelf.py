"""The wheels of a wheelhouse as pip sees them, where there can be no doubt about it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from sagepip.build.wheelhouse import SDIST_SUFFIXES, parse_file_name
from sagepip.ground.errors import SagepipError
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.project_names import canonical_name
from sagepip.ground.target_python import TargetPython

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

    from sagepip.staging.wheel import WheelMetadata

_WHEEL_VERSION = re.compile(r"1\.[0-9]+")


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

    def __init__(self, path: str, project: str, version: Version, python: TargetPython) -> None:
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
        from packaging.specifiers import SpecifierSet
        from packaging.version import Version

        headers = found.headers
        try:
            python = SpecifierSet(headers.get("Requires-Python") or "")
            version = Version(headers.get("Version") or "")
        except ValueError as error:
            raise Doubt(f"{self.path}: {error}") from error
        if (
            headers.is_odd
            or found.wheel_headers.is_odd
            or canonical_name(headers.get("Name") or "") != self._project
            or version != self.version
            or not found.is_own(found.dist_info.removesuffix(".dist-info"))
            or not _WHEEL_VERSION.fullmatch(found.wheel_headers.get("Wheel-Version") or "")
            or any("\n" in one for one in headers.get_all("Requires-Dist"))
        ):
            raise Doubt(f"{self.path} is no usual wheel")
        if not python.contains(".".join(map(str, self._python.version)), prereleases=True):
            raise Doubt(f"{self.path} is not for this Python")  # pip takes an older one


@dataclass(frozen=True)
class _Candidate:
    """What pip may choose.

    Attributes:
        version: its version.
        wheel: it; None for an sdist.
    """

    version: Version
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

    def newest(self, project: str, specifiers: Sequence[SpecifierSet]) -> ShelvedWheel:
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
            if all(each.contains(one.version, prereleases=True) for each in specifiers)
        ]
        if not admitted:
            raise Doubt(f"there is no {project}")
        newest = max(one.version for one in admitted)
        # An sdist of the same version is second to a wheel.
        wheels = [one.wheel for one in admitted if one.version == newest and one.wheel]
        if len(wheels) != 1 or newest.is_prerelease:
            raise Doubt(f"{project} {newest}: {len(wheels)} wheels")
        return wheels[0]

    def _find(self, project: str) -> list[_Candidate]:
        from packaging.utils import parse_wheel_filename

        found = []
        for path in self._files.get(project, ()):
            name = os.path.basename(path)
            if not name.endswith(".whl"):
                parsed = parse_file_name(name)
                if parsed is None:
                    raise Doubt(f"{path} is no usual sdist")
                found.append(_Candidate(parsed[1], None))
                continue
            try:
                named, version, _, tags = parse_wheel_filename(name)
            except ValueError as error:
                raise Doubt(str(error)) from error
            if named != project:
                raise Doubt(f"{path} is of another project")
            if not self._tags.isdisjoint(map(str, tags)):
                wheel = ShelvedWheel(path, project, version, self._python)
                found.append(_Candidate(version, wheel))
        return found


def _identity(path: str) -> tuple[int, ...]:
    found = os.stat(path)
    times = (found.st_mtime_ns, found.st_ctime_ns)
    return (found.st_dev, found.st_ino, found.st_size, *times)
