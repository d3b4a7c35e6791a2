"""Wheels and sdists of sources: built, directly or by way of an sdist, and stored if asked to."""

from __future__ import annotations

import os

from sagepip.build.options import BuildOptions
from sagepip.build.project import BuiltDistribution, build_editable, build_sdist, build_wheel
from sagepip.build.wheelhouse import store_wheel
from sagepip.ground import console
from sagepip.ground.errors import BuildError
from sagepip.ground.light_dataclass import dataclass, replace
from sagepip.ground.target_python import TargetPython
from sagepip.ground.timing import phase
from sagepip.operations.work_directory import WorkDirectory
from sagepip.staging.wheel import WheelMetadata, read_wheel_metadata


@dataclass(frozen=True)
class SourceWheel:
    """A wheel made of a source.

    Attributes:
        metadata: what it says of itself, and where it is.
        built: how it was built; by way of an sdist the times are those of both builds.
    """

    metadata: WheelMetadata
    built: BuiltDistribution


class SourceBuilds:
    """Builds sources, each in a directory of its own.

    Args:
        python: the interpreter to build for.
        work: a private directory.
        stored_wheels: the wheelhouse in which wheels are stored, or None.
    """

    def __init__(
        self, python: TargetPython, work: WorkDirectory, stored_wheels: str | None = None
    ) -> None:
        self._python = python
        self._work = work
        self._stored_wheels = stored_wheels
        self._number = 0

    def wheel(
        self, path: str, options: BuildOptions, *, by_way_of_sdist: bool = False
    ) -> SourceWheel:
        """Build the wheel of a directory or an sdist.

        Args:
            path: of the directory or the sdist.
            options: how.
            by_way_of_sdist: of a directory, build an sdist first and the wheel from that.

        Raises:
            BuildError: it cannot be built.
            TargetError: the archive cannot be unpacked, or what was built is no good wheel.
        """
        place = self._new_place()
        if os.path.isdir(path) and by_way_of_sdist:
            return self._from_its_sdist(path, place, options)
        console.detail(f"building {path}")
        return self._wheel(
            path if os.path.isdir(path) else self._unpack(path, place), place, options
        )

    def editable_wheel(self, path: str, options: BuildOptions) -> SourceWheel:
        """Build the editable wheel of a directory; errors as of :meth:`wheel`.

        It is of no use without the directory, and must not pass for the project's wheel: it is
        never stored.
        """
        console.detail(f"building {path} in editable mode")
        wheels = os.path.join(self._new_place(), "wheel")
        built = build_editable(path, wheels, python=self._python, options=options)
        return SourceWheel(read_wheel_metadata(built.path), built)

    def sdist(self, path: str, options: BuildOptions) -> BuiltDistribution:
        """Build the sdist of a directory; errors as of :meth:`wheel`."""
        return self._sdist(path, self._new_place(), options)

    def _sdist(self, path: str, place: str, options: BuildOptions) -> BuiltDistribution:
        console.detail(f"building the sdist of {path}")
        sdists = os.path.join(place, "sdist")
        return build_sdist(path, sdists, python=self._python, options=options)

    def _from_its_sdist(self, path: str, place: str, options: BuildOptions) -> SourceWheel:
        sdist = self._sdist(path, place, options)
        source = self._unpack(sdist.path, place)
        name = os.path.basename(sdist.path)
        console.detail(f"building {name}")
        try:
            wheel = self._wheel(source, place, options)
        except BuildError as error:
            raise BuildError(
                f"{path} cannot be built from its sdist {name}: {error.problem}",
                advice="; ".join(filter(None, ["the sdist may lack files", error.advice])),
                output=error.output,
            ) from error
        both = replace(
            wheel.built,
            seconds=sdist.seconds + wheel.built.seconds,
            provision_seconds=sdist.provision_seconds + wheel.built.provision_seconds,
        )
        return SourceWheel(wheel.metadata, both)

    def _wheel(self, source: str, place: str, options: BuildOptions) -> SourceWheel:
        wheels = os.path.join(place, "wheel")
        built = build_wheel(source, wheels, python=self._python, options=options)
        metadata = read_wheel_metadata(built.path)
        if self._stored_wheels:
            with phase("store"):
                stored = store_wheel(built.path, self._stored_wheels)
            console.detail(f"stored {stored}")
        return SourceWheel(metadata, built)

    def _unpack(self, sdist: str, place: str) -> str:
        from sagepip.build.archive import unpack_sdist

        with phase("sdist", os.path.basename(sdist)):
            return unpack_sdist(sdist, self._work.of_source(sdist, os.path.join(place, "source")))

    def _new_place(self) -> str:
        self._number += 1
        place = self._work.path(f"build-{self._number}")
        os.mkdir(place)
        return place
