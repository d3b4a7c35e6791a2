"""Turn what pip prints when it fails into one line that says which requirement and why."""

from __future__ import annotations

import os
import re

from sagepip.build.hashes import ADVICE, DIRECTORIES, MISMATCH, MISSING, UNPINNED
from sagepip.build.sources import PackageSources
from sagepip.ground.light_dataclass import dataclass

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterator

_UNSATISFIED = re.compile(
    r"ERROR: Could not find a version that satisfies the requirement (?P<requirement>.+?)"
    r"(?: \(from (?P<origin>(?!versions:).+?)\))? \(from versions: (?P<versions>.*)\)$"
)
_CORRUPT = re.compile(r"ERROR: Wheel '(?P<name>.*)' located at (?P<path>.*) is invalid\.$")
_CYCLE = re.compile(r"^LookupError: (?P<link>\S+) .*is already being built: (?P<requirement>.*)$")
_FAILED_BUILD = re.compile(
    r"ERROR: Failed to (?:build|prepare) '?(?P<what>[^']+?)'? when (?P<step>.+)$"
)
_HELP = re.compile(r"[,:;]? *(?:for help visit|See:?|see:?)? *https?://\S+")
# What pip draws around the output of a build of its own.
_FRAME = " \N{MULTIPLICATION SIGN}|│╰─>"
# Where pip read a requirement that was handed to it in a file of sagepip's own.
_PRIVATE_FILE = re.compile(r" \((?:from )?-r \S+ \(line \d+\)\)|,? ?(?:from )?-r \S+ \(line \d+\)")
_MOST_LINES = 4
_MOST_VERSIONS = 8


@dataclass(frozen=True)
class Explanation:
    """Why pip failed.

    Attributes:
        problem: which requirement failed, and why.
        advice: what the user can do; may be empty.
        is_build: whether a build inside pip failed, so that its output matters.
    """

    problem: str
    advice: str
    is_build: bool = False


def describe_sources(sources: PackageSources) -> str:
    """Return where distributions are looked for, for a message."""
    if sources.find_links:
        places = " or ".join(
            place if os.path.exists(place) else f"{place} (which is not there)"
            for place in sources.find_links
        )
        return f"{places} or the package index" if sources.index_allowed else places
    return "the package index" if sources.index_allowed else "no place: no wheelhouse was given"


def explain(output: str, sources: PackageSources) -> Explanation:
    """Explain a failure of pip.

    Args:
        output: all that pip printed.
        sources: where it looked.
    """
    lines = [line.rstrip() for line in output.splitlines()]
    for line in lines:
        if found := _CORRUPT.search(line):
            return Explanation(
                f"the wheel {found['path']} is corrupt: not a readable zip archive with metadata",
                "replace or remove it",
            )
        if found := _CYCLE.search(line.strip(_FRAME)):
            return Explanation(
                f"building {found['requirement'].split()[0]} needs itself: "
                f"{os.path.basename(found['link'].partition('#')[0])} is among its own build "
                "requirements, or among theirs",
                "provide a wheel of one of the packages in the cycle",
                is_build=True,
            )
    if hashes := _hash_problem(lines):
        return hashes
    if conflict := list(dict.fromkeys(_conflict(lines))):
        return Explanation(
            "conflicting requirements: " + "; ".join(conflict),
            "loosen one of them, or provide versions that fit together in "
            + describe_sources(sources),
        )
    for line in lines:
        if found := _FAILED_BUILD.search(line):
            return Explanation(
                f"building {found['what'].split(' from ')[0]} from its source failed when "
                f"{found['step']}",
                "provide a wheel of it",
                is_build=True,
            )
        if found := _UNSATISFIED.search(line):
            return _unsatisfied(found, sources, is_build="subprocess-exited" in output)
    if "ERROR: Exception:" in lines:
        # A crash of pip: that is what it makes of a damaged sdist.
        reading = [line.split()[1] for line in lines if re.match(r"Processing \S", line)]
        about = f"{reading[-1]} cannot be used: " if reading else "pip failed: "
        return Explanation(about + _last_said(lines), "is that file whole?" if reading else "")
    return Explanation(_errors(lines), "")


def _unsatisfied(found: re.Match[str], sources: PackageSources, *, is_build: bool) -> Explanation:
    requirement = found["requirement"]
    problem = f"nothing satisfies {requirement}"
    if found["origin"]:
        problem += f" (needed by {found['origin']})"
    problem += f" in {describe_sources(sources)}"
    versions = [version.strip() for version in found["versions"].split(",")]
    if versions != ["none"]:
        shown = versions[-_MOST_VERSIONS:]
        problem += f", which has only {'..., ' if shown != versions else ''}{', '.join(shown)}"
    elif unfit := _unfit_files(requirement, sources):
        problem += f", where {', '.join(unfit)} cannot be used (another Python or platform?)"
    advice = "put a fitting wheel there"
    if not sources.find_links:
        advice = "is the name right?"
        if not sources.index_allowed:
            advice = "name a wheelhouse with --find-links"
    return Explanation(problem, advice, is_build)


def _unfit_files(requirement: str, sources: PackageSources) -> list[str]:
    """Return the names of files of the project that pip saw and did not consider."""
    from sagepip.build.wheelhouse import candidates

    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    if name is None:
        return []
    return [os.path.basename(path) for path in candidates(name[0], sources.find_links)][:3]


def _conflict(lines: list[str]) -> Iterator[str]:
    """Yield the lines of pip's explanation of a conflict."""
    inside = False
    for line in lines:
        if line.startswith("The conflict is caused by"):
            inside = True
        elif inside and not line.strip():
            return
        elif inside:
            yield line.strip()


def _hash_problem(lines: list[str]) -> Explanation | None:
    """Return the first of what pip says of hashes, on one line."""
    heads = (DIRECTORIES, MISSING.partition(", but")[0], UNPINNED.partition(". ")[0], MISMATCH)
    for number, line in enumerate(lines):
        text = line.removeprefix("ERROR: ")
        at = next((i for i, head in enumerate(heads) if text.startswith(head)), None)
        if at is None:
            continue
        said: list[str] = []
        for following in lines[number + 1 :]:
            if not following.startswith("    "):
                break
            words = " ".join(_PRIVATE_FILE.sub("", following).split())
            if following.startswith("        ") and said:
                separator = ":" if said[-1][-1] == ":" or "Expected" not in said[-1] else ","
                said[-1] = f"{said[-1].rstrip(':')}{separator} {words}"
            else:
                said.append(words)
        head = (DIRECTORIES, MISSING, UNPINNED, MISMATCH)[at]
        return Explanation(f"{head}: {'; '.join(said)}", ADVICE[head])
    return None


def _errors(lines: list[str]) -> str:
    """Return pip's error lines, compressed; the last line it printed where there is none."""
    errors: list[str] = []
    for line in lines:
        text = line.strip(_FRAME)
        if not text.lower().startswith("error:"):
            continue
        cleaned = _HELP.sub("", text[len("error:") :]).strip()
        if cleaned and cleaned not in errors:
            errors.append(cleaned)
    if errors:
        return "; ".join(errors[:_MOST_LINES])
    return _last_said(lines)


def _last_said(lines: list[str]) -> str:
    said = [line.strip() for line in lines if line.strip()]
    return _HELP.sub("", said[-1]) if said else "pip said nothing"
