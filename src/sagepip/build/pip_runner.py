"""The only place that runs pip: sagepip's own, for any target interpreter."""

from __future__ import annotations

import os
import sys

from sagepip.build.sources import PackageSources
from sagepip.ground.errors import TargetError
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.target_python import TargetPython

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Sequence

_INSTALLED = ["-m", "pip"]


@dataclass(frozen=True)
class PipOutcome:
    """How a run of pip ended.

    Attributes:
        exit_status: 0 for success; negative for a signal.
        output: what it printed on stdout and stderr, decoded with replacement.
    """

    exit_status: int
    output: str


def run_pip(
    arguments: Sequence[str],
    *,
    python: TargetPython,
    sources: PackageSources | None,
    follow: bool = False,
) -> PipOutcome:
    """Run sagepip's own pip; where no index is allowed, with none of the user's settings.

    Args:
        arguments: the subcommand and its options; ``--no-index`` and the rest of what
            ``sources`` says is added. Paths in it must be absolute: pip runs in an empty
            directory, where no name is mistaken for a file.
        python: the interpreter that pip works for.
        sources: where distributions come from, or None for a subcommand that takes none.
        follow: copy pip's output to stderr while it runs.

    Raises:
        TargetError: pip cannot be run.
    """
    import tempfile

    from sagepip.build.child_environ import pip_environ
    from sagepip.build.child_process import run_to_log

    own = _own_pip()
    command = [sys.executable, "-I", *own, "--no-input", "--disable-pip-version-check"]
    command += ["--no-color"]
    if not (sources and sources.index_allowed):
        command.append("--isolated")
    # One that is not installed would take what lies beside it (in the zip application, packaging
    # and itself) for installed, unless it is told to look elsewhere.
    if not python.is_running or own != _INSTALLED:
        command += ["--python", python.executable]
    command += arguments
    if sources is not None:
        command += source_arguments(sources)
    with tempfile.TemporaryDirectory(prefix="sagepip-pip-") as private:
        empty = os.path.join(private, "empty")
        os.mkdir(empty)
        log = os.path.join(private, "log")
        # What a pip that was interrupted leaves behind goes with the rest.
        environ = {**pip_environ(sources), "TMPDIR": private}
        try:
            status = run_to_log(
                command, what="pip", log_path=log, environ=environ, cwd=empty, follow=follow
            )
        except OSError as error:
            raise TargetError(
                f"cannot run pip with {sys.executable}: {error.strerror}",
                advice="is sagepip's own Python still there?",
            ) from error
        with open(log, "rb") as stream:
            return PipOutcome(status, stream.read().decode("utf-8", "replace"))


def _own_pip() -> list[str]:
    """Return the words by which the running interpreter runs the pip that lies beside sagepip.

    Raises:
        TargetError: there is none.
    """
    import site
    from importlib.util import find_spec

    found = find_spec("pip")
    if found is None or found.origin is None:
        raise TargetError(
            "sagepip's own pip is missing", advice=f"install pip for {sys.executable}"
        )
    package = os.path.dirname(os.path.abspath(found.origin))
    if os.path.dirname(package) in map(os.path.abspath, site.getsitepackages()):
        return _INSTALLED
    # Out of the zip application, or the user's site: a new interpreter would not find it.
    return [package]


def source_arguments(sources: PackageSources) -> list[str]:
    """Return pip's options for where distributions come from and which may be taken."""
    arguments: list[str] = []
    if not sources.index_allowed:
        arguments.append("--no-index")
    elif sources.index_url is not None:
        arguments += ["--index-url", sources.index_url]
    for place in sources.find_links:
        arguments += ["--find-links", place]
    binary = [("--no-binary", value) for value in sources.no_binary]
    binary += [("--only-binary", value) for value in sources.only_binary]
    # For pip a later :all: sweeps away the names that stood before it.
    for option, value in sorted(binary, key=lambda pair: ":all:" not in pair[1]):
        arguments += [option, value]
    if sources.prefer_binary:
        arguments.append("--prefer-binary")
    return arguments
