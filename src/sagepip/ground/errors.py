"""The whole tree of errors, each with what the user can do about it.

::

    SagepipError
    ├── UsageError       the command line is wrong                    exit status 2
    ├── TargetError      a wheel, source, requirement or interpreter
    │                    cannot be used                               exit status 1
    ├── BuildError       a build failed                               exit status 1
    ├── LockTimeout      the lock was not to be had in time           exit status 3
    ├── LockError        the lock cannot work here                    exit status 1
    ├── CacheError       the cache of builds cannot be read or
    │                    changed                                      exit status 1
    ├── ConflictError    a file of somebody else is in the way        exit status 1
    ├── CommitError      the change failed and was rolled back        exit status 1
    └── RecoveryError    an interrupted change could not be resolved;
                         its journal is kept                          exit status 1
"""

from __future__ import annotations


class SagepipError(Exception):
    """Base of everything that sagepip reports as an error.

    Args:
        problem: what failed, with the path or name concerned; one line.
        advice: what the user can do; one line, may be empty.
    """

    exit_status = 1

    def __init__(self, problem: str, *, advice: str = "") -> None:
        super().__init__(problem)
        self.problem = " ".join(problem.split())
        self.advice = " ".join(advice.split())

    def __str__(self) -> str:
        """Return the error as the one line that is shown to the user."""
        return f"{self.problem} ({self.advice})" if self.advice else self.problem


class UsageError(SagepipError):
    """The command line cannot be understood or asks for what is not there."""

    exit_status = 2


class TargetError(SagepipError):
    """A wheel, a source, a requirement or the target interpreter cannot be used."""


class BuildError(SagepipError):
    """A wheel could not be built.

    Args:
        problem: as in the base class.
        advice: as in the base class.
        output: the end of what the build printed, shown above the message.
    """

    def __init__(self, problem: str, *, advice: str = "", output: str = "") -> None:
        super().__init__(problem, advice=advice)
        self.output = output


class LockTimeout(SagepipError):
    """The lock of a site was held by others for the whole time allowed."""

    exit_status = 3


class LockError(SagepipError):
    """The lock of a site cannot be taken here at all."""


class CacheError(SagepipError):
    """The cache of builds cannot be read or changed."""


class ConflictError(SagepipError):
    """A file that belongs to another distribution, or to nobody, is in the way."""


class CommitError(SagepipError):
    """The change failed; the target is as it was before."""


class RecoveryError(SagepipError):
    """An interrupted change could not be rolled back or finished; its journal is kept."""
