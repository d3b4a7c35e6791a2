"""Building a source and installing what it becomes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import cache_from_source
from pathlib import Path

import bench as package
from bench import proof
from bench.building_figures import FLOOR as HOOK_FLOOR
from bench.building_sources import (
    BUILD_REQUIREMENTS,
    SOURCES,
    Prepared,
    Workshop,
    prepare,
    unpack_sources,
)
from bench.building_sources import RunFailed as BuildFailed
from bench.building_trials import Trial, private_environment
from bench.building_ways import Way as BuildWay
from bench.building_ways import ways as build_ways
from bench.environment import copy_into, fetch_wheels
from bench.packages import Source
from bench.performance import build_work
from bench.performance.figures import FLOOR, LIMIT, OURS, PIP, UV, Target
from bench.performance.stage import Bench, Row, Stage, Way
from bench.performance.stopwatch import Cost, RunFailed
from bench.processes import Command

FIRST = "build and install a source, first time"
AGAIN = "build and install a source, again"
WITHOUT = "build and install a source, --no-build-isolation"
GROUPS = (FIRST, AGAIN, WITHOUT)

_COMPILED_C = ("markupsafe",)


@dataclass
class Sources:
    """The sources and what they are built with; made when first needed.

    Attributes:
        bench: what all runs share.
    """

    bench: Bench

    @cached_property
    def workshop(self) -> Workshop:
        """Where builds are prepared."""
        root = self.bench.root / "building"
        root.mkdir()
        copy_into(root / "wheelhouse", fetch_wheels(BUILD_REQUIREMENTS).values())
        script = self.bench.peers.sagepip.scripts / "sage-pip-install"
        return Workshop(root, root / "wheelhouse", self.bench.processes, script)

    def prepared(self, source: Source) -> Prepared:
        """Give a source that is ready to be built."""
        if source not in self._prepared:
            (tree,) = unpack_sources([source], self.workshop.root / "sources").values()
            name = source.pin.name
            home = self.workshop.root / "homes" / name
            env = private_environment(home, self.workshop.root / "caches" / name)
            self._prepared[source] = prepare(source, tree, self.workshop, env)
        return self._prepared[source]

    def provided(self, source: Prepared) -> list[Path]:
        """Give the wheels that a source is built with, which its environment holds."""
        found: list[Path] = []
        for info in proof.metadata_directories(source.ready.site):
            name, version = info.name.removesuffix(".dist-info").split("-")
            found += self.workshop.wheelhouse.glob(f"{name}-{version}-*.whl")
        return found

    @cached_property
    def _prepared(self) -> dict[Source, Prepared]:
        return {}


def _way(sources: Sources, source: Source, build: BuildWay, group: str) -> Way:
    compiled = build.compiles

    def run(stage: Stage) -> Cost:
        prepared = sources.prepared(source)
        caches = stage.root / "caches"
        trial = Trial.lay_out(
            prepared,
            stage.root / "build",
            caches,
            sources.workshop,
            compiling=True,
            isolated=group != WITHOUT,
        )
        try:
            if group == AGAIN and build.has_cache:
                before = Trial.lay_out(
                    prepared, stage.root / "before", caches, sources.workshop, compiling=True
                )
                before.measure(build.run)
            seconds, cpu = trial.measure(build.run)
            trial.check(compiled=compiled)
        except BuildFailed as error:
            raise RunFailed(str(error)) from error
        return Cost(cpu, seconds, 0)

    return Way(FLOOR if build.key == HOOK_FLOOR else build.key, run)


def _least(sources: Sources, source: Source, group: str) -> Way:
    """The least work, both hooks included (:mod:`bench.performance.build_work`)."""
    interpreter = sources.bench.peers.sagepip.python
    start = build_work.START.format(str(Path(package.__path__[0]).parent))

    def work(trial: Trial, ready: Path | str = "") -> None:
        scratch = trial.root / "scratch"
        scratch.mkdir()
        python = trial.source.ready.python if trial.isolated else trial.venv.python
        wheels = sources.provided(trial.source) if group == FIRST else []
        isolated = "isolated" if trial.isolated else ""
        words: Command = [trial.directory, python, trial.venv.site, scratch, ready, isolated]
        trial.run([interpreter, "-I", "-c", start, *words, *wheels])

    def run(stage: Stage) -> Cost:
        prepared = sources.prepared(source)

        def trial_in(name: str) -> Trial:
            return Trial.lay_out(
                prepared,
                stage.root / name,
                stage.root / "caches",
                sources.workshop,
                compiling=True,
                isolated=group != WITHOUT,
            )

        trial, ready = trial_in("build"), Path()
        try:
            if group == AGAIN:
                before = trial_in("before")
                work(before)
                ready = before.venv.site
                # Of a module that has changed nothing is known.
                Path(cache_from_source(ready / prepared.module)).unlink()
            seconds, cpu = trial.measure(lambda one: work(one, ready if group == AGAIN else ""))
            trial.check(compiled=True)
        except BuildFailed as error:
            raise RunFailed(str(error)) from error
        return Cost(cpu, seconds, 0)

    return Way(LIMIT, run)


def rows(bench: Bench) -> Iterator[Row]:
    """Give all rows about sources."""
    sources = Sources(bench)
    wanted = (OURS, PIP, UV, HOOK_FLOOR)
    chosen = [way for way in build_ways(bench.peers.uv) if way.key in wanted]
    for group in GROUPS:
        for source in SOURCES:
            name = source.pin.name
            if group == FIRST:
                targets = [Target("cpu", 0.3, PIP), Target("cpu", 0.6, UV)]
            else:
                limit = 0.3 if name in _COMPILED_C else 0.2
                targets = [Target("cpu", limit, PIP), Target("cpu", 0.5, UV)]
                targets.append(Target("cpu", 1.15, FLOOR))
            ways = [_way(sources, source, build, group) for build in chosen]
            ways.append(_least(sources, source, group))
            label = f"{name} ({source.backend})"
            yield Row(group, label, ways, targets, name == "mdurl" and group != FIRST)
