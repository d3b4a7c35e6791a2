"""The least work of a build that keeps PEP 517, and of installing what it makes.

An interpreter imports ``installer`` and ``build`` in the way that takes sagepip least, and nothing
else of sagepip's. Both hooks run in one process that has imported the backend once, the first in
a fork of it, the last in itself: each still in a process that no other hook has run in. What they
make is unpacked and gets bytecode. Nothing is resolved, compared, locked, logged or cached.

    python -I -c START SOURCE PYTHON SITE SCRATCH READY ISOLATED [WHEEL...]

PYTHON is the interpreter of an environment that is ready. With wheels a new environment of its
kind is made of them in SCRATCH, without bytecode. READY is a tree to take bytecode from, or empty.
ISOLATED is empty for ``--no-build-isolation``, where ``get_requires_for_build_wheel`` is not asked.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

START = (
    "import sys; sys.path.insert(0, {!r}); from bench.performance.build_work import main; main()"
)
"""What the interpreter is given; its place is for the directory that holds this package."""

# Run by the interpreter that has the backend; from a text, as it may be of any environment.
_HOST = """\
import gc, os, sys
del sys.path[0]
from importlib.machinery import SourceFileLoader
requests, answers, script, directory = sys.argv[1:]
os.chdir(directory)
names = {"__name__": "_in_process", "__file__": script}
exec(SourceFileLoader("_in_process", script).get_code("_in_process"), names)
gc.disable()
names["_build_backend"]()
gc.enable()
gc.freeze()
def run():
    names["main"]()
    sys.stdout.flush()
    sys.stderr.flush()
while True:
    sys.argv = os.read(int(requests), 1 << 16).decode().split("\\0")
    if sys.argv[1] == "build_wheel":
        run()
        os.write(int(answers), b"0")
        os._exit(0)
    child = os.fork()
    if not child:
        run()
        os._exit(0)
    os.write(int(answers), b"%d" % os.waitpid(child, 0)[1])
"""


class Hooks:
    """A process that has the backend; a runner of ``build``'s.

    Args:
        python: its interpreter.
    """

    def __init__(self, python: str) -> None:
        self._python = python
        self._pid = 0

    def __call__(
        self,
        cmd: Sequence[str],
        cwd: str | None = None,
        extra_environ: Mapping[str, str] | None = None,
    ) -> None:
        """Run a hook."""
        if not self._pid:
            self._start(cmd[1], cwd or os.getcwd(), extra_environ or {})
        os.write(self._requests, "\0".join(cmd[1:]).encode())
        if os.read(self._answers, 9) != b"0":
            raise RuntimeError(f"{cmd[2]} failed")

    def _start(self, script: str, cwd: str, more: Mapping[str, str]) -> None:
        theirs, self._requests = os.pipe()
        self._answers, theirs_too = os.pipe()
        path = f"{os.path.dirname(self._python)}:{os.environ['PATH']}"
        words = [self._python, "-c", _HOST, str(theirs), str(theirs_too), script, cwd]
        for one in (theirs, theirs_too):
            os.set_inheritable(one, True)
        self._pid = os.posix_spawn(self._python, words, {**os.environ, **more, "PATH": path})
        os.close(theirs)
        os.close(theirs_too)

    def wait(self) -> None:
        """Wait for its end."""
        os.waitpid(self._pid, 0)


class _HookDirectory:
    """A directory for what a hook is told and answers."""

    number = 0

    def __init__(self, _kind: str) -> None:
        _HookDirectory.number += 1
        self.path = f"{sys.argv[4]}/hook-{_HookDirectory.number}"
        os.mkdir(self.path)

    def remove(self) -> None:
        """Remove it."""
        for name in os.listdir(self.path):
            os.unlink(f"{self.path}/{name}")
        os.rmdir(self.path)


def import_libraries() -> None:
    """Import ``installer`` and ``build`` as sagepip does, and no more of sagepip's than that."""
    scratch = ModuleType("sagepip.build.scratch")
    scratch.__dict__["ScratchDirectory"] = _HookDirectory
    sys.modules[scratch.__name__] = scratch
    import sagepip.build.build_library
    import sagepip.staging.installer_library  # noqa: F401


def make_environment(root: str, python: str, wheels: list[str]) -> str:
    """Make a virtual environment of wheels, and give its interpreter."""
    from bench.performance.floor_work import unpack

    base = os.path.realpath(python)
    site = f"{root}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    os.makedirs(site)
    os.mkdir(f"{root}/bin")
    os.symlink(base, f"{root}/bin/python")
    with open(f"{root}/pyvenv.cfg", "w") as stream:
        stream.write(f"home = {os.path.dirname(base)}\ninclude-system-site-packages = false\n")
    for one in wheels:
        unpack(one, site)
    for name in os.listdir(site):
        if name.endswith(".dist-info"):
            _make_scripts(f"{site}/{name}/entry_points.txt", f"{root}/bin")
        scripts = f"{site}/{name}/scripts"
        if name.endswith(".data") and os.path.isdir(scripts):
            for script in os.listdir(scripts):
                os.rename(f"{scripts}/{script}", f"{root}/bin/{script}")
                os.chmod(f"{root}/bin/{script}", 0o755)
    return f"{root}/bin/python"


def _make_scripts(entry_points: str, directory: str) -> None:
    try:
        with open(entry_points) as stream:
            section = stream.read().partition("[console_scripts]")[2].partition("\n[")[0]
    except FileNotFoundError:
        return
    for line in filter(None, section.split("\n")):
        name, _, reference = line.partition("=")
        module, _, function = reference.partition(":")
        lines = ("#!{}/python", "import sys", "from {} import {}", "sys.exit({}())", "")
        text = "\n".join(lines).format(directory, module.strip(), function, function)
        with open(f"{directory}/{name.strip()}", "w", opener=_executable) as stream:
            stream.write(text)


def _executable(path: str, flags: int) -> int:
    return os.open(path, flags, 0o755)


def compile_modules(site: str) -> None:
    """Compile the modules of a tree that have no bytecode."""
    import marshal
    from importlib.util import MAGIC_NUMBER, cache_from_source

    for base, _, names in os.walk(site):
        for name in names:
            path = f"{base}/{name}"
            target = cache_from_source(path) if name.endswith(".py") else ""
            if not target or os.path.exists(target):
                continue
            with open(path, "rb", buffering=0) as stream:
                source = stream.read()
            code = compile(source, path, "exec", dont_inherit=True)
            found = os.stat(path)
            numbers = (0, int(found.st_mtime), found.st_size)
            header = MAGIC_NUMBER + b"".join(one.to_bytes(4, "little") for one in numbers)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb", buffering=0) as stream:
                stream.write(header + marshal.dumps(code))


def main() -> None:
    """Build, unpack and compile."""
    import_libraries()
    from bench.performance.floor_work import take_bytecode, unpack
    from sagepip.build.build_library import ProjectBuilder

    source, python, site, scratch, ready, isolated, *wheels = sys.argv[1:]
    if wheels:
        python = make_environment(f"{scratch}/environment", python, wheels)
    hooks = Hooks(python)
    builder = ProjectBuilder(source, python_executable=python, runner=hooks)
    if isolated:
        builder.get_requires_for_build("wheel")
    wheel = builder.build("wheel", f"{scratch}/wheel")
    hooks.wait()
    unpack(wheel, site)
    if ready:
        take_bytecode(ready, site)
    compile_modules(site)
