"""Run the hooks of one build, each in a process of its own, forked from one that has the backend.

Each hook still gets a fresh process, as PEP 517 wants it, but the interpreter starts once and the
backend is imported once.

    python -c START hook_host.py REQUESTS ANSWERS

START takes the bytecode of this file that is there, where it is for this interpreter, and writes
none. REQUESTS and ANSWERS are descriptors. A request is a line of JSON: the path of
pyproject_hooks' script and its arguments. The answers are a line with the number of the hook's
process, leader of a session, and one with its exit status, negative for a signal.

This file runs in the interpreter of the build: Python 3.8 and up, standard library only.
"""

import gc
import json
import os
import sys
import warnings
from importlib.machinery import SourceFileLoader


def main(requests, answers):  # type: (int, int) -> None
    """Answer requests until there are no more; the process of a hook returns, too."""
    script = {}  # type: dict[str, object]
    waiting = b""
    while True:
        line, newline, rest = waiting.partition(b"\n")
        if not newline:
            data = os.read(requests, 1 << 16)
            if not data:
                return
            waiting += data
            continue
        waiting = rest
        words = json.loads(line.decode())
        if not script:
            sys.argv = words
            script = load(words[0])
            import_backend(script)
            # The collector would copy the pages of all that the processes of hooks share.
            gc.freeze()
        if has_threads():
            status = run_apart(words, (requests, answers))
        else:
            sys.stdout.flush()
            sys.stderr.flush()
            child = os.fork()
            if not child:
                # A process that the hook leaves behind must not hold them.
                os.close(requests)
                os.close(answers)
                os.setsid()
                sys.argv = words
                sys.excepthook = show_error
                script["main"]()  # type: ignore[operator]
                finish()
                return
            os.write(answers, b"%d\n" % child)
            status = status_of(os.waitpid(child, 0)[1])
        os.write(answers, b"%d\n" % status)


def load(path):  # type: (str) -> dict[str, object]
    """Run the script of pyproject_hooks as a module, from its bytecode if that is there."""
    code = SourceFileLoader("_in_process", path).get_code("_in_process")
    # What writes none into an installation of sagepip's was START's; backends do.
    sys.dont_write_bytecode = False
    script = {"__name__": "_in_process", "__file__": path}  # type: dict[str, object]
    exec(code, script)  # type: ignore[arg-type]
    return script


def import_backend(script):  # type: (dict[str, object]) -> None
    """Import the backend for all hooks; if it cannot be, each hook tries, and says why."""
    threshold = gc.get_threshold()
    # What modules are made of stays: to look for cycles in it is in vain, over and over again.
    gc.set_threshold(0)
    with warnings.catch_warnings(record=True):
        try:
            script["_build_backend"]()  # type: ignore[operator]
        except BaseException:
            return
        finally:
            if gc.get_threshold()[0] == 0:  # else the backend has its own opinion
                gc.set_threshold(*threshold)
            # Each hook adds the finder of backend-path itself.
            own = script["_BackendPathFinder"]
            sys.meta_path[:] = [one for one in sys.meta_path if type(one) is not own]


def finish():  # type: () -> None
    """End the process of a hook that went well as the interpreter would, but for taking it apart.

    Threads are waited for and exit handlers are run; modules are left to the system, which takes a
    tenth of the time. Returns if output cannot be written: the interpreter says so.
    """
    import atexit

    threading = sys.modules.get("threading")
    if threading is not None:
        threading._shutdown()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except Exception:
        return
    os._exit(0)


def show_error(kind, error, trace):  # type: (type[BaseException], BaseException, object) -> None
    """Show what ended a hook as its own process would, without the frames of this file."""
    own = (__file__, "<string>")
    while trace is not None and trace.tb_frame.f_code.co_filename in own:  # type: ignore[attr-defined]
        trace = trace.tb_next  # type: ignore[attr-defined]
    sys.__excepthook__(kind, error.with_traceback(trace), trace)  # type: ignore[arg-type]


def has_threads():  # type: () -> bool
    """Whether the backend has started threads, which a fork would leave behind."""
    threading = sys.modules.get("threading")
    return threading is not None and threading.active_count() > 1


def run_apart(words, own):  # type: (list[str], tuple[int, int]) -> int
    """Run a hook in an interpreter of its own, which inherits make's descriptors but not ours."""
    import subprocess

    for descriptor in own:
        os.set_inheritable(descriptor, False)
    process = subprocess.Popen([sys.executable, *words], close_fds=False, start_new_session=True)
    os.write(own[1], b"%d\n" % process.pid)
    return process.wait()


def status_of(status):  # type: (int) -> int
    """Return the exit status of a process that was waited for, negative for a signal."""
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
