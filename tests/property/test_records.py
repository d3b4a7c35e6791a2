"""Whatever a RECORD says: what goes is what a model allows, or nothing is changed at all."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hypothesis import event, given, settings
from hypothesis import strategies as st

from sagepip.ground.destination import Destination, find_destination
from sagepip.ground.errors import ConflictError, SagepipError
from sagepip.operations.uninstall import UninstallRequest, uninstall
from sagepip.transaction.planner import Planner
from sagepip.transaction.territory import Territory
from sagepip.transaction.transaction import begin_transaction
from tests.property.sites import PYTHON, Distribution, Link, locate, settle, stage, write
from tests.property.trees import Tree, snapshot

EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "100"))

# What a RECORD may claim for its distribution: modules, scripts, and data of the right size.
CLAIMABLE = {
    "site/s/c.py": "module\n",
    "site/s/d.txt": "data of a package\n",
    "site/s/sub/e.py": "",
    "site/s/odd, 'name.txt": "comma\n",
    'site/s/"quoted".txt': "quotes\n",
    "site/s/ü.py": "umlaut\n",
    "site/top.py": "module\n",
    "site/top.pth": "# nothing\n",
    "site/n/c.py": "of the neighbour, maybe\n",
    "site/n/d.txt": "of the neighbour, maybe\n",
    "bin/tool": "#!/bin/sh\n",
    "share/x": "data\n",
    "share/doc/y": "more data\n",
}
# What none may, be it listed or not.
PRECIOUS = {
    "site/.sagepip/precious": "x",
    "site/other-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: other\nVersion: 1\n",
    "site/legacy.egg-info": "Name: legacy\n",
    "bin/python3": "interpreter",
    "bin/python": "interpreter",
    "pyvenv.cfg": "home = /usr/bin\n",
    "../outside/secret": "x",
    "../outside/src/m.py": "a source tree that site-packages links to",
}
LINKS = {
    "site/dev": "../../../../outside/src",
    "lib64": "lib",
    "man": "share",
}
CLAIMABLE_LINKS = ("site/dev", "lib64")
# Bytecode that no RECORD lists, of these modules.
MODULES = ("site/s/c.py", "site/s/sub/e.py", "site/top.py", "site/n/c.py")
DIRECTORIES = ("site/s", "site/s/sub", "site/n", "site", "share", "bin", "", "..", "../outside")
OWN = "subject-1.dist-info"
SPELLINGS = (
    *("plain", "dot", "double", "inner", "detour", "own", "absolute", "absolute odd"),
    *("prefix", "lib64", "man", "dev", "quoted", "slash"),
)


@dataclass(frozen=True)
class Row:
    """A row of a RECORD.

    Attributes:
        target: what it means, as in the tables above.
        spelling: how it says so.
        stated: whether hash and size are right, absent, or wrong.
    """

    target: str
    spelling: str
    stated: str

    def text(self, site: str, prefix: str) -> str:
        """Return the line without its end."""
        path = os.path.normpath(locate(self.target, site, prefix))
        spelt = _spell(path, self.spelling, site, prefix)
        tail = {"right": ("sha256=x", _size(path)), "wrong": ("sha256=x", _size(path) + 1)}
        stream = io.StringIO()
        fields = (spelt, *tail.get(self.stated, ("", "")))
        if self.spelling == "quoted":
            csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="").writerow(fields)
        else:
            csv.writer(stream, lineterminator="").writerow(fields)
        return stream.getvalue()


def _spell(path: str, spelling: str, site: str, prefix: str) -> str:
    """Write an absolute path in one of many ways; a way that does not lead there is not taken."""
    relative = os.path.relpath(path, site)
    below = os.path.relpath(path, prefix)
    up = os.path.relpath(prefix, site)
    if spelling == "dev" and path.endswith("/outside/src/m.py"):
        return "dev/m.py"  # through a link of site-packages
    if spelling == "man" and below.startswith("share/"):
        return f"{up}/man/{below.removeprefix('share/')}"
    if spelling == "lib64" and below.startswith("lib/"):
        return f"{up}/lib64/{below.removeprefix('lib/')}"
    spelt = {
        "dot": f"./{relative}",
        "double": relative.replace("/", "//", 1),
        "inner": relative.replace("/", "/./", 1),
        "detour": f"nowhere/../{relative}",
        "own": f"{OWN}/../{relative}",
        "absolute": path,
        "absolute odd": path.replace("/", "/./", 2),
        "prefix": f"{up}/{below}",
        "slash": f"{relative}/",
    }
    return spelt.get(spelling, relative)


def _size(path: str) -> int:
    return os.lstat(path).st_size if os.path.lexists(path) else 0


@dataclass(frozen=True)
class World:
    """A site with a subject whose RECORD is hostile, and a neighbour whose RECORD is odd.

    Attributes:
        rows: of the subject's RECORD.
        neighbours: of the neighbour's.
        own: whether the subject's RECORD lists its own metadata.
        line_end: of the subject's RECORD.
    """

    rows: tuple[Row, ...]
    neighbours: tuple[Row, ...]
    own: bool
    line_end: str

    def build(self, destination: Destination, damage: bytes = b"") -> None:
        """Make it."""
        site, prefix = destination.site, destination.scheme.data
        for path, content in {**CLAIMABLE, **PRECIOUS}.items():
            write(os.path.normpath(locate(path, site, prefix)), content)
        for path, target in LINKS.items():
            os.symlink(target, locate(path, site, prefix))
        for path in MODULES:
            write(locate(_bytecode(path), site, prefix), f"compiled {path}")
        metadata = "Metadata-Version: 2.1\nName: {}\nVersion: 1\n"
        write(os.path.join(site, OWN, "METADATA"), metadata.format("subject"))
        theirs = os.path.join(site, "neighbour-1.dist-info")
        write(os.path.join(theirs, "METADATA"), metadata.format("neighbour"))
        lines = [row.text(site, prefix) for row in self.neighbours]
        write(os.path.join(theirs, "RECORD"), "".join(f"{line}\n" for line in lines))
        lines = [row.text(site, prefix) for row in self.rows]
        if self.own:
            lines += [f"{OWN}/METADATA,,", f"{OWN}/RECORD,,"]
        with open(os.path.join(site, OWN, "RECORD"), "wb") as stream:
            stream.write(damage + self.line_end.join(lines).encode())
        settle(os.path.dirname(prefix))

    def claimed(self) -> set[str]:
        """Return what the subject's RECORD makes its own."""
        theirs = {row.target for row in self.neighbours}
        found = set()
        for row in self.rows:
            is_data = not row.target.startswith(("site/", "bin/"))
            if row.target in (*CLAIMABLE, *CLAIMABLE_LINKS) and (
                not is_data or row.stated == "right"
            ):
                found.add(row.target)
        return found - theirs

    def going(self) -> set[str]:
        """Return what goes with the subject: also unlisted bytecode and its metadata."""
        claimed = self.claimed()
        bytecode = {_bytecode(path) for path in MODULES if path in claimed}
        return claimed | bytecode | {f"site/{OWN}/METADATA", f"site/{OWN}/RECORD"}


def _bytecode(path: str) -> str:
    parent, name = os.path.split(path)
    return f"{parent}/__pycache__/{name.removesuffix('.py')}.cpython-399.pyc"


_targets = st.sampled_from(
    [*CLAIMABLE, *CLAIMABLE, *PRECIOUS, *CLAIMABLE_LINKS, "site/s/absent.py", *DIRECTORIES]
)
_spellings = st.sampled_from(SPELLINGS)
_rows = st.builds(Row, _targets, _spellings, st.sampled_from(["right", "right", "absent", "wrong"]))
_worlds = st.builds(
    World,
    st.lists(_rows, max_size=12).map(tuple),
    st.lists(
        st.builds(Row, st.sampled_from([*CLAIMABLE]), _spellings, st.just("right")), max_size=4
    ).map(tuple),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
)
_damages = st.sampled_from(
    [
        b"no fields\n",
        b",,\n",
        b"top.py,sha256=x,many\n",
        b"top.py,sha256=x,-1\n",
        b"top.py,sha256=x,\xc2\xb2\n",
        b'"top.py,,\n',
        b"a\0/b.py,,\n",
        b"top\0.py,,\n",
        b"\0,,\n",
        b"../\0/x,sha256=x,1\n",
        b"/\0,,\n",
        b"\xff\xfe/\xff.py,,\n",
        b"top.py,,\x0bx,,\n",
        b"x" * 5000 + b"/y,,\n",
        b"../" * 2000 + b"y,,\n",
    ]
)


@contextmanager
def made(world: World, damage: bytes = b"") -> Iterator[tuple[Destination, str, Tree]]:
    """Build a world; yield where, its top directory, and all that is in it."""
    with tempfile.TemporaryDirectory() as directory:
        top = os.path.realpath(directory)
        destination = find_destination(PYTHON, prefix=os.path.join(top, "prefix"))
        world.build(destination, damage)
        yield destination, top, snapshot(top)


def now(top: str, destination: Destination) -> Tree:
    """Return the tree but for the lock, which stays."""
    state = os.path.join(destination.site, ".sagepip")
    locks = [os.path.join(state, name) for name in ("lock", "gate")]
    return {path: node for path, node in snapshot(top).items() if path not in locks}


def without(tree: Tree, gone: set[str], destination: Destination) -> Tree:
    """Return a tree without some files, and without directories that are emptied by that."""
    site, prefix = destination.site, destination.scheme.data
    left = dict(tree)
    kept = {site, os.path.join(prefix, "bin"), prefix}
    for name in gone:
        path = locate(name, site, prefix)
        left.pop(path, None)
        above = os.path.dirname(path)
        while above not in kept and above in left:
            if any(other.startswith(above + os.sep) for other in left):
                break
            del left[above]
            above = os.path.dirname(above)
    return left


@settings(max_examples=EXAMPLES, deadline=None)
@given(world=_worlds)
def test_uninstall_takes_what_the_model_allows(world: World) -> None:
    """What is listed and may be, its bytecode, the metadata, emptied directories; nothing else."""
    with made(world) as (destination, top, before):
        uninstall(UninstallRequest(("subject",), destination))
        assert now(top, destination) == without(before, world.going(), destination)


@settings(max_examples=EXAMPLES, deadline=None)
@given(world=_worlds, damage=_damages)
def test_damaged_record_is_refused_or_understood(world: World, damage: bytes) -> None:
    """A RECORD that makes no sense changes nothing, or what is left of it is followed."""
    with made(world, damage) as (destination, top, before):
        try:
            uninstall(UninstallRequest(("subject",), destination))
        except SagepipError:
            event("refused")
            assert now(top, destination) == before
            return
        after = now(top, destination)
        going = world.going() | {"site/top.py", _bytecode("site/top.py")}
        theirs = {row.target for row in world.neighbours}
        if "site/top.py" in theirs:
            going -= {"site/top.py", _bytecode("site/top.py")}
        assert without(before, going, destination).items() <= after.items() <= before.items()


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    world=_worlds,
    wanted=st.sets(st.sampled_from(["site/new/z.py", "site/s/c.py", "site/n/d.txt", "bin/tool"])),
    same=st.booleans(),
)
def test_upgrade_takes_what_the_model_allows(world: World, wanted: set[str], same: bool) -> None:
    """As above, while a new version comes; it is refused where it needs what is not its own."""
    claimed = world.claimed()
    files: dict[str, str | Link | None] = {
        path: CLAIMABLE.get(path, "") if same else "# new\n" for path in wanted
    }
    new = Distribution("subject", "2", files, False)
    in_the_way = wanted & CLAIMABLE.keys() - claimed
    with made(world) as (destination, top, before):
        try:
            with begin_transaction(destination.site, Territory.of(destination)) as transaction:
                directories = destination.metadata_directories
                staged = stage([new], destination, transaction.area)
                planner = Planner(transaction.area, staged, directories)
                transaction.commit(
                    planner.plan,
                    planner.still_current,
                    "install subject 2",
                    lock_timeout=None,
                    discard_lock=False,
                )
        except ConflictError:
            event("refused")
            assert in_the_way
            assert not same
            assert now(top, destination) == before
            return
        assert same or not in_the_way
        site, prefix = destination.site, destination.scheme.data
        members = new.members(site, prefix)
        after = now(top, destination)
        left = without(before, world.going() - wanted, destination)
        expected = {path for path, node in left.items() if not node.is_directory}
        # Unlisted bytecode of a module that is replaced: the interpreter sees that it is stale.
        stale = {locate(_bytecode(path), site, prefix) for path in claimed & wanted}
        found = {path for path, node in after.items() if not node.is_directory} - stale
        assert found == (expected | members.keys()) - stale
        # What stays is untouched; what was in the way with the same content is left as it was.
        replaced = members.keys() - {locate(path, site, prefix) for path in in_the_way}
        for path in found:
            if path in replaced:
                assert after[path].content == str(members[path]).encode()
            else:
                assert after[path] == before[path]
