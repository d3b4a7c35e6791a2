"""Resolve what needs no resolver: where every project's newest wheel is what all others ask for.

pip is the resolver of record. What is answered here is what it would answer, and whatever leaves
room for doubt (a conflict, a choice given up, a pre-release, an odd file) is left to it, as are all
errors. The answer depends on no order of looking: each requirement alone already leads to the
wheel that all of them together lead to, so pip, in whatever order it looks, meets no conflict
and changes no choice. The order of the answer is that of pip's own choices.
"""

from __future__ import annotations

import math

from sagepip.build.readable_requirements import ReadRequirement, read_requirement
from sagepip.build.readable_versions import Clauses, admits
from sagepip.build.sources import PackageSources
from sagepip.build.wheel_shelf import Doubt, ShelvedWheel, WheelShelf
from sagepip.ground.light_dataclass import dataclass, field, replace
from sagepip.ground.project_names import canonical_name
from sagepip.ground.target_python import TargetPython

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

# pip takes such a name for that of a file, whether it is there or not.
_ARCHIVES = (
    *(".whl", ".zip", ".tar", ".gz", ".tgz", ".bz", ".bz2", ".tbz", ".tbz2"),
    *(".xz", ".txz", ".lz", ".tlz", ".lzma", ".tlzma", ".zst"),
)
_UPPER_BOUNDS = ("<", "<=", "~=")


def resolve_plainly(
    requirements: Iterable[str],
    *,
    python: TargetPython,
    sources: PackageSources,
    constraints: Sequence[str] = (),
    no_deps: bool = False,
) -> list[tuple[ShelvedWheel, bool]] | None:
    """Find the wheels that satisfy requirements, dependencies included, as pip would.

    Args:
        requirements: as on pip's command line.
        python: the interpreter they are for.
        sources: where to look.
        constraints: constraint files.
        no_deps: the requirements alone.

    Returns:
        In the order of pip's report, each with whether a requirement asked for it, not only a
        dependency; None if pip has to be asked.
    """
    if sources.index_allowed or sources.no_binary:
        # The other options only rule sdists out, and where there is a better one pip is asked.
        return None
    try:
        shelf = WheelShelf(sources.find_links, python)
        resolution = _Resolution(shelf, python, _read_constraints(constraints, python), no_deps)
        for number, text in enumerate(requirements):
            resolution.demand(_parsed(text, python), number)
        return resolution.run()
    except (Doubt, ValueError):  # the latter of what packaging cannot make sense of
        return None


@dataclass
class _Node:
    """A project, or a project with extras: what pip decides on in one step.

    Attributes:
        name: the project's canonical name.
        extras: canonical.
        operators: of all specifiers that were asked of it, as pip weighs them.
        direct: whether a wheel with extras needs exactly this one.
        number: that of the first requirement of the caller's that asked for it.
    """

    name: str
    extras: tuple[str, ...]
    operators: list[tuple[str, str]] = field(default_factory=list)
    direct: bool = False
    number: float = math.inf

    def preference(self, identifier: str) -> tuple[bool, bool, bool, float, bool, str]:
        """Return pip's key: the least goes first (``PipProvider.get_preference``)."""
        pinned = any(one[:2] == "==" and "*" not in version for one, version in self.operators)
        bounded = any(
            one in _UPPER_BOUNDS or (one == "==" and "*" in version)
            for one, version in self.operators
        )
        free = not self.operators
        return (not self.direct, not pinned, not bounded, self.number, free, identifier)


@dataclass
class _Demands:
    """What is asked of a project.

    Attributes:
        always: by constraints and the caller: pip knows it from the beginning.
        later: by one wheel each.
        with_extras: whether anybody asks for extras: pip decides on these separately.
    """

    always: list[Clauses] = field(default_factory=list)
    later: list[Clauses] = field(default_factory=list)
    with_extras: bool = False


class _Resolution:
    def __init__(
        self,
        shelf: WheelShelf,
        python: TargetPython,
        constraints: Mapping[str, list[Clauses]],
        no_deps: bool,
    ) -> None:
        self._shelf = shelf
        self._python = python
        self._constraints = constraints
        self._no_deps = no_deps
        self._nodes: dict[str, _Node] = {}
        self._demands: dict[str, _Demands] = {}
        self._chosen: dict[str, ShelvedWheel] = {}

    def demand(self, requirement: ReadRequirement, number: float = math.inf) -> None:
        """Ask for something, if its marker applies; ``number`` tells the caller's requirements."""
        if not requirement.applies(self._python, ("",)):
            return
        name = canonical_name(requirement.name)
        extras = tuple(sorted({canonical_name(one) for one in requirement.extras}))
        demands = self._demands.setdefault(name, _Demands())
        known = demands.later if number == math.inf else demands.always
        known.append(requirement.clauses)
        if extras:
            demands.with_extras = True
            if requirement.clauses:
                self._node(name, (), requirement.clauses, number)
                number = math.inf
        self._node(name, extras, requirement.clauses, number)
        chosen = self._chosen.get(name)
        if chosen and not admits(requirement.clauses, chosen.version):
            raise Doubt(f"{name} came too late")

    def run(self) -> list[tuple[ShelvedWheel, bool]]:
        """Decide on one after the other in pip's order."""
        if not self._nodes:
            raise Doubt("nothing is asked for")
        order: list[str] = []
        waiting = dict(self._nodes)
        while waiting:
            identifier = min(waiting, key=lambda one: waiting[one].preference(one))
            node = self._nodes[identifier]
            wheel = self._chosen.get(node.name) or self._choose(node.name)
            self._chosen[node.name] = wheel
            order.append(identifier)
            if node.extras:
                self._node(node.name, ()).direct = True
            for one in self._needs(wheel, node.extras):
                self.demand(one)
            waiting = {one: new for one, new in self._nodes.items() if one not in order}
        self._check_any_order()
        return [
            (self._chosen[one], bool(self._demands[one].always))
            for one in order
            if one in self._chosen
        ]

    def _node(
        self,
        name: str,
        extras: tuple[str, ...],
        clauses: Clauses = (),
        number: float = math.inf,
    ) -> _Node:
        identifier = f"{name}[{','.join(extras)}]" if extras else name
        node = self._nodes.setdefault(identifier, _Node(name, extras))
        node.operators += clauses
        node.number = min(node.number, number)
        return node

    def _choose(self, name: str) -> ShelvedWheel:
        demands = self._demands[name]
        return self._best(name, demands.always + demands.later)

    def _best(self, name: str, specifiers: Iterable[Clauses]) -> ShelvedWheel:
        return self._shelf.newest(name, [*self._constraints.get(name, ()), *specifiers])

    def _check_any_order(self) -> None:
        """Every demand alone leads to the same wheel, so that no order of looking could matter."""
        for name, demands in self._demands.items():
            together, single = demands.always, [[one] for one in demands.later]
            if demands.with_extras:
                together, single = [], [[one] for one in demands.always + demands.later]
            elif demands.always:
                single = [[]]  # more of them only takes away what the chosen one is newer than
            if any(self._best(name, together + one) is not self._chosen[name] for one in single):
                raise Doubt(f"{name} could be chosen too early")

    def _needs(self, wheel: ShelvedWheel, extras: tuple[str, ...]) -> Iterator[ReadRequirement]:
        headers = wheel.metadata().headers
        provided = {canonical_name(one) for one in headers.get_all("Provides-Extra")}
        if not provided.issuperset(extras):
            raise Doubt(f"{wheel.path} has no such extra")
        for text in headers.get_all("Requires-Dist"):
            # All have to be understood, as pip demands of them.
            requirement = _parsed(text, self._python)
            if not self._no_deps and requirement.applies(self._python, extras or ("",)):
                # The marker counted extras, and has been dealt with.
                yield replace(requirement, marker=None)


def _parsed(text: str, python: TargetPython) -> ReadRequirement:
    requirement = read_requirement(text, python)
    if (
        requirement.url
        or requirement.name.lower().endswith(_ARCHIVES)
        or any(operator == "===" for operator, _ in requirement.clauses)
    ):
        raise Doubt(text)
    return requirement


def _read_constraints(paths: Sequence[str], python: TargetPython) -> Mapping[str, list[Clauses]]:
    """Return what constraint files say of projects: versions, and nothing else."""
    if not paths:
        return {}
    import os

    from sagepip.build.requirements_text import logical_lines
    from sagepip.ground.errors import TargetError

    found: dict[str, list[Clauses]] = {}
    for path in paths:
        try:
            lines = [line for _, line in logical_lines(path, os.environ)]
        except TargetError as error:
            raise Doubt(error.problem) from error
        for line in lines:
            requirement = _parsed(line, python)
            if requirement.extras or requirement.marker:
                raise Doubt(line)
            found.setdefault(canonical_name(requirement.name), []).append(requirement.clauses)
    return found
