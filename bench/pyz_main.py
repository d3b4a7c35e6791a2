"""What ``sagepip.pyz`` starts with: it unpacks itself once, and runs from there.

Child processes (pip, hooks, the probe of an interpreter) need files that have a path. They lie in a
directory of the user's cache, named by the content of the zip application; where that cannot be
written, in a temporary one that goes with this run. This file runs in any Python 3.
"""

import os
import sys

ENTRIES = {
    "sage-pip-install": "sage_pip_install",
    "sage-pip-uninstall": "sage_pip_uninstall",
    "sage-staged-copy": "sage_staged_copy",
    "sage-pip-lock": "sage_pip_lock",
}


def main():  # type: () -> int
    """Unpack, and run the command that the zip application is called as."""
    if sys.version_info < (3, 11):  # noqa: UP036 (it may be started by any)
        sys.stderr.write("Error: sagepip needs Python 3.11 or newer (run it with another)\n")
        return 1
    # What lies there could answer every import below.
    foreign = [os.path.abspath(one) for one in os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    archive = sys.path[0]
    sys.path[:] = [one for one in sys.path if one == archive or os.path.abspath(one) not in foreign]
    digest = content_name()
    try:
        home = in_cache(archive, digest)
    except OSError:
        return in_temporary(archive)
    return run(home)


def content_name():  # type: () -> str
    """Return the name of this zip application's content."""
    import pkgutil

    return (pkgutil.get_data("__main__", "CONTENT") or b"").decode().strip()


def in_cache(archive, digest):  # type: (str, str) -> str
    """Unpack to the cache unless that was done; return the directory, or raise OSError."""
    given = os.environ.get("SAGEPIP_CACHE_DIR")
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.expanduser("~/.cache")
    if given:
        top = os.path.abspath(os.path.expanduser(given))
    elif os.path.isabs(base):
        top = os.path.join(base, "sagepip")
    else:
        raise OSError("no home directory")
    home = os.path.join(top, "pyz", digest)
    check_owner(top)
    pyz = os.path.dirname(home)
    if os.path.isdir(home):
        check_owner(pyz)
        check_owner(home)
    else:
        os.makedirs(top, mode=0o700, exist_ok=True)
        check_owner(top)
        os.makedirs(pyz, mode=0o700, exist_ok=True)
    import time

    for _ in range(100):
        if take(home):
            return home
        unpack_in_cache(archive, home)
        time.sleep(0.01)  # it is being removed
    raise OSError("always being removed: " + home)


def take(home):  # type: (str) -> bool
    """Share the lock of a directory for as long as this process lives; False if it is not there.

    ``sagepip cache prune`` removes only what it can lock exclusively.
    """
    import fcntl

    try:
        descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), os.stat(home)):
            os.utime(home)  # when it was last used
            return True
    except (BlockingIOError, FileNotFoundError):
        pass  # it is being removed
    os.close(descriptor)
    return False


def unpack_in_cache(archive, home):  # type: (str, str) -> None
    """Unpack, one process at a time; nothing to do if another has done it."""
    import fcntl
    import shutil

    descriptor = os.open(os.path.dirname(home), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if not os.path.isdir(home):
            part = home + ".part"  # of somebody who was killed, if it is there
            shutil.rmtree(part, ignore_errors=True)
            unpack(archive, part)
            os.rename(part, home)
    finally:
        os.close(descriptor)


def check_owner(path):  # type: (str) -> None
    """Raise OSError if others could have put something there, or we would into theirs (sudo)."""
    nearest = path
    while not os.path.lexists(nearest):
        nearest = os.path.dirname(nearest)
    found = os.stat(nearest)
    if found.st_uid != os.geteuid() or (nearest == path and found.st_mode & 0o022):
        raise OSError("not ours: " + nearest)


def in_temporary(archive):  # type: (str) -> int
    """Run from a temporary directory, in a process that it can be removed after."""
    import shutil
    import signal
    import tempfile

    home = tempfile.mkdtemp(prefix="sagepip-pyz-")
    try:
        unpack(archive, home)
        ours = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
        signal.pthread_sigmask(signal.SIG_BLOCK, ours)
        child = os.fork()
        if not child:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ours)
            os._exit(run(home))
        for number in ours[:2]:
            signal.signal(number, lambda number, _frame: os.kill(child, number))
        # Typed at a terminal, an interrupt reaches the child as well.
        signal.signal(signal.SIGINT, lambda _number, _frame: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ours)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return 128 - status if status < 0 else status
    finally:
        shutil.rmtree(home, ignore_errors=True)


def unpack(archive, home):  # type: (str, str) -> None
    """Unpack the libraries, which are in ``lib/``."""
    import zipfile

    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            if info.filename.startswith("lib/") and not info.is_dir():
                path = os.path.join(home, info.filename[4:])
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as stream:
                    stream.write(opened.read(info))


def run(home):  # type: (str) -> int
    """Run the command from the directory."""
    sys.path[0] = home
    from sagepip.cli import main as commands

    name = os.path.basename(sys.argv[0])
    status = getattr(commands, ENTRIES.get(name, "sagepip"))()
    sys.stdout.flush()
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
