"""Where a distribution's files go: a target interpreter's schemes, moved by the options."""

from __future__ import annotations

import errno
import os

from sagepip.ground.errors import TargetError, UsageError
from sagepip.ground.light_dataclass import dataclass, fields

TYPE_CHECKING = False  # without what typing takes to load
if TYPE_CHECKING:
    from collections.abc import Mapping

    from sagepip.ground.target_python import TargetPython


@dataclass(frozen=True)
class Scheme:
    """The five directories of an installation scheme, absolute, as seen when installed.

    Attributes:
        purelib: modules of pure distributions.
        platlib: modules of distributions with compiled code.
        headers: the parent of each distribution's own directory of C headers.
        scripts: programs.
        data: the root that everything else is relative to.
    """

    purelib: str
    platlib: str
    headers: str
    scripts: str
    data: str

    def path(self, name: str, distribution: str) -> str:
        """Return the directory of the scheme key ``name`` for one distribution."""
        if name == "headers":
            return os.path.join(self.headers, distribution)
        found: str = getattr(self, name)
        return found


@dataclass(frozen=True)
class LiveRoot:
    """A directory of a scheme on disk.

    Attributes:
        path: as the scheme spells it.
        resolved: without links.
        holds_modules: whether modules and metadata go there (purelib, platlib).
    """

    path: str
    resolved: str
    holds_modules: bool


@dataclass(frozen=True)
class Destination:
    """A scheme on disk.

    ``scheme`` holds the paths that installed files will have when they are used; with a ``root``
    (DESTDIR) they lie below it until then. :meth:`live` leads from the first to the second.

    Attributes:
        python: the target interpreter.
        scheme: the final paths.
        root: the absolute DESTDIR, or an empty string.
        is_default: whether these are the interpreter's own schemes (no option moved them).
        interpreter: what scripts begin with instead of the target interpreter; empty for that.
    """

    python: TargetPython
    scheme: Scheme
    root: str
    is_default: bool
    interpreter: str = ""

    @property
    def script_interpreter(self) -> str:
        """What scripts begin with."""
        return self.interpreter or self.python.executable

    def live(self, path: str) -> str:
        """Return where the final absolute ``path`` lies on disk now."""
        return self.root + path if self.root else path

    @property
    def site(self) -> str:
        """The purelib directory on disk, resolved: the SITE that the lock belongs to."""
        return os.path.realpath(self.live(self.scheme.purelib))

    @property
    def live_roots(self) -> list[LiveRoot]:
        """The directories on disk that a change may touch: those of the scheme."""
        found = []
        for one in fields(self.scheme):
            path = self.live(getattr(self.scheme, one.name))
            holds_modules = one.name in ("purelib", "platlib")
            found.append(LiveRoot(path, os.path.realpath(path), holds_modules))
        return found

    @property
    def metadata_directories(self) -> tuple[str, ...]:
        """Where ``.dist-info`` may lie, as the scheme spells it: purelib, and platlib if other."""
        purelib, platlib = self.live(self.scheme.purelib), self.live(self.scheme.platlib)
        same = os.path.realpath(purelib) == os.path.realpath(platlib)
        return (purelib,) if same else (purelib, platlib)


def find_destination(
    python: TargetPython,
    *,
    root: str | None = None,
    prefix: str | None = None,
    target: str | None = None,
    interpreter: str | None = None,
) -> Destination:
    """Work out the destination from the options, with pip's meaning of them.

    Args:
        python: the target interpreter.
        root: ``--root``: everything lies below this directory.
        prefix: ``--prefix``: the scheme of the interpreter moved to another prefix.
        target: ``--target``: modules go straight into this directory.
        interpreter: ``--interpreter``: what scripts begin with.

    Raises:
        UsageError: options that exclude each other.
        TargetError: links lead to no directory.
    """
    if target is not None and prefix is not None:
        raise UsageError("--target and --prefix exclude each other", advice="give one of them")
    if target is not None and root is not None:
        raise UsageError("--target and --root exclude each other", advice="give one of them")
    if target is not None:
        home = os.path.abspath(target)
        scheme = Scheme(
            purelib=home,
            platlib=home,
            headers=os.path.join(home, "include", "python"),
            scripts=os.path.join(home, "bin"),
            data=home,
        )
    elif prefix is not None:
        scheme = _scheme(python, _moved(python.prefix_scheme_paths, os.path.abspath(prefix)))
    else:
        scheme = _scheme(python, python.scheme_paths)
    destination = Destination(
        python=python,
        scheme=scheme,
        root="" if not root or os.path.abspath(root) == "/" else os.path.abspath(root),
        is_default=prefix is None and target is None and not root,
        interpreter=interpreter or "",
    )
    _check_links(destination.live(scheme.purelib))
    return destination


def _check_links(path: str) -> None:
    """Refuse a site whose links lead round in circles: every look at it would fail in its own way.

    One that leads to a directory that is missing is in order: that will be made.
    """
    try:
        os.path.realpath(path, strict=True)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise TargetError(
                f"{path} leads to no directory: {error.strerror}",
                advice="a link on the way to it leads round in circles: put it right",
            ) from error


def _moved(paths: Mapping[str, str], prefix: str) -> dict[str, str]:
    from sagepip.ground.interpreter_probe import PREFIX_PLACEHOLDER

    # With --prefix=/ the placeholder leaves an empty string: a leading slash must stay.
    base = "" if prefix == "/" else prefix
    return {key: path.replace(PREFIX_PLACEHOLDER, base) or "/" for key, path in paths.items()}


def _scheme(python: TargetPython, paths: Mapping[str, str]) -> Scheme:
    headers = paths["include"]
    if python.virtual:
        # A venv has no include directory of its own; pip puts headers here (PEP 405 era).
        headers = os.path.join(paths["data"], "include", "site", f"python{python.xy}")
    return Scheme(
        purelib=paths["purelib"],
        platlib=paths["platlib"],
        headers=headers,
        scripts=paths["scripts"],
        data=paths["data"],
    )
