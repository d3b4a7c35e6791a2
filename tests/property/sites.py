"""Random sites with distributions, neighbours and what nobody owns, and random changes of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hypothesis import strategies as st

from sagepip.ground.destination import Destination
from sagepip.ground.target_python import TargetPython
from sagepip.transaction.observation import SiteObservation
from sagepip.transaction.planner import Planner
from sagepip.transaction.staging_area import StagedDistribution, StagingArea
from sagepip.transaction.steps import Plan
from sagepip.transaction.uninstall_planner import UninstallPlanner
from tests.wheels import digest

PYTHON = TargetPython.running()
LONG_AGO = 1_000_000_000 * 10**9
"""The time of everything in a site: the planner need not wait for the clock, and what is told
apart is told apart by its inode."""


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    target: str


Files = Mapping[str, str | Link | None]
"""Contents by path: below ``site/`` modules, otherwise below the prefix; None: a directory."""


@dataclass(frozen=True)
class Distribution:
    """A distribution, to be written into a live or a staged tree.

    Attributes:
        name: its name.
        version: its version.
        files: what it consists of.
        is_compiled: whether its modules have bytecode, which RECORD lists.
    """

    name: str
    version: str
    files: Files
    is_compiled: bool

    @property
    def dist_info(self) -> str:
        """The name of its metadata directory."""
        return f"{self.name}-{self.version}.dist-info"

    def members(self, site: str, prefix: str) -> dict[str, str | Link | None]:
        """Return all its files with their content, RECORD included, by absolute path."""
        members = dict(self.files)
        if self.is_compiled:
            for path in [path for path in self.files if path.endswith(".py")]:
                members[_bytecode(path, 311)] = f"compiled {self.files[path]}"
        members[f"site/{self.dist_info}/METADATA"] = (
            f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n"
        )
        located = {locate(path, site, prefix): content for path, content in members.items()}
        rows = [f"{self.dist_info}/RECORD,,\n"]
        for path, content in located.items():
            known = isinstance(content, str)
            data = str(content).encode()
            tail = f"{digest(data)},{len(data)}" if known else ","
            rows.append(f"{os.path.relpath(path, site)},{tail}\n")
        located[os.path.join(site, self.dist_info, "RECORD")] = "".join(rows)
        return located


@dataclass(frozen=True)
class Case:
    """A site and a change of it.

    Attributes:
        installed: what is installed.
        foreign: what nobody owns.
        staged: what to install.
        removed: otherwise, the names of what to uninstall.
        exchange: whether two names can be exchanged.
    """

    installed: tuple[Distribution, ...]
    foreign: Files
    staged: tuple[Distribution, ...] = ()
    removed: tuple[str, ...] = ()
    exchange: bool = True

    @property
    def changed(self) -> set[str]:
        """The names of the distributions that the change is about."""
        return set(self.removed) | {one.name for one in self.staged}

    @property
    def changes_kind(self) -> bool:
        """Whether a file of an old version becomes a directory, or the reverse."""
        new = {path for one in self.staged for path in one.files}
        old = {path for one in self.installed if one.name in self.changed for path in one.files}
        return any(
            first.startswith(second + "/") or second.startswith(first + "/")
            for first in new
            for second in old
        )


def locate(path: str, site: str, prefix: str) -> str:
    """Return the absolute path of a path in :data:`Files`."""
    kind, _, rest = path.partition("/")
    return os.path.join(site, rest) if kind == "site" else os.path.join(prefix, path)


def write(path: str, content: str | Link | None) -> None:
    """Make a file, link or directory with the directories above it."""
    if content is None:
        os.makedirs(path, exist_ok=True)
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if isinstance(content, Link):
        os.symlink(content.target, path)
        return
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(content)
    os.chmod(path, 0o755 if os.path.basename(path) in ("t", "c.py") else 0o640)


def settle(top: str) -> None:
    """Give everything below a directory the same old time, and some directories odd modes."""
    for above, directories, files in os.walk(top):
        for name in files:
            os.utime(os.path.join(above, name), ns=(LONG_AGO, LONG_AGO), follow_symlinks=False)
        for name in directories:
            path = os.path.join(above, name)
            if not os.path.islink(path):
                os.chmod(path, 0o750 if name == "b" else 0o755)
    for above, _, _ in os.walk(top):
        os.utime(above, ns=(LONG_AGO, LONG_AGO))


def build(case: Case, destination: Destination) -> None:
    """Make the live tree of a case."""
    site, prefix = destination.site, destination.scheme.data
    written: set[str] = set()
    for one in case.installed:
        for path, content in one.members(site, prefix).items():
            if path not in written:  # two may list the same file
                write(path, content)
                written.add(path)
    for name, content in case.foreign.items():
        write(locate(name, site, prefix), content)
    settle(prefix)


def stage(
    distributions: Iterable[Distribution], destination: Destination, area: StagingArea
) -> list[StagedDistribution]:
    """Write distributions into a staging area, as the unpacking of wheels leaves them."""
    staged = []
    for one in distributions:
        files = set()
        for path, content in one.members(destination.site, destination.scheme.data).items():
            live = area.locate(path, one.dist_info)
            parent, name = os.path.split(live)
            waiting = area.claim(parent + os.sep, name, one.name)
            if waiting is not None:
                write(waiting, content)
            files.add(live)
        metadata = os.path.join(destination.site, one.dist_info)
        staged.append(StagedDistribution(one.name, one.version, metadata, frozenset(files)))
    settle(area.directory)
    return staged


def make_plan(case: Case, destination: Destination, area: StagingArea) -> Plan:
    """Stage what a case wants and plan its change with the real planners."""
    directories = destination.metadata_directories
    if case.removed:
        return UninstallPlanner(
            area, lambda: SiteObservation(directories, case.removed, area.territory)
        ).plan()
    return Planner(area, stage(case.staged, destination, area), directories).plan()


# Few names, so that versions, neighbours and foreign files meet.
_parts = st.sampled_from(["a", "b", "ns", "c.py", "d.txt"])
_modules = st.lists(_parts, min_size=1, max_size=3).map(lambda parts: "/".join(["site", *parts]))
_elsewhere = st.sampled_from(
    ["site/p.pth", "site/q.pth", "bin/t", "bin/u", "share/a/x", "share/b", "share/b/y", "etc/x"]
)
_paths = st.one_of(_modules, _modules, _modules, _elsewhere)
_contents: st.SearchStrategy[str | Link] = st.sampled_from(
    ["", "# one\n", "# one\n", "# two\n", Link("c.py"), Link("a")]
)
_nobodys: st.SearchStrategy[str | Link | None] = st.one_of(_contents, st.none())


def _bytecode(path: str, version: int) -> str:
    parent, name = os.path.split(path)
    return f"{parent}/__pycache__/{name.removesuffix('.py')}.cpython-{version}.pyc"


def _without_clashes(files: Files, others: Iterable[Files], *, shared: bool) -> Files:
    """Leave out what cannot lie beside others, or is theirs with another content."""
    kept: dict[str, str | Link | None] = {}
    for path, content in files.items():
        theirs = [*others, kept]
        if any(
            other.startswith(path + "/") or path.startswith(other + "/")
            for one in theirs
            for other in one
        ):
            continue
        if all(path not in one or (shared and one[path] == content) for one in theirs):
            kept[path] = content
    return kept


@st.composite
def _distributions(
    draw: st.DrawFn, identities: list[tuple[str, str]], others: list[Files]
) -> tuple[Distribution, ...]:
    made = []
    known = list(others)
    for name, version in identities:
        wanted = dict(draw(st.lists(st.tuples(_paths, _contents), max_size=8)))
        files = _without_clashes(wanted, known, shared=True)
        known.append(files)
        made.append(Distribution(name, version, files, draw(st.booleans())))
    return tuple(made)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Return sites with up to four distributions, and an installation or uninstallation."""
    identity = st.tuples(st.sampled_from(["one", "two", "far"]), st.sampled_from(["1", "2"]))
    identities = draw(st.lists(identity, min_size=1, max_size=4, unique=True))
    operation = draw(st.sampled_from(["install", "install", "install", "uninstall"]))
    installed = draw(_distributions(identities, []))
    modules = [p for one in installed for p in one.files if p.startswith("site/")]
    sources = [path for path in modules if path.endswith(".py")]
    nobodys = dict(draw(st.lists(st.tuples(_paths, _nobodys), max_size=4)))
    has_unlisted = draw(st.booleans())
    if sources and has_unlisted:
        nobodys[_bytecode(draw(st.sampled_from(sources)), 399)] = "unlisted"
    foreign = _without_clashes(nobodys, [one.files for one in installed], shared=False)
    exchange = draw(st.booleans())
    names = sorted({one.name for one in installed})
    if operation == "uninstall":
        removed = tuple(draw(st.lists(st.sampled_from(names), min_size=1, unique=True)))
        return Case(installed, foreign, removed=removed, exchange=exchange)
    wanted = draw(st.lists(identity, min_size=1, max_size=2, unique_by=lambda one: one[0]))
    changed = {name for name, _ in wanted}
    stay = [one.files for one in installed if one.name not in changed]
    # Most changes are possible: what a neighbour or nobody has is rarely claimed.
    is_polite = draw(st.sampled_from([True, True, False]))
    staged = draw(_distributions(wanted, [*stay, foreign] if is_polite else []))
    return Case(installed, foreign, staged=staged, exchange=exchange)
