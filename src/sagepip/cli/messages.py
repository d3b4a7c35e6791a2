"""What a command says: errors on stderr, results on stdout, in pip's words where pip has them."""

from __future__ import annotations

import os
import sys

from sagepip.ground import console, timing
from sagepip.ground.errors import BuildError, SagepipError
from sagepip.ground.light_contextlib import suppress

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable

    from sagepip.operations.report import InstallReport


def print_error(error: SagepipError, *, debug: bool) -> None:
    """Print an error as one line, below the output of the build that it is about.

    Args:
        error: the error.
        debug: print the traceback above it; it must be the one being handled.
    """
    if isinstance(error, BuildError) and error.output:
        _to_stderr(error.output.rstrip("\n"))
    if debug:
        _print_traceback()
    _to_stderr(f"Error: {printable(str(error))}")
    timing.failed(str(error))


def print_problem(problem: str, *, debug: bool, bug: bool = False) -> None:
    """Print what is no SagepipError as one line.

    Args:
        problem: what happened.
        debug: print the traceback above it; it must be the one being handled.
        bug: whether sagepip is to blame.
    """
    if debug:
        _print_traceback()
    advice = " (set SAGEPIP_DEBUG=1 to see where, and report it)" if bug and not debug else ""
    _to_stderr(f"Error: {printable(' '.join(problem.split()))}{advice}")
    timing.failed(problem)


def print_notice(text: str) -> None:
    """Print a line on stderr, whatever ``-q`` says."""
    _to_stderr(printable(text))


def print_result(report: InstallReport, *, to_stderr: bool) -> None:
    """Print what changed, one line a distribution.

    Args:
        report: what was done.
        to_stderr: keep stdout for the JSON report.
    """
    verb = "Would install" if report.dry_run else "Successfully installed"
    lines = [f"{verb} {entry.name}-{entry.version}" for entry in report.installed]
    lines += [
        f"Requirement already satisfied: {entry.name}=={entry.version} in {entry.directory}"
        for entry in report.unchanged
    ]
    print_done(lines, to_stderr=to_stderr)


def print_done(lines: Iterable[str], *, to_stderr: bool = False) -> None:
    """Print what was changed, unless ``-q``; that it cannot be does not make it undone.

    Args:
        lines: one a distribution.
        to_stderr: keep stdout for something else.
    """
    stream = sys.stderr if to_stderr else sys.stdout
    text = "".join(f"{printable(line)}\n" for line in lines)
    if text:
        console.log(text)
    if console.verbosity < 0:
        return
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        silence_stdout()
    except OSError as error:
        _to_stderr(f"WARNING: it is done, but cannot be told on stdout: {error.strerror}")
        silence_stdout()


def silence_stdout() -> None:
    """Lead stdout to nowhere: the interpreter would flush again when it ends, and complain."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def _to_stderr(text: str) -> None:
    console.log(text)
    # If there is nobody to tell, the exit status still says it.
    with suppress(OSError):
        # One write: with make -jN many processes share this descriptor.
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def _print_traceback() -> None:
    import traceback

    _to_stderr(traceback.format_exc().rstrip("\n"))


def printable(text: str) -> str:
    """Return text that cannot play with the terminal, nor fail to be encoded."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
