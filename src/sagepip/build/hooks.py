"""Run the hooks of a build backend: the subprocess runner that ``build`` is given."""

from __future__ import annotations

import os

from sagepip.build.hook_hosting import HookHost
from sagepip.build.options import BuildOptions
from sagepip.ground.errors import BuildError
from sagepip.ground.timing import phase

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TAIL_LINES = 40


class HookRunner:
    """Runs hooks with their output in a log.

    Args:
        project: what is built, for messages: the path of its source.
        log_path: the log; each hook's output is appended.
        temporary: the directory for a hook's temporary files.
        options: the build's: where a hook's own pip may look, how long a hook may take, and
            whether its output is copied to stderr while it runs.

    Attributes:
        is_suspect: whether a hook failed or has built what was asked for, so that what it left may
            tell why that is not good.
    """

    def __init__(
        self, *, project: str, log_path: str, temporary: str, options: BuildOptions
    ) -> None:
        self.is_suspect = False
        self._project = project
        self._log_path = log_path
        self._temporary = temporary
        self._options = options
        self._host: HookHost | None = None

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
            BuildError: it could not be started, failed, was killed, took too long, or gave no
                answer that makes sense.
        """
        import subprocess

        from sagepip.build.child_environ import hook_environ
        from sagepip.build.hook_answer import answer_problem
        from sagepip.build.log_watch import duration

        hook = cmd[2]
        limit = self._options.hook_timeout
        environ = hook_environ(self._options.sources)
        environ.update(extra_environ or {})
        os.makedirs(self._temporary, exist_ok=True)
        environ["TMPDIR"] = self._temporary
        self.is_suspect = hook.startswith("build_")
        with open(self._log_path, "ab") as log:
            log.write(f"=== {hook} of {self._project}\n".encode("utf-8", "replace"))
            start = log.tell()
        try:
            with phase("hook", hook):
                status = self._run(cmd, hook, environ, cwd or os.getcwd())
        except OSError as error:
            raise BuildError(
                f"cannot run {hook} of {self._project} with {cmd[0]}: {error.strerror}",
                advice="is the interpreter there, and may programs run from its file system?",
            ) from error
        except subprocess.TimeoutExpired as error:
            how = f"was ended, as it took longer than {duration(limit or 0)} (--build-timeout)"
            raise self._failed(hook, how, start) from error
        if status != 0:
            raise self._failed(hook, _describe_status(status), start)
        if problem := answer_problem(hook, os.path.join(cmd[3], "output.json")):
            raise self._failed(hook, problem, start)

    def _run(self, cmd: Sequence[str], hook: str, environ: Mapping[str, str], cwd: str) -> int:
        from sagepip.build.child_process import run_to_log, watch_to_end

        what = f"{hook} of {self._project}"
        follow, limit = self._options.verbosity >= 1, self._options.hook_timeout
        if not HookHost.is_possible():
            return run_to_log(
                cmd,
                what=what,
                log_path=self._log_path,
                environ=environ,
                cwd=cwd,
                follow=follow,
                time_limit=limit,
                pass_fds=jobserver_descriptors(environ.get("MAKEFLAGS", "")),
            )
        host = self._host_for(cmd[0], environ, cwd)
        return watch_to_end(
            lambda _log: host.run(cmd[1:]),
            what=what,
            log_path=self._log_path,
            follow=follow,
            time_limit=limit,
        )

    def close(self) -> None:
        """End what is kept between hooks."""
        if self._host is not None:
            with phase("hook", "end"):  # the processor time of hooks is known only now
                self._host.end()
            self._host = None

    def _host_for(self, python: str, environ: Mapping[str, str], cwd: str) -> HookHost:
        """Return a running host for a hook: that of the last one, if it is like this one."""
        if self._host is not None and not self._host.is_for(python, environ, cwd):
            self.close()
        if self._host is None:
            self._host = HookHost(
                python,
                log_path=self._log_path,
                environ=environ,
                cwd=cwd,
                pass_fds=jobserver_descriptors(environ.get("MAKEFLAGS", "")),
            )
        self._host.start()
        return self._host

    def _failed(self, hook: str, how: str, start: int) -> BuildError:
        from sagepip.build.output_text import tail

        self.is_suspect = True
        problem = f"{hook} of {self._project} {how}"
        if not os.path.exists(self._log_path):
            return BuildError(problem, advice="its log has gone with the directory that held it")
        problem += f"; log: {self._log_path}"
        advice, output = [], ""
        if self._options.verbosity < 1:  # what was streamed is not shown twice
            output = tail(self._log_path, lines=_TAIL_LINES, start=start)
            advice.append("the end of its output is above" if output else "it wrote nothing")
        if not os.access(self._project, os.W_OK):
            advice.append("its directory may not be written to: perhaps a copy of it can be built")
        return BuildError(problem, advice="; ".join(advice), output=output)


def jobserver_descriptors(makeflags: str) -> tuple[int, ...]:
    """Return the descriptors of GNU make's job server that a child has to inherit.

    Args:
        makeflags: the value of ``MAKEFLAGS``.

    Returns:
        The read and the write end, or nothing where there is no job server, it is a named pipe,
        or make kept its descriptors from us (a recipe line without ``+``).
    """
    if "--jobserver" not in makeflags:
        return ()
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
