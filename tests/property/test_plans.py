"""Any plan, not only those that the planners make: what is carried out is what a model says."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from sagepip.ground.errors import CommitError
from sagepip.transaction.journal import (
    format_journal,
    read_journal,
    remove_journal,
    write_journal,
)
from sagepip.transaction.steps import (
    DirectoryStamp,
    MakeDirectory,
    Place,
    Plan,
    RemoveDirectory,
    Replace,
    Retire,
    Step,
    Swap,
    Unchanged,
)
from tests.property.interruptions import ERRORS, Commit, no_space
from tests.property.sites import Link, settle, write
from tests.property.trees import Tree, apply, differences, remade, snapshot

EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "100"))
MOST_STEPS = 6
METADATA = "x.dist-info"

_parts = st.sampled_from(["a", "b", "c.py", "d.txt"])
_paths = st.lists(_parts, min_size=1, max_size=3).map("/".join)
_contents = st.sampled_from(["", "# one\n", Link("c.py"), Link("a"), None])
_files = st.lists(st.tuples(_paths, _contents), max_size=6)


class Drafter:
    """Draws the steps of a valid plan, one after the other.

    Valid is what moves each thing once, and nothing that something was moved into: then a step,
    once done, stays so, which is what recovery goes by. A directory is made where there was
    nothing from the beginning.

    Args:
        data: where choices come from.
        top: the directory that holds ``live``, ``new`` and ``trash``.
        tree: everything below it.
    """

    def __init__(self, data: st.DataObject, top: str, tree: Tree) -> None:
        self._data = data
        self._live, self._new = f"{top}/live/", f"{top}/new/"
        self._trash = f"{top}/trash/"
        self._start = tree
        self._tree = tree
        self._settled: set[str] = set()  # what came to where it is by a step
        self.steps: list[Step] = []

    def draw_step(self, *, commits: bool = False) -> bool:
        """Add a step; return whether there is one to be had.

        Args:
            commits: only a step that can be the first of the commit part.
        """
        waiting = [path for path in self._staged() if commits or path != self._new + METADATA]
        absent, replaceable, removable = self._absent(), self._replaceable(), self._removable()
        directories = [path for path in replaceable if self._tree[path].is_directory]
        staged_files, live_files = self._files_of(waiting), self._files_of(replaceable)
        kinds = {
            "place": waiting and absent,
            "swap": waiting and replaceable,
            "retire": removable,
            "replace": staged_files and live_files,
            "vacate": not commits and waiting and replaceable,
            "mkdir": not commits and absent,
            "take apart": not commits and directories,
        }
        possible = [kind for kind, can in kinds.items() if can]
        if not possible:
            return False
        kind = self._data.draw(st.sampled_from(possible))
        if kind == "mkdir":
            self._add(MakeDirectory(self._pick(absent)))
        elif kind == "place":
            self._place(self._pick(waiting), self._pick(absent), vacated=False)
        elif kind == "take apart":
            self._take_apart(self._pick(directories))
        elif kind == "retire":
            self._retire(self._pick(removable))
        elif kind == "replace":  # where two names cannot be exchanged
            staged, live = self._pick(staged_files), self._pick(live_files)
            trash = f"{self._trash}{len(self.steps)}"
            identities = (self._tree[staged].identity, self._tree[live].identity)
            self._add(Replace(staged, live, trash, *identities))
            self._settled |= {trash}
        else:
            staged, live = self._pick(waiting), self._pick(replaceable)
            if kind == "swap":
                identities = (self._tree[staged].identity, self._tree[live].identity)
                self._add(Swap(staged, live, *identities))
                self._settled |= {staged, live}
            else:  # nor can a file have two
                self._retire(live)
                self._place(staged, live, vacated=True)
        return True

    def _place(self, staged: str, live: str, *, vacated: bool) -> None:
        self._add(Place(staged, live, self._tree[staged].identity, retired_by_plan=vacated))

    def _retire(self, live: str) -> None:
        trash = f"{self._trash}{len(self.steps)}"
        by_plan = self._start.get(live) != self._tree[live]
        self._add(Retire(live, trash, self._tree[live].identity, made_by_plan=by_plan))

    def _take_apart(self, directory: str) -> None:
        """Empty and remove what cannot be renamed."""
        for path in sorted(path for path in self._tree if os.path.dirname(path) == directory):
            if self._tree[path].is_directory:
                self._take_apart(path)
            else:
                self._retire(path)
        mode = stat.S_IMODE(self._tree[directory].mode)
        self._add(RemoveDirectory(directory, mode, os.getuid(), os.getgid()))

    def _add(self, step: Step) -> None:
        self.steps.append(step)
        if isinstance(step, MakeDirectory | RemoveDirectory):
            self._settled.add(step.path)
        else:
            self._settled.add(step.target)
        self._tree = apply(self._tree, [step])

    def _files_of(self, paths: list[str]) -> list[str]:
        return [path for path in paths if not self._tree[path].is_directory]

    def _pick(self, paths: list[str]) -> str:
        return self._data.draw(st.sampled_from(paths))

    def _movable(self, path: str) -> bool:
        """Whether nothing in it, nor it itself, has come to where it is by a step."""
        return not any(one == path or one.startswith(path + "/") for one in self._settled)

    def _original(self, path: str) -> bool:
        """Whether neither it nor anything above it has been moved or taken away by a step."""
        return self._tree.get(path) == self._start.get(path) and not any(
            path == one or path.startswith(one + "/") for one in self._settled
        )

    def _staged(self) -> list[str]:
        return sorted(
            path
            for path in self._tree
            if path.startswith(self._new) and self._movable(path) and self._original(path)
        )

    def _removable(self) -> list[str]:
        """Live things, those in a directory that the plan brings included."""
        return sorted(
            path for path in self._tree if path.startswith(self._live) and self._movable(path)
        )

    def _replaceable(self) -> list[str]:
        return [path for path in self._removable() if self._original(path)]

    def _absent(self) -> list[str]:
        """Free live names in directories that were there, or that the plan makes."""
        made = {step.path for step in self.steps if isinstance(step, MakeDirectory)}
        return sorted(
            path
            for parent, node in self._tree.items()
            if node.is_directory
            and (parent + "/").startswith(self._live)
            and (parent in made or self._original(parent))
            for path in (f"{parent}/{name}" for name in ("a", "b", "c.py", "e"))
            if path not in self._tree and path not in self._start
        )


@dataclass(frozen=True)
class Ready:
    """A plan over a small tree.

    Attributes:
        commit: the plan, to be carried out.
        top: the directory of everything but the journal.
        before: what is in it.
    """

    commit: Commit
    top: str
    before: Tree

    def changed(self) -> list[str]:
        """Return what is not as it was before the commit."""
        expected = remade(self.before, self.commit.plan.steps)
        return differences(snapshot(self.top), expected)


@contextmanager
def ready(data: st.DataObject) -> Iterator[Ready]:
    """Draw a tree and a plan over it."""
    with tempfile.TemporaryDirectory() as directory:
        site = os.path.realpath(directory)
        top = os.path.join(site, "top")
        for part in ("live", "new", "trash"):
            os.makedirs(os.path.join(top, part))
            for path, content in data.draw(_files) if part != "trash" else ():
                # What cannot lie beside what is there is left out.
                place = os.path.join(top, part, path)
                if not os.path.lexists(place) and _has_room(place):
                    write(place, content)
        # No step before the commit takes it: there is always one that can be the commit.
        os.mkdir(os.path.join(top, "new", METADATA))
        os.mkdir(os.path.join(site, ".sagepip"))
        settle(top)
        before = snapshot(top)
        drafter = Drafter(data, top, before)
        parts = [data.draw(st.integers(0, MOST_STEPS)) for _ in range(2)]
        for _ in range(parts[0]):
            drafter.draw_step()
        first = len(drafter.steps)
        assume(drafter.draw_step(commits=True))
        for _ in range(parts[1]):
            drafter.draw_step()
        steps = tuple(drafter.steps)
        end = data.draw(st.integers(first + 1, len(steps)))
        relied = _relied(data, before, f"{top}/live")
        plan = Plan(steps[:first], steps[first:end], steps[end:], relied)
        event(f"steps: {len(steps)}")
        yield Ready(Commit(site, plan, os.path.join(site, "journal")), top, before)


def _has_room(path: str) -> bool:
    """Whether all that exists above a path is directories."""
    above = os.path.dirname(path)
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    return os.path.isdir(above) and os.path.realpath(above) == above


def _relied(data: st.DataObject, tree: Tree, live: str) -> tuple[DirectoryStamp | Unchanged, ...]:
    found: list[DirectoryStamp | Unchanged] = []
    for path, node in sorted(tree.items()):
        if not (path + "/").startswith(live + "/") or not data.draw(st.booleans()):
            continue
        if not node.is_directory:
            found.append(Unchanged(path, node.identity))
            continue
        stamp = DirectoryStamp.of(path)
        assert stamp is not None
        found.append(stamp)
    return tuple(found)


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_commit_follows_the_model(data: st.DataObject) -> None:
    """A plan makes of the tree what it makes of a model, itself and as its journal has it."""
    with ready(data) as found:
        commit = found.commit
        site, plan = commit.site, commit.plan
        assert plan.still_holds()
        write_journal(site, format_journal(site, "0", "test", plan), commit.aside, sync=False)
        journal = read_journal(site)
        assert journal is not None
        assert journal.plan == Plan(plan.before, plan.commit, plan.after)
        remove_journal(site)
        commit.run()
        assert differences(snapshot(found.top), apply(found.before, plan.steps)) == []
        assert os.listdir(os.path.join(site, ".sagepip")) == []


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_any_interruption_ends_old_or_new(data: st.DataObject) -> None:
    """Errors are rolled back; after a death all is as before the commit or as after it."""
    with ready(data) as found:
        commit = found.commit
        for call in range(commit.last + 1):
            with pytest.raises(CommitError):
                commit.run({call: no_space()})
            assert found.changed() == []
            if not commit.is_committed_by(call):
                commit.kill(call)
                commit.recover(data.draw(st.integers(0, call + 1)), data.draw(ERRORS)())
                assert found.changed() == []
        late = [call for call in range(commit.last + 1) if commit.is_committed_by(call)]
        commit.kill(data.draw(st.sampled_from(late)))
        commit.recover(data.draw(st.integers(0, commit.last)), data.draw(ERRORS)())
        assert differences(snapshot(found.top), apply(found.before, commit.plan.steps)) == []


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_what_is_relied_on_is_noticed(data: st.DataObject) -> None:
    """A plan holds no more once anything that it relies on has changed, and as long as not."""
    with ready(data) as found:
        plan, live = found.commit.plan, f"{found.top}/live"
        path = data.draw(st.sampled_from(_names(found.before, live)))
        change = data.draw(st.sampled_from(_possible(path)))
        matters = _matters(plan, path, change)
        _alter(path, change, os.path.join(found.commit.site, "aside"))
        event(f"{change}: {'matters' if matters else 'does not matter'}")
        assert plan.still_holds() is not matters


def _names(tree: Tree, live: str) -> list[str]:
    """Return what is in the live tree, and some names that are free in it."""
    there = [path for path in tree if path.startswith(live + "/")]
    parents = [live, *(path for path in there if tree[path].is_directory)]
    free = [f"{parent}/{name}" for parent in parents for name in ("a", "b", "c.py", "e", "f")]
    return sorted({*there, *free})


def _possible(path: str) -> list[str]:
    """Return what may be done to a path."""
    if not os.path.lexists(path):
        return ["create"]
    kinds = ["remove", "replace"]
    if os.path.isfile(path) and not os.path.islink(path):
        kinds.append("rewrite")
    return kinds


def _alter(path: str, change: str, aside: str) -> None:
    """Change one path as another program might."""
    if change == "rewrite":
        with open(path, "w", encoding="utf-8") as stream:
            stream.write("# rewritten\n")
        return
    if change in ("remove", "replace"):
        if change == "replace":
            # A copy: the same to look at, but another.
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.copytree(path, aside, symlinks=True)
            else:
                shutil.copy2(path, aside, follow_symlinks=False)
        os.rename(path, aside + ".gone")
    if change == "replace":
        os.rename(aside, path)
    elif change == "create":
        write(path, "created\n")


def _matters(plan: Plan, path: str, change: str) -> bool:
    """Say whether a change of a path is of anything that a plan relies on."""

    def within(other: str) -> bool:
        return other == path or (change != "rewrite" and other.startswith(path + "/"))

    for one in plan.relied:
        assert isinstance(one, DirectoryStamp | Unchanged)  # nothing is kept here
        if within(one.path) or (
            isinstance(one, DirectoryStamp)
            and change != "rewrite"
            and os.path.dirname(path) == one.path
        ):
            return True
    made = {step.path for step in plan.steps if isinstance(step, MakeDirectory)}
    for step in plan.steps:
        if isinstance(step, Swap | Replace) and within(step.target):
            return True
        if isinstance(step, Retire) and not step.made_by_plan and within(step.source):
            return True
        if isinstance(step, RemoveDirectory) and change == "remove" and within(step.path):
            return True
        if isinstance(step, Place) and not step.retired_by_plan:
            parent = os.path.dirname(step.target)
            if step.target == path or (
                change == "remove" and parent not in made and within(parent)
            ):
                return True
    return False
