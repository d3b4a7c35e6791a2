"""Wheels of the sources that are to be installed: built, directly or by way of an sdist."""

from __future__ import annotations

import os
from dataclasses import dataclass

from sagepip.build.archive import unpack_sdist
from sagepip.build.options import BuildOptions
from sagepip.build.project import build_editable, build_sdist, build_wheel
from sagepip.build.wheelhouse import store_wheel
from sagepip.ground import console
from sagepip.ground.errors import BuildError
from sagepip.operations.request import InstallRequest
from sagepip.operations.targets import SourceArchive, SourceDirectory
from sagepip.operations.work_directory import WorkDirectory
from sagepip.staging.wheel import WheelMetadata, read_wheel_metadata


@dataclass(frozen=True)
class SourceWheel:
    """A wheel made of a source.

    Attributes:
        metadata: what it says of itself, and where it is.
        seconds: how long it took.
    """

    metadata: WheelMetadata
    seconds: float


class SourceBuilds:
    """Builds sources, each in a directory of its own, and stores their wheels if asked to.

    Args:
        request: what was asked for.
        work: a private directory.
    """

    def __init__(self, request: InstallRequest, work: WorkDirectory) -> None:
        self._request = request
        self._work = work
        self._python = request.destination.python
        self._number = 0

    def build_target(self, target: SourceDirectory | SourceArchive) -> SourceWheel:
        """Build what the user named, in the way asked for.

        Raises:
            BuildError: it cannot be built.
            TargetError: the archive cannot be unpacked, or what was built is no good wheel.
        """
        options = self._request.build_options(target)
        if isinstance(target, SourceDirectory):
            if target.editable:
                return self._build_editable(target.path, options)
            if self._request.sdist_then_wheel:
                return self._build_by_way_of_sdist(target.path, options)
        return self.build(target.path, options)

    def build(self, path: str, options: BuildOptions) -> SourceWheel:
        """Build the wheel of a directory or an sdist; errors as of :meth:`build_target`."""
        place = self._new_place()
        console.detail(f"building {path}")
        source = path if os.path.isdir(path) else unpack_sdist(path, os.path.join(place, "source"))
        return self._build_wheel(source, place, options)

    def _build_editable(self, path: str, options: BuildOptions) -> SourceWheel:
        console.detail(f"building {path} in editable mode")
        wheels = os.path.join(self._new_place(), "wheel")
        built = build_editable(path, wheels, python=self._python, options=options)
        # It is of no use without the directory, and must not pass for the project's wheel: it is
        # never stored.
        return SourceWheel(read_wheel_metadata(built.path), built.seconds)

    def _build_by_way_of_sdist(self, path: str, options: BuildOptions) -> SourceWheel:
        place = self._new_place()
        console.detail(f"building the sdist of {path}")
        sdists = os.path.join(place, "sdist")
        sdist = build_sdist(path, sdists, python=self._python, options=options)
        source = unpack_sdist(sdist.path, os.path.join(place, "source"))
        name = os.path.basename(sdist.path)
        console.detail(f"building {name}")
        try:
            built = self._build_wheel(source, place, options)
        except BuildError as error:
            raise BuildError(
                f"{path} cannot be built from its sdist {name}: {error.problem}",
                advice="; ".join(filter(None, ["the sdist may lack files", error.advice])),
                output=error.output,
            ) from error
        return SourceWheel(built.metadata, sdist.seconds + built.seconds)

    def _build_wheel(self, source: str, place: str, options: BuildOptions) -> SourceWheel:
        wheels = os.path.join(place, "wheel")
        built = build_wheel(source, wheels, python=self._python, options=options)
        metadata = read_wheel_metadata(built.path)
        if self._request.stored_wheels:
            stored = store_wheel(built.path, self._request.stored_wheels)
            console.detail(f"stored {stored}")
        return SourceWheel(metadata, built.seconds)

    def _new_place(self) -> str:
        self._number += 1
        place = self._work.path(f"build-{self._number}")
        os.mkdir(place)
        return place
