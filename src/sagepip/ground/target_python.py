"""The interpreter that distributions are installed for, as it describes itself."""

from __future__ import annotations

import os
import sys

from sagepip.ground import interpreter_probe
from sagepip.ground.errors import TargetError
from sagepip.ground.light_dataclass import dataclass, field, replace
from sagepip.ground.light_functools import cached_property, partial
from sagepip.ground.timing import phase

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

_PROBE_SECONDS = 60


@dataclass(frozen=True)
class TargetPython:
    """An interpreter: where it installs to and what it accepts.

    Attributes:
        executable: its absolute path, not resolved (a venv's ``python`` is a link).
        version: ``(3, 11, 7)``.
        build: ``sys.version``, which tells two builds of one version apart.
        implementation: ``cpython`` and the like.
        cache_tag: the tag in the names of its bytecode files, ``cpython-311``; or None.
        magic: the magic number of its bytecode, in hexadecimal.
        prefix: its ``sys.prefix``.
        virtual: whether it is a virtual environment's.
        scheme_paths: its default installation scheme (purelib, platlib, include, scripts, data).
        prefix_scheme_paths: the scheme for ``--prefix``, with a placeholder for the prefix.
        site_directories: the resolved directories of installed distributions that it sees.
        externally_managed: the path of the EXTERNALLY-MANAGED file in force, or None (PEP 668).
        is_running: whether it is the interpreter that runs this process.
    """

    executable: str
    version: tuple[int, int, int]
    build: str
    implementation: str
    cache_tag: str | None
    magic: str
    prefix: str
    virtual: bool
    scheme_paths: Mapping[str, str]
    prefix_scheme_paths: Mapping[str, str]
    site_directories: tuple[str, ...]
    externally_managed: str | None
    is_running: bool
    _asked: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def xy(self) -> str:
        """The version as in ``python3.11``."""
        return f"{self.version[0]}.{self.version[1]}"

    @property
    def compiles_like_running(self) -> bool:
        """Whether the running interpreter makes the very bytecode that this one would."""
        return self.is_running or (
            self.implementation == sys.implementation.name and self.build == sys.version
        )

    @property
    def is_of_running_base(self) -> bool:
        """Whether it is the running interpreter, or both are environments of one installation."""
        base = self._asked.get("base_prefix")
        return self.is_running or (
            self.compiles_like_running
            and base is not None
            and os.path.realpath(base) == os.path.realpath(sys.base_prefix)
        )

    @cached_property
    def accepts_like_running(self) -> bool:
        """Whether the running interpreter accepts the very wheels that this one does."""
        return self.is_running or (
            self.compiles_like_running
            and all(
                self._asked.get(key) == value
                for key, value in interpreter_probe.describe().items()
                if key in ("platform", "extension_suffixes", "cache_tag")
            )
        )

    @cached_property
    def _compatibility(self) -> Mapping[str, Any]:
        if "tags" in self._asked:
            return self._asked
        import packaging

        parent = os.path.dirname(os.path.dirname(os.path.abspath(packaging.__file__)))
        return _answer(self.executable, _Question(self.executable, parent))

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """The wheel tags it accepts, best first (the platform compatibility specification).

        Raises:
            TargetError: the interpreter is too old to be asked.
        """
        if self.accepts_like_running:
            return tuple(interpreter_probe.compatible_tags())
        if "tags" not in self._compatibility:
            raise TargetError(
                f"cannot find out which wheels {self.executable} accepts: "
                f"{self._compatibility.get('error', 'no answer')}",
                advice="use a supported Python",
            )
        return tuple(self._compatibility["tags"])

    @cached_property
    def markers(self) -> Mapping[str, str]:
        """The values of the environment markers (PEP 508), without ``extra``."""
        if self.accepts_like_running:
            return interpreter_probe.marker_environment()
        return dict(self._compatibility.get("markers", {}))

    def as_environment(self, executable: str, prefix: str) -> TargetPython:
        """Describe a virtual environment that was made of this interpreter, without asking it.

        Args:
            executable: the environment's interpreter.
            prefix: the environment's directory.
        """
        return replace(
            self,
            executable=executable,
            prefix=prefix,
            virtual=True,
            externally_managed=None,
            is_running=False,
            _asked=self._asked if self.accepts_like_running else self._compatibility,
        )

    @classmethod
    def running(cls) -> TargetPython:
        """Describe the interpreter that runs this process, without a subprocess."""
        return cls._from_description(interpreter_probe.describe(), is_running=True)

    @classmethod
    def ask(cls, executable: str) -> TargetPython:
        """Ask another interpreter to describe itself, in one isolated subprocess if need be.

        Args:
            executable: the path of the interpreter.

        Raises:
            TargetError: it cannot be run, or gives no usable answer.
        """
        return cls.start_asking(executable)()

    @classmethod
    def start_asking(cls, executable: str) -> Callable[[], TargetPython]:
        """Ask another interpreter to describe itself; return what waits for the answer.

        Args, Raises: see :meth:`ask`.
        """
        if _same_interpreter(executable):
            return cls.running
        from sagepip.ground.sibling_environment import describe_sibling

        sibling = describe_sibling(executable)
        if sibling is not None:
            return partial(cls._from_description, sibling, is_running=False)
        question = _Question(executable)
        return lambda: cls._from_description(_answer(executable, question), is_running=False)

    @classmethod
    def _from_description(cls, answer: Mapping[str, Any], *, is_running: bool) -> TargetPython:
        major, minor, micro = answer["version"]
        return cls(
            executable=answer["executable"],
            version=(major, minor, micro),
            build=answer["build"],
            implementation=answer["implementation"],
            cache_tag=answer["cache_tag"],
            magic=answer["magic"],
            prefix=answer["prefix"],
            virtual=answer["virtual"],
            scheme_paths=answer["scheme"],
            prefix_scheme_paths=answer["prefix_scheme"],
            site_directories=tuple(answer["site_directories"]),
            externally_managed=answer["externally_managed"],
            is_running=is_running,
            _asked=answer,
        )


class _Question:
    """An interpreter that is at work on describing itself, isolated.

    Args:
        executable: the path of the interpreter.
        packaging_parent: where packaging lies, to be told which wheels and requirements are for
            it; if it is empty, the rest is told.

    Raises:
        TargetError: it cannot be run.
    """

    def __init__(self, executable: str, packaging_parent: str = "") -> None:
        import subprocess

        loader: Any = interpreter_probe.__loader__  # of a file, or of the zip application
        source = loader.get_source(interpreter_probe.__name__)
        try:
            self.process = subprocess.Popen(
                [executable, "-I", "-c", source, packaging_parent],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
            )
        except OSError as error:
            raise TargetError(
                f"cannot run the target interpreter {executable}: {error.strerror}",
                advice="give a working Python with --python or SAGE_VENV",
            ) from error


def _answer(executable: str, question: _Question) -> dict[str, Any]:
    """Wait for an interpreter's answer.

    Raises:
        TargetError: it gives no usable one.
    """
    import json
    import subprocess

    with question.process as process:
        try:
            with phase("interpreter", executable):
                stdout, stderr = process.communicate(timeout=_PROBE_SECONDS)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise TargetError(
                f"the target interpreter {executable} gave no answer in {_PROBE_SECONDS} s",
                advice="run it by hand to see what it waits for",
            ) from error
        except BaseException:
            process.kill()
            raise
    for line in reversed(stdout.decode("utf-8", "replace").splitlines()):
        if line.startswith(interpreter_probe.MARK):
            answer: dict[str, Any] = json.loads(line[len(interpreter_probe.MARK) :])
            return answer
    said = stderr.decode("utf-8", "replace").strip().splitlines()
    raise TargetError(
        f"the target interpreter {executable} does not describe itself "
        f"(exit status {process.returncode}{': ' + said[-1] if said else ''})",
        advice="is it a Python 3.8 or newer?",
    )


def find_target_python(option: str | None, environ: Mapping[str, str]) -> TargetPython:
    """Find the target interpreter: the option, else ``SAGE_VENV``, else the running one.

    Args:
        option: the value of ``--python``: an interpreter or the directory of a venv; or None.
        environ: the environment; ``SAGE_VENV`` names a venv directory.

    Raises:
        TargetError: there is no such interpreter, or it cannot be used.
    """
    return start_finding_target_python(option, environ)()


def start_finding_target_python(
    option: str | None, environ: Mapping[str, str]
) -> Callable[[], TargetPython]:
    """Begin to find the target interpreter; return what waits until it is found.

    Args, Raises: see :func:`find_target_python`.
    """
    if option:
        return TargetPython.start_asking(_interpreter_in(option, "--python"))
    if venv := environ.get("SAGE_VENV"):
        return TargetPython.start_asking(_interpreter_in(venv, "SAGE_VENV"))
    return TargetPython.running


def _interpreter_in(given: str, origin: str) -> str:
    if os.path.isdir(given):
        for name in ("python3", "python"):
            candidate = os.path.join(given, "bin", name)
            if os.path.exists(candidate):
                return os.path.abspath(candidate)
        raise TargetError(
            f"no Python in {given} ({origin})", advice="it has no bin/python3; is it a venv?"
        )
    if os.sep not in given:
        import shutil

        if found := shutil.which(given):
            return os.path.abspath(found)
    if not os.path.exists(given):
        raise TargetError(
            f"no such interpreter: {given} ({origin})", advice="give its path or a venv directory"
        )
    return os.path.abspath(given)


def _same_interpreter(executable: str) -> bool:
    """Whether a path is the running interpreter: the same file, of the same environment."""
    try:
        same_file = os.path.samefile(executable, sys.executable)
    except OSError:
        return False
    # Every venv's python may be a link to one file: the directory tells the environments apart.
    return same_file and os.path.realpath(os.path.dirname(executable)) == os.path.realpath(
        os.path.dirname(sys.executable)
    )
