"""Isolated build environments: virtual environments that hold build requirements alone.

An environment is made once for what pip chose, and kept in the cache; builds share it, and it is
looked over before and after each of them: what a build did to it reaches no other.
"""

from __future__ import annotations

import os

from sagepip.build.assembly import assemble
from sagepip.build.cache import Cache, interpreter_key, key_of, make_once, take_away
from sagepip.build.cache_notes import mark_used, note_size
from sagepip.build.members import Member, describe
from sagepip.build.tree_stamps import ChangedTree, break_seal, find_change, seal
from sagepip.build.unpacked_wheels import is_sound
from sagepip.ground import console
from sagepip.ground.errors import BuildError
from sagepip.ground.filesystem import remove_tree
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.target_python import TargetPython
from sagepip.transaction.owner_mark import seize_directory, share_directory

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from sagepip.build.tree_stamps import Stamp

_TRIES = 4


@dataclass(frozen=True)
class BuildEnvironment:
    """A virtual environment for builds.

    Attributes:
        path: its directory.
    """

    path: str

    @property
    def python_executable(self) -> str:
        """The interpreter of the environment."""
        return os.path.join(self.path, "bin", "python")

    def make_extra_environ(self) -> dict[str, str]:
        """Return the variables that make programs of the environment be found first."""
        path = os.environ.get("PATH", os.defpath)
        return {"PATH": os.path.join(self.path, "bin") + os.pathsep + path}


class EnvironmentUse:
    """The use of environments by one build; ends with the ``with`` statement.

    Args:
        cache: where environments are kept; None to make private ones.
        workspace: a private directory, which is removed with all in it after the build.
        python: the interpreter whose likeness they are.
        project: what is built, for messages.

    Attributes:
        has_made: whether it made an environment in the cache.
    """

    def __init__(
        self, cache: Cache | None, workspace: str, *, python: TargetPython, project: str
    ) -> None:
        self._cache = cache
        self._workspace = workspace
        self._python = python
        self._project = project
        self._interpreter = interpreter_key(python)
        self._held: dict[str, int] = {}
        self.has_made = False
        self._number = 0

    def __enter__(self) -> EnvironmentUse:
        """Begin; nothing is made yet."""
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Look what the build has done to the cached environments, and give them back."""
        for path, descriptor in self._held.items():
            if changed := find_change(path):
                break_seal(path)
                console.warn(
                    f"{self._project}: {changed} of the build environment {path} was changed "
                    "during the build, by it or by another that shares it; the environment is not "
                    "used again"
                )
            elif self.has_made:
                note_size(path)  # the build has left bytecode in it
            os.close(descriptor)
        self._held.clear()

    def environment(self, members: Sequence[Member]) -> BuildEnvironment:
        """Return an environment that holds some distributions, made if it is not there.

        Args:
            members: the distributions.

        Raises:
            ChangedMember: one of them is not any more what was found.
            BuildError: the environment cannot be written.
            TargetError: one of them is not acceptable, or the interpreter makes no environment.
        """
        parts = [self._interpreter, [[one.name, one.key] for one in members]]
        try:
            if self._cache is not None:
                path = os.path.join(self._cache.environments, key_of(parts))
                if path in self._held or self._take(path, members):
                    return BuildEnvironment(path)
            return self._make_private(members)
        except OSError as error:
            raise BuildError(
                f"cannot make the build environment of {self._project}: {error.strerror}: "
                f"{error.filename}",
                advice="is there space in the cache (SAGEPIP_CACHE_DIR) and where TMPDIR says?",
            ) from error

    def _take(self, path: str, members: Sequence[Member]) -> bool:
        """Lock a cached environment for use; return whether it is as it was made."""
        for _ in range(_TRIES):
            make_once(path, lambda tree: self._make(tree, path, members))
            descriptor = share_directory(path)
            if descriptor < 0:
                continue  # being removed
            if not (changed := find_change(path)):
                self._held[path] = descriptor
                mark_used(path)
                return True
            os.close(descriptor)
            console.detail(f"{changed} of the build environment {path} is not as it was made")
            if (descriptor := seize_directory(path)) < 0:
                break  # used by a build that began before
            take_away(path)
            os.close(descriptor)
        return False

    def _make_private(self, members: Sequence[Member]) -> BuildEnvironment:
        self._number += 1
        path = os.path.join(self._workspace, f"environment-{self._number}")
        self._make(path, path, members)
        return BuildEnvironment(path)

    def _make(self, tree: str, final: str, members: Sequence[Member]) -> None:
        for _ in range(_TRIES):
            held: list[int] = []
            try:
                unpacked = [self._unpacked(one, held) for one in members]
                linked = self._assemble(tree, final, unpacked)
                # Another build may write to these files, through an environment of its own, since
                # they were looked at. The seal says what they were like then.
                if linked is not None:
                    seal(tree, describe(members), linked)
                    if tree != final:
                        self.has_made = True
                        return  # it is looked over once it is locked: others can take it before
                    if not find_change(tree):
                        return
            finally:
                for descriptor in held:
                    os.close(descriptor)
            remove_tree(tree)
        raise BuildError(
            f"what the build environment of {self._project} is made of changes all the time",
            advice="which build writes to its environment? set SAGEPIP_CACHE_DIR to another place",
        )

    def _assemble(self, tree: str, final: str, unpacked: Sequence[str]) -> dict[str, Stamp] | None:
        """Assemble an environment; return nothing if a part of it has changed meanwhile."""
        try:
            return assemble(tree, final, unpacked, self._python)
        except ChangedTree:
            return None
        except OSError:
            if not any(map(find_change, unpacked)):
                raise
            return None

    def _unpacked(self, member: Member, held: list[int]) -> str:
        """Return the tree of a member; it stays while the descriptor added to ``held`` is open."""
        console.detail(f"build requirement {member.name} {member.version} of {self._project}")
        if self._cache is not None:
            path = os.path.join(self._cache.wheels, key_of([self._interpreter, member.key]))
            for _ in range(_TRIES):
                is_new = make_once(path, lambda tree: member.unpack(tree, self._python))
                if (descriptor := share_directory(path)) < 0:
                    continue
                # What is new has been looked at; so will all be once the environment is made.
                if is_new or is_sound(path):
                    held.append(descriptor)
                    return path
                os.close(descriptor)
                if (descriptor := seize_directory(path)) < 0:
                    break
                take_away(path)
                os.close(descriptor)
        private = os.path.join(self._workspace, "wheels", member.key)
        if not is_sound(private):
            # Not there, or written to by a hook in an environment that was linked from it.
            remove_tree(private)
            os.makedirs(os.path.dirname(private), exist_ok=True)
            try:
                member.unpack(private, self._python)
            except BaseException:
                remove_tree(private)
                raise
        return private
