"""What is resolved without pip is what pip says, in the same order.

``PROPERTY_EXAMPLES`` says how many wheelhouses are tried.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, event, given, note, settings
from hypothesis import strategies as st

from sagepip.build import resolution
from sagepip.build.sources import PackageSources
from sagepip.ground.target_python import TargetPython
from tests.wheels import make_wheel

RUNNING = TargetPython.running()
EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "100"))
PLATFORM = next(one for one in RUNNING.tags if one.startswith("cp") and "linux" in one)

Answer = list[tuple[str, str, str, str, bool]]


class LeftToPip(Exception):
    """There is no answer without it."""


class Wheel(NamedTuple):
    """A wheel of a generated wheelhouse."""

    project: int
    version: str
    tag: str
    needs: tuple[str, ...]
    python: str
    metadata: str
    place: int


class Wish(NamedTuple):
    """A wheelhouse and what is asked of it."""

    wheels: list[Wheel]
    sdists: list[tuple[int, str, int]]
    requirements: list[str]
    constraints: list[str]
    no_deps: bool
    prefer_binary: bool


# The later ones are needed by the earlier ones, mostly; spelt in several ways.
PROJECTS = (("app", "App"), ("b.lib", "B-Lib", "b_lib"), ("c", "C"), ("d-e", "D.e"), ("f", "F"))
# What pip is seldom asked of comes first; what it has to be asked of is rare.
VERSIONS = ("1.0", "1.1", "2.0", "1.0.post1", "2.0+local", "1", "2.0rc1", "3.0.dev1")
TAGS = ("py3-none-any", "py2.py3-none-any", "cp27-cp27m-win32", PLATFORM, "1-py3-none-any")
SPECIFIERS = (
    *("", ">=1", ">=1.0", "!=1.1,>=1", "<9", ">=1.0,!=3", "~=1.0", ">1.0", "==2.*", ">=1.1"),
    *("<2", "==2.0", "==1.*", "<=2.0", "==1.0", ">=2.0rc1", "===2.0"),
)
EXTRAS = ("", "[x]", "[y]", "[X,y]", "[z]")
MARKERS = (
    *("", '; python_version >= "3.8"', '; extra == "x"', '; sys_platform == "win32"'),
    *('; extra == "X" and python_version > "3"', '; extra == "y" or os_name == "posix"'),
)
PYTHONS = ("", ">=3.8", ">=3.6,<4", "<3", "nonsense")
ODD = ("", "Provides-Extra: z\n", "no field\n", "Requires-Dist: ?\n", "Name: other\n")


class Chance:
    """Draws wheelhouses: hypothesis draws but the seed, as it would mostly draw tiny ones.

    Args:
        seed: of all that is drawn.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        # Of the calm ones most can be resolved without pip.
        self._often = self._random.choice((0.6, 0.9, 0.98))

    def wish(self) -> Wish:
        """Draw a wheelhouse in two directories, and what is asked of it."""
        draw = self._random
        found = []
        for project in range(len(PROJECTS)):
            versions = {self._one_of(VERSIONS, 3) for _ in range(draw.randint(1, 3))}
            found += [self._wheel(project, version) for version in sorted(versions)]
            if self._seldom():
                found.append(self._wheel(project, draw.choice((*sorted(versions), "2.0"))))
        sdists = [(draw.randrange(5), self._one_of(VERSIONS, 3), draw.randrange(2))]
        asked = self._requirements(0, 3) + (self._requirements(0, 2) if self._seldom() else ())
        constraint = PROJECTS[draw.randrange(5)][0] + self._one_of(SPECIFIERS, 7)
        return Wish(
            found,
            sdists if self._seldom() else [],
            list(asked) or ["app"],
            [constraint] if self._seldom() else [],
            self._seldom(),
            draw.random() < 0.5,
        )

    def _wheel(self, project: int, version: str) -> Wheel:
        lowest = 0 if self._seldom() else project + 1  # seldom a circle
        return Wheel(
            project,
            version,
            self._one_of(TAGS, 2),
            self._requirements(lowest, 3),
            self._one_of(PYTHONS, 2),
            self._one_of(ODD, 1),
            int(self._seldom()),
        )

    def _requirements(self, lowest: int, most: int) -> tuple[str, ...]:
        below = range(lowest, len(PROJECTS))
        chosen = self._random.sample(below, min(len(below), self._random.randint(0, most)))
        return tuple(
            self._random.choice(PROJECTS[one])
            + self._one_of(EXTRAS, 2 if self._random.random() < 0.3 else 1)
            + self._one_of(SPECIFIERS, 6)
            + self._one_of(MARKERS, 3)
            for one in chosen
        )

    def _one_of(self, choices: Sequence[str], usual: int) -> str:
        return self._random.choice(choices if self._seldom() else choices[:usual])

    def _seldom(self) -> bool:
        return self._random.random() > self._often


def build(wish: Wish, root: Path) -> PackageSources:
    """Write the wheelhouse."""
    for one in wish.wheels:
        name = PROJECTS[one.project][0].replace(".", "_").replace("-", "_")
        extra = f"Requires-Python: {one.python}\n" if one.python else ""
        extra += f"Provides-Extra: x\nProvides-Extra: Y\n{one.metadata}"
        build_number, dash, tag = one.tag.rpartition("1-py")
        place, tag = root / f"house{one.place}", f"py{tag}" if dash else one.tag
        path = make_wheel(place, name, one.version, {f"{name}.py": ""}, tag=tag,
                          requires=one.needs, metadata=extra)  # fmt: skip
        if dash:
            path.rename(path.with_name(f"{name}-{one.version}-{build_number}1-{tag}.whl"))
    for project, version, number in wish.sdists:
        (root / f"house{number}").mkdir(exist_ok=True)
        (root / f"house{number}" / f"{PROJECTS[project][0]}-{version}.tar.gz").write_bytes(b"")
    (root / "constraints.txt").write_text("".join(f"{one}\n" for one in wish.constraints))
    houses = tuple(str(root / f"house{number}") for number in range(2))
    return PackageSources(find_links=houses, no_index=True, prefer_binary=wish.prefer_binary)


def ask_pip(wish: Wish, root: Path, sources: PackageSources) -> Answer | None:
    """Have pip resolve in this process; None if it refuses."""
    from pip._internal.cli.main import main

    report = root / "report.json"
    words = ["--isolated", "install", "--dry-run", "--ignore-installed", "--no-index", "--quiet"]
    words += ["--disable-pip-version-check", "--report", str(report)]
    words += [f"--find-links={one}" for one in sources.find_links]
    words += ["--constraint", str(root / "constraints.txt")]
    words += ["--no-deps"] * wish.no_deps + ["--prefer-binary"] * wish.prefer_binary
    handlers = logging.getLogger().handlers[:]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        status = main([*words, *wish.requirements])
    logging.getLogger().handlers[:] = handlers
    if status != 0:
        return None
    return [
        (
            one["metadata"]["name"],
            one["metadata"]["version"],
            one["download_info"]["url"],
            one["download_info"]["archive_info"]["hashes"]["sha256"],
            one["requested"],
        )
        for one in json.loads(report.read_text())["install"]
    ]


def answer(wish: Wish, root: Path, sources: PackageSources) -> Answer | None:
    """Resolve without pip."""
    try:
        found = resolution.resolve(
            wish.requirements,
            python=RUNNING,
            sources=sources,
            ignore_installed=True,
            constraints=[str(root / "constraints.txt")],
            no_deps=wish.no_deps,
            download_directory="",
        )
    except LeftToPip:
        return None
    return [(one.name, one.version, one.url, one.sha256 or "", one.requested) for one in found]


@contextlib.contextmanager
def directory() -> Iterator[Path]:
    """Give a directory whose name was never used: pip remembers what was in one."""
    root = Path(tempfile.mkdtemp(prefix="sagepip-plain-"))
    try:
        yield root
    finally:
        shutil.rmtree(root)


@pytest.fixture(autouse=True)
def plain_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have pip see none of the user's settings, as where sagepip runs it; which it does not."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)

    def run_pip(*_: object, **__: object) -> None:
        raise LeftToPip

    monkeypatch.setattr(resolution, "run_pip", run_pip)


@settings(
    max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture, *HealthCheck]
)
@given(st.integers(0, 2**32))
def test_as_pip(seed: int) -> None:
    """Where there is an answer, it is pip's: the files, their order, what was asked for."""
    wish = Chance(seed).wish()
    note(str(wish))
    with directory() as root:
        sources = build(wish, root)
        found = answer(wish, root, sources)
        event("left to pip" if found is None else f"{len(found)} wheels")
        if found is not None:
            assert found == ask_pip(wish, root, sources)
