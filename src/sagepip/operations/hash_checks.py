"""The hashes that requirement files state: of files given, and for what pip finds."""

from __future__ import annotations

from sagepip.build.hashes import (
    ADVICE,
    DIRECTORIES,
    MISMATCH,
    MISSING,
    HashChecking,
    file_digest,
    hash_problem,
)
from sagepip.build.sources import file_url
from sagepip.ground.errors import TargetError
from sagepip.operations.targets import (
    NamedRequirement,
    SourceArchive,
    SourceDirectory,
    Target,
    WheelFile,
)

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def check_stated_hashes(targets: Iterable[Target], checking: HashChecking) -> None:
    """Compare the files among the targets with the hashes that are stated of them.

    What is found by name is left to pip, which compares it when it looks for it.

    Args:
        targets: all that is asked for.
        checking: whether a hash is required of each.

    Raises:
        TargetError: one differs, or lacks a hash that is required; all of a kind in one message.
    """
    problems: dict[str, list[str]] = {}
    required = checking is HashChecking.REQUIRED
    for target in targets:
        if isinstance(target, NamedRequirement):
            continue
        url = file_url(target.path)
        if isinstance(target, SourceDirectory):
            if required and target.editable:
                raise TargetError(
                    f"The editable requirement {url} cannot be installed when requiring hashes, "
                    "because there is no single file to hash",
                    advice="leave out -e, or the hashes",
                )
            if required:
                problems.setdefault(DIRECTORIES, []).append(url)
        elif problem := _problem_of_archive(target, url, required=required):
            problems.setdefault(problem[0], []).append(problem[1])
    for head in (DIRECTORIES, MISSING, MISMATCH):
        if head in problems:
            raise TargetError(f"{head}: {'; '.join(problems[head])}", advice=ADVICE[head])


def requirement_line(name: str, extras: frozenset[str], path: str) -> str:
    """Return a file as a line of a requirement file, with its hash as it is now.

    Args:
        name: of the project.
        extras: the extras asked for.
        path: of the wheel, whose source or own hash has been compared.

    Raises:
        TargetError: it cannot be read.
    """
    brackets = f"[{','.join(sorted(extras))}]" if extras else ""
    return f"{name}{brackets} @ {file_url(path)} --hash=sha256:{_readable(path)}"


def lines_of(requirement: str, targets: Sequence[Target]) -> list[str]:
    """Return the lines of a requirement file that stand for a named requirement.

    Args:
        requirement: its text.
        targets: all that is asked for; several may have that text, with hashes of their own.
    """
    found = [
        one.line
        for one in targets
        if isinstance(one, NamedRequirement) and one.requirement == requirement
    ]
    return found or [requirement]


def _problem_of_archive(
    target: SourceArchive | WheelFile, url: str, *, required: bool
) -> tuple[str, str] | None:
    if target.hashes is None:
        return (MISSING, f"{url} --hash=sha256:{_readable(target.path)}") if required else None
    try:
        problem = hash_problem(target.path, target.hashes)
    except OSError as error:
        raise _unreadable(target.path, error) from error
    return (MISMATCH, f"{url}: {problem}") if problem else None


def _readable(path: str) -> str:
    try:
        return file_digest(path)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: OSError) -> TargetError:
    return TargetError(f"cannot read {path}: {error.strerror}", advice="check the path")
