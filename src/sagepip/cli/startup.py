"""What comes before everything else: a clean import path, open standard streams.

Only modules that the interpreter has loaded already are imported here.
"""

import gc
import io
import os
import sys

import sagepip


def version_line() -> str:
    """Return what ``--version`` prints."""
    home = os.path.dirname(os.path.abspath(sagepip.__file__))
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return f"sagepip {sagepip.__version__} from {home} (python {python})\n"


def collect_rarely() -> None:
    """Have the garbage collector look for cycles seldom: importing makes objects, not garbage.

    At its usual pace it takes a twentieth of the time of a command that builds.
    """
    gc.set_threshold(50_000, 20, 20)


def clean_import_path() -> None:
    """Take ``PYTHONPATH``, the user site, the script's and the working directory off sys.path.

    Build scripts set PYTHONPATH for their own purposes; what lies there must not become part of
    sagepip. The directory that sagepip itself came from stays, and so do the interpreter's own.
    """
    import site

    own = os.path.dirname(os.path.dirname(os.path.abspath(sagepip.__file__)))
    standard_library = os.path.dirname(os.path.abspath(os.__file__))
    kept = {own, standard_library, os.path.join(standard_library, "lib-dynload")}
    site_directories = {os.path.abspath(path) for path in site.getsitepackages()}

    foreign = {os.path.abspath(p) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep)}
    foreign |= _working_directories() | _user_directories(site_directories)
    entries = [os.path.abspath(entry) for entry in sys.path]
    # A site directory that is also in PYTHONPATH goes back to where it belongs: the end.
    behind = [e for e in entries if e in foreign and e in site_directories and e not in kept]
    sys.path[:] = [e for e in entries if e in kept or e not in foreign] + behind


def import_quickly() -> None:
    """Have the modules of sagepip found without a search."""
    from sagepip.ground.own_modules import find_own_modules_quickly

    find_own_modules_quickly()


def open_standard_streams() -> None:
    """Open the null device for each standard descriptor that is closed.

    A file that is opened later would get its number, and be written messages into.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As stderr: a path in an odd encoding must not turn a result into a crash.
        sys.stdout.reconfigure(errors="backslashreplace")


def flush() -> None:
    """Write out what the standard streams hold back."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue  # what is wrong with stdout was told before


def _working_directories() -> set[str]:
    """Return what the interpreter put in front: the script's directory, or the current one."""
    found = set()
    if not getattr(sys.flags, "safe_path", False) and sys.argv:
        found.add(os.path.dirname(os.path.realpath(sys.argv[0])))
    try:
        found.add(os.getcwd())
    except OSError:  # it was removed
        found.add("")
    return found


def _user_directories(site_directories: set[str]) -> set[str]:
    """Return the user site and what its ``.pth`` files added."""
    import site

    user = site.USER_SITE and os.path.abspath(site.USER_SITE)
    entries = [os.path.abspath(entry) for entry in sys.path]
    if not user or user not in entries:
        return set()
    found = {user}
    # site adds the user site, then what its .pth files say, then the interpreter's own sites.
    for entry in entries[entries.index(user) :]:
        if entry in site_directories:
            break
        found.add(entry)
    return found
