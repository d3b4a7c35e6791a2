"""Run the hooks of a build backend: the subprocess runner that ``build`` is given."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from sagepip.build.sources import PackageSources
from sagepip.ground.errors import BuildError

_TAIL_LINES = 40


class HookRunner:
    """Runs hooks with their output in a log.

    Args:
        project: what is built, for messages: the path of its source.
        log_path: the log; each hook's output is appended.
        sources: where a hook's own pip may look.
        verbosity: 1 and up copies the output to stderr while a hook runs.

    Attributes:
        is_suspect: whether a hook failed or has built what was asked for, so that what it left may
            tell why that is not good.
    """

    def __init__(
        self, *, project: str, log_path: str, sources: PackageSources, verbosity: int
    ) -> None:
        self.is_suspect = False
        self._project = project
        self._log_path = log_path
        self._sources = sources
        self._verbosity = verbosity

    def __call__(
        self,
        cmd: Sequence[str],
        cwd: str | None = None,
        extra_environ: Mapping[str, str] | None = None,
    ) -> None:
        """Run one hook.

        Args:
            cmd: the interpreter, the script of pyproject_hooks, the hook's name and the
                directory for its answer.
            cwd: the source directory.
            extra_environ: variables on top of the hooks' environment.

        Raises:
            BuildError: it could not be started, failed, was killed, or gave no answer.
        """
        from sagepip.build.child_environ import hook_environ
        from sagepip.build.child_process import run_to_log

        hook = cmd[2]
        environ = hook_environ(self._sources)
        environ.update(extra_environ or {})
        self.is_suspect = hook.startswith("build_")
        with open(self._log_path, "ab") as log:
            log.write(f"=== {hook} of {self._project}\n".encode("utf-8", "replace"))
            start = log.tell()
        try:
            status = run_to_log(
                cmd,
                log_path=self._log_path,
                environ=environ,
                cwd=cwd or os.getcwd(),
                follow=self._verbosity >= 1,
                pass_fds=jobserver_descriptors(environ.get("MAKEFLAGS", "")),
            )
        except OSError as error:
            raise BuildError(
                f"cannot run {hook} of {self._project} with {cmd[0]}: {error.strerror}",
                advice="is the interpreter there, and may programs run from its file system?",
            ) from error
        if status != 0:
            raise self._failed(hook, _describe_status(status), start)
        if not os.path.isfile(os.path.join(cmd[3], "output.json")):
            raise self._failed(hook, "ended without an answer", start)

    def _failed(self, hook: str, how: str, start: int) -> BuildError:
        from sagepip.build.child_process import tail

        self.is_suspect = True
        return BuildError(
            f"{hook} of {self._project} {how}; log: {self._log_path}",
            advice="" if self._verbosity >= 1 else "the end of its output is above",
            # Output that was streamed already is not shown twice.
            output=""
            if self._verbosity >= 1
            else tail(self._log_path, lines=_TAIL_LINES, start=start),
        )


def jobserver_descriptors(makeflags: str) -> tuple[int, ...]:
    """Return the descriptors of GNU make's job server that a child has to inherit.

    Args:
        makeflags: the value of ``MAKEFLAGS``.

    Returns:
        The read and the write end, or nothing where there is no job server, it is a named pipe,
        or make kept its descriptors from us (a recipe line without ``+``).
    """
    import re
    import stat

    found = re.findall(r"--jobserver-(?:auth|fds)=(\d+),(\d+)", makeflags)
    if not found:
        return ()
    # make itself obeys the last one.
    descriptors = tuple(int(number) for number in found[-1])
    for descriptor in descriptors:
        try:
            # A descriptor that Python opened in the meantime has the number but is not inherited.
            if not os.get_inheritable(descriptor):
                return ()
            if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                return ()
        except OSError:
            return ()
    return descriptors


def _describe_status(status: int) -> str:
    import signal

    if status > 0:
        return f"ended with exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    hint = " (out of memory?)" if name == "SIGKILL" else ""
    return f"was killed by {name}{hint}"
