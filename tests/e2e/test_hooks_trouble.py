"""Build hooks that misbehave, through ``sage-pip-install``: one clear line, nothing left over."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import pytest
from bench.environment import console_script

import sagepip
from tests.e2e.build_fixtures import make_project, make_tiny_backend
from tests.e2e.commands import Done, Terminal, error_line, site_of
from tests.guarantees import snapshot, versions
from tests.wheels import make_wheel

# A backend that can make the wheel of its project, then does what the test says. ``{wheel}`` is
# a wheel that lies outside of the project.
BACKEND = """
import os, shutil, signal, subprocess, sys, time

def good(directory, wheel="demo-1.0-py3-none-any.whl"):
    shutil.copy(os.path.join({wheels!r}, wheel), directory)
    return wheel

{before}

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    {body}
"""
NAME = "'demo-1.0-py3-none-any.whl'"
ANSWER = "open(sys.argv[2] + '/output.json', 'w').write({!r}); os._exit(0)"
DAEMON = "subprocess.Popen(['sleep', '600']{}); "

# What build_wheel does, and what the error line says of it.
FAILURES = {
    "dies by a signal": ("os.kill(os.getpid(), signal.SIGSEGV)", "was killed by SIGSEGV"),
    "is killed": ("os.kill(os.getpid(), 9)", r"was killed by SIGKILL \(out of memory\?\)"),
    "kills its group": ("os.killpg(0, 9)", "was killed by SIGKILL"),
    "raises": ("raise RuntimeError('deliberate')", "ended with exit status 1"),
    "raises SystemExit": ("raise SystemExit(7)", "ended with exit status 7"),
    "raises SystemExit(0)": ("raise SystemExit(0)", "ended without an answer"),
    "raises KeyboardInterrupt": ("raise KeyboardInterrupt", "was killed by SIGINT"),
    "exits": ("os._exit(3)", "ended with exit status 3"),
    "exits with 0": ("os._exit(0)", "ended without an answer"),
    "closes its output": ("os.closerange(0, 64); raise RuntimeError", "ended with exit status"),
    "recurses": ("(f := lambda: f())()", "ended with exit status 1"),
    "is missing": ("del globals()['build_wheel']; raise AttributeError", "exit status 1"),
    "answers None": ("return None", "answered None, which is not the name of a file"),
    "answers a number": ("return 5", "answered 5, which is not"),
    "answers a list": ("return ['a']", r"answered \['a'\], which is not"),
    "answers bytes": ("return b'x'", "ended with exit status 1"),
    "answers a slash": ("return 'a/b.whl'", "answered 'a/b.whl', which is not"),
    "answers a way up": ("return '../x.whl'", "answered '../x.whl', which is not"),
    "answers a surrogate": ("return 'a\\ud800.whl'", r"answered 'a\\ud800.whl', which is not"),
    "answers at length": ("return 'a' * 10_000_000", "answered 'aaa.*aaa', which is not"),
    "answers endlessly": (
        "open(sys.argv[2] + '/output.json', 'w').truncate(1 << 30); os._exit(0)",
        r"gave an unreasonably large answer \(1073741824 bytes\)",
    ),
    "answers no JSON": (ANSWER.format("{"), "gave an answer that cannot be read"),
    "answers nonsense": (ANSWER.format("[1]"), "gave an answer that makes no sense"),
    "answers a pipe": (
        "os.mkfifo(sys.argv[2] + '/output.json'); os._exit(0)",
        "ended without an answer",
    ),
    "answers what is no wheel": ("return 'demo.txt'", "named a file that is no wheel: 'demo.txt'"),
    "names escapes": ("return '\\x1b[31m.whl'", r"did not make what it named: \\x1b\[31m.whl"),
    "makes no file": (f"return {NAME}", "did not make what it named"),
    "makes a directory": (
        f"os.mkdir(wheel_directory + '/' + {NAME}); return {NAME}",
        "is not a regular file",
    ),
    "makes a link": (
        f"os.symlink('/etc/passwd', wheel_directory + '/' + {NAME}); return {NAME}",
        "is not a regular file",
    ),
    "makes junk": (
        f"open(wheel_directory + '/' + {NAME}, 'w').write('junk'); return {NAME}",
        "no acceptable wheel: .*not a zip file",
    ),
    "makes another project": (
        "return good(wheel_directory, 'other-1.0-py3-none-any.whl')",
        "made other, but the project is demo",
    ),
    "makes another version": (
        "return good(wheel_directory, 'demo-9.9-py3-none-any.whl')",
        "made version 9.9, but the project's is 1.0",
    ),
    "renames a wheel": (
        f"os.rename(wheel_directory + '/' + good(wheel_directory, 'other-1.0-py3-none-any.whl'),"
        f" wheel_directory + '/' + {NAME}); return {NAME}",
        "no acceptable wheel: .*METADATA is of other",
    ),
    "leaves a child": (DAEMON.format("") + "raise SystemExit(3)", "ended with exit status 3"),
    "leaves a daemon": (
        DAEMON.format(", start_new_session=True") + "raise SystemExit(3)",
        "ended with exit status 3",
    ),
    "leaves temporary files": (
        "import tempfile; tempfile.mkdtemp(); raise SystemExit(3)",
        "ended with exit status 3",
    ),
    "truncates its log": (
        "os.truncate(os.readlink('/proc/self/fd/1'), 0); raise SystemExit('deliberate')",
        "ended with exit status 1",
    ),
    "writes one endless line": ("print('x' * 5_000_000); raise SystemExit(3)", "exit status 3"),
    "writes a long log": (
        "[print('x' * 1_000_000) for _ in range(200)]; raise SystemExit(3)",
        "ended with exit status 3",
    ),
    "hangs": ("time.sleep(600)", r"was ended, as it took longer than 2 s \(--build-timeout\)"),
    "hangs with a child": (
        DAEMON.format(", start_new_session=True") + "time.sleep(600)",
        "took longer than 2 s",
    ),
    "stops": ("os.kill(os.getpid(), signal.SIGSTOP)", "took longer than 2 s"),
    "stops its parent": (
        "os.kill(os.getppid(), signal.SIGSTOP); return good(wheel_directory)",
        "took longer than 2 s",
    ),
    "kills its parent": ("os.kill(os.getppid(), 9); time.sleep(600)", "was killed by SIGKILL"),
    "ignores SIGTERM": (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
        "took longer than 2 s",
    ),
}
# What comes before build_wheel in the backend, and what the error line says.
EARLY_FAILURES = {
    "import raises": ("raise ValueError('deliberate')", "ended with exit status 1"),
    "import exits": ("sys.exit(0)", "ended without an answer"),
    "syntax error": ("def x(:", "ended with exit status 1"),
    "hook raises": (
        "def get_requires_for_build_wheel(c=None): raise RuntimeError",
        "ended with exit status 1",
    ),
    "no list": (
        "def get_requires_for_build_wheel(c=None): return 'setuptools'",
        "answered 'setuptools', which is not a list of requirements",
    ),
    "an option": (
        "def get_requires_for_build_wheel(c=None): return ['--index-url=x']",
        "answered '--index-url=x', which is not a requirement",
    ),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project, without its backend."""
    for name, version in (("demo", "1.0"), ("demo", "9.9"), ("other", "1.0")):
        make_wheel(tmp_path / "wheels", name, version, {f"{name}.py": ""})
    return make_project(tmp_path / "source", in_tree="")


def write_backend(project: Path, body: str, before: str = "") -> None:
    text = BACKEND.format(wheels=str(project.parent / "wheels"), before=before, body=body)
    (project / "backend" / "own_backend.py").write_text(textwrap.dedent(text))


# Root may write everywhere; this may read everywhere.
READER = (
    *("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
)


def install(
    terminal: Terminal, project: Path, cache: Path, *words: str, by: Sequence[str] = ()
) -> Done:
    """Run the command, through others that run it, and mark everything that it starts."""
    command = [*by, str(console_script("sage-pip-install")), "--no-index", "--no-deps"]
    return subprocess.run(
        [*command, *words, str(project)],
        cwd=terminal.where,
        env=terminal.environ
        | {"SAGEPIP_CACHE_DIR": str(cache), "SAGEPIP_TEST_MARK": str(terminal.where)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=False,
    )


def marked(terminal: Terminal) -> list[str]:
    """Return the command lines of marked processes that still run."""
    mark = f"SAGEPIP_TEST_MARK={terminal.where}".encode()
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (place / "environ").read_bytes().split(b"\0"):
                found.append((place / "cmdline").read_text())
        except OSError:
            continue
    return found


def check_failure(
    terminal: Terminal, project: Path, cache: Path, expected: str, *words: str, hook: str = ""
) -> Done:
    """Install what cannot be built: everything that is said and left must be as promised."""
    prefix = terminal.where / "prefix"
    before = snapshot(project)
    done = install(terminal, project, cache, "--prefix", str(prefix), *words)
    told = f"{done.args}\n{done.stdout}\n{done.stderr[-3000:]}"
    assert done.returncode == 1, told
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    errors = [line for line in lines if line.startswith("Error: ")]
    assert errors == lines[-1:], told
    assert re.search(expected, errors[0]), told
    assert str(project) in errors[0]
    assert hook in errors[0]
    assert len(errors[0]) < 1500
    own = os.path.dirname(sagepip.__file__) + os.sep
    assert own not in "".join(lines[:-1]), f"a traceback of sagepip's own: {told}"
    assert done.stderr.replace("\n", "").replace("\t", "").isprintable(), told
    assert len(done.stderr) < 60_000

    (log,) = re.findall(r"log: (\S+?)[;) ]", errors[0])
    assert (
        f"=== get_requires_for_build_wheel of {project}" in Path(log).read_text(errors="replace")
        or os.path.getsize(log) < 1000
    ), "the whole log, unless the hook truncated it"
    (environment,) = re.findall(r"build environment: (\S+?)[;)]", errors[0])
    assert os.access(Path(environment) / "bin" / "python", os.X_OK)

    assert marked(terminal) == []
    assert list(terminal.temporary.iterdir()) == [Path(log).parent], "kept on purpose"
    assert not list(prefix.rglob("demo*"))
    assert snapshot(project) == before
    return done


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc, and so does the ending")
@pytest.mark.parametrize("case", FAILURES)
def test_hook_that_misbehaves(
    terminal: Terminal, project: Path, session_cache: Path, case: str
) -> None:
    """Rule 14, G7: whatever a hook does, one line says which and where its traces are."""
    body, expected = FAILURES[case]
    write_backend(project, body)
    limit = ("--build-timeout", "2") if "took longer than" in expected else ()
    check_failure(terminal, project, session_cache, expected, *limit)


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize("case", EARLY_FAILURES)
def test_backend_that_misbehaves_before(
    terminal: Terminal, project: Path, session_cache: Path, case: str
) -> None:
    """The hook that is asked for requirements is no better than the other."""
    before, expected = EARLY_FAILURES[case]
    write_backend(project, "return good(wheel_directory)", before)
    hook = "get_requires_for_build_wheel"
    check_failure(terminal, project, session_cache, expected, hook=hook)


def test_output_is_shown_without_what_plays_with_the_terminal(
    terminal: Terminal, project: Path, session_cache: Path
) -> None:
    """Invalid UTF-8, colours, titles and bells: readable above the error, and in the log as is."""
    raw = b"bad \xff \x1b[31mred\x1b[0m \x1b]0;title\x07bell\x07\n"
    write_backend(project, f"sys.stdout.buffer.write({raw!r}); sys.stdout.flush(); os._exit(3)")
    done = check_failure(terminal, project, session_cache, "exit status 3")
    assert "bad \N{REPLACEMENT CHARACTER} red bell\\x07\n" in done.stderr
    (log,) = terminal.temporary.glob("*/build.log")
    assert raw in log.read_bytes()
    shutil.rmtree(log.parent)
    done = check_failure(terminal, project, session_cache, "exit status 3", "-v")
    assert "bad \N{REPLACEMENT CHARACTER} red bell\\x07\n" in done.stderr
    assert done.stderr.count("bad \N{REPLACEMENT CHARACTER}") == 1, "not shown twice"


GOOD_AFTER_ALL = {
    "a child left": DAEMON.format(""),
    "a daemon left": DAEMON.format(", start_new_session=True"),
    "output closed": "os.closerange(0, 64); ",
    "temporary files left": "import tempfile; tempfile.mkdtemp(); ",
    "files left beside": "os.makedirs(wheel_directory + '/x'); os.chmod(wheel_directory, 0o500); ",
    "source removed": "shutil.rmtree(os.getcwd()); ",
    "warnings": "import warnings; warnings.warn('', UserWarning); ",
}


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize("case", GOOD_AFTER_ALL)
def test_hook_that_makes_its_wheel_all_the_same(
    terminal: Terminal, project: Path, session_cache: Path, case: str
) -> None:
    """A good wheel is installed whatever else the hook did; nothing of that is left."""
    write_backend(project, f"name = good(wheel_directory); {GOOD_AFTER_ALL[case]}return name")
    done = install(terminal, project, session_cache, "--prefix", str(terminal.where / "prefix"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Successfully installed demo-1.0\n"
    assert done.stderr == ""
    assert marked(terminal) == []
    assert list(terminal.temporary.iterdir()) == []


# A hook runs with the rights of the user and can write everywhere. What it writes into the live
# site, what the installation is refused with then, and else who finds it, with what status.
ELSEWHERE: dict[str, tuple[str, str, str, int]] = {
    "where its wheel goes": ("demo.py", "demo.py is in the way; it belongs to no", "", 0),
    "metadata as its wheel has": ("demo-1.0.dist-info/METADATA", "has no RECORD", "", 0),
    "over another distribution": ("other.py", "", "verify", 4),
    "a module of its own": ("stray.py", "", "verify", 0),
    "a .pth file": ("stray.pth", "", "doctor", 4),
}


@pytest.mark.parametrize("case", ELSEWHERE)
def test_hook_that_writes_into_the_live_site(
    terminal: Terminal, project: Path, session_cache: Path, case: str
) -> None:
    """What it leaves there is nobody's: never taken for the wheel's, nor replaced, but found."""
    name, refusal, finder, status = ELSEWHERE[case]
    prefix = terminal.where / "prefix"
    terminal.install("--prefix", prefix, project.parent / "wheels/other-1.0-py3-none-any.whl")
    path = site_of(prefix) / name
    write_backend(
        project,
        f"os.makedirs({str(path.parent)!r}, exist_ok=True); "
        f"open({str(path)!r}, 'w').write('import no_such_module'); return good(wheel_directory)",
    )
    done = install(terminal, project, session_cache, "--prefix", str(prefix))
    assert path.read_text() == "import no_such_module"
    assert versions(site_of(prefix), "other") == ["1.0"]
    if refusal:
        assert done.returncode == 1
        assert refusal in error_line(done)
        assert not (site_of(prefix) / "demo-1.0.dist-info/RECORD").exists()
        return
    assert done.returncode == 0, done.stderr
    assert versions(site_of(prefix), "demo") == ["1.0"]
    found = terminal.run("sagepip", finder, "-v", "--prefix", prefix, status=status)
    assert name in found.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize("keywords", ["", ", start_new_session=True"], ids=["child", "daemon"])
def test_backend_that_starts_processes_when_it_is_imported(
    terminal: Terminal, project: Path, session_cache: Path, keywords: str
) -> None:
    """What the import of a backend started goes with the build, whichever process imported it."""
    write_backend(project, "return good(wheel_directory)", DAEMON.format(keywords))
    done = install(terminal, project, session_cache, "--prefix", str(terminal.where / "prefix"))
    assert done.returncode == 0, done.stderr
    assert marked(terminal) == []


KILL_SAGEPIP = (
    "host = open(f'/proc/{os.getppid()}/stat').read(); "
    "os.kill(int(host.rpartition(')')[2].split()[1]), 9); return good(wheel_directory)"
)


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_what_a_killed_build_leaves_goes_with_the_next(
    terminal: Terminal, project: Path, session_cache: Path
) -> None:
    """No directory of it stays in TMPDIR; what a failed build leaves for the user does."""
    prefix = ["--prefix", str(terminal.where / "prefix")]
    write_backend(project, KILL_SAGEPIP)
    assert install(terminal, project, session_cache, *prefix).returncode == -signal.SIGKILL
    while marked(terminal):
        pass  # the hook's own processes end by themselves

    def ours() -> set[Path]:  # pyproject_hooks leaves two small files
        return set(terminal.temporary.glob("sagepip-*"))

    left = ours()
    assert left
    write_backend(project, "raise ValueError('broken')")
    assert install(terminal, project, session_cache, *prefix).returncode == 1
    kept = ours()
    assert kept
    assert kept.isdisjoint(left)
    write_backend(project, "return good(wheel_directory)")
    done = install(terminal, project, session_cache, *prefix)
    assert done.returncode == 0, done.stderr
    assert ours() == kept


def test_limit_by_variable(terminal: Terminal, project: Path, session_cache: Path) -> None:
    """SAGEPIP_BUILD_TIMEOUT is the default of --build-timeout; what is no limit is refused."""
    write_backend(project, "time.sleep(600)")
    terminal.environ["SAGEPIP_BUILD_TIMEOUT"] = "1.5"
    check_failure(terminal, project, session_cache, "took longer than 1.5 s")
    write_backend(project, "return good(wheel_directory)")
    done = install(terminal, project, session_cache, "--build-timeout", "600", "--dry-run")
    assert done.returncode == 0, done.stderr
    for value in ("soon", "-1", "0", "nan", "inf"):
        done = install(terminal, project, session_cache, f"--build-timeout={value}")
        assert done.returncode == 2
        assert f"--build-timeout {value}" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a file system")
def test_full_disk(terminal: Terminal, project: Path, session_cache: Path) -> None:
    """A hook that fills the disk with files or with its log: the line is as clear as ever."""
    disk = terminal.where / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("cannot mount a small file system here")
    try:
        terminal.environ["TMPDIR"] = str(disk)
        for body in (
            "open(wheel_directory + '/x', 'wb').write(b'x' * (8 << 20))",
            "[print('x' * 1000) for _ in range(8000)]",
        ):
            write_backend(project, body)
            check_failure(terminal, project, session_cache, "ended with exit status")
            for left in disk.iterdir():
                shutil.rmtree(left)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_source_that_may_not_be_written_to(
    terminal: Terminal, project: Path, tmp_path: Path
) -> None:
    """A backend that writes to the tree fails, and the line says why; one that does not works."""
    by = READER if os.geteuid() == 0 else ()
    if by and (not shutil.which("setpriv") or subprocess.run([*by, "true"]).returncode):
        pytest.skip("cannot become another user here")
    cache = tmp_path / "cache"
    for directory in (cache, terminal.temporary, tmp_path / "prefix"):
        directory.mkdir(exist_ok=True)
        if by:
            shutil.chown(directory, "nobody", "nogroup")
    write_backend(project, "open('made', 'w').close(); return good(wheel_directory)")
    os.chmod(project, 0o555)
    before = snapshot(project)
    words = ("--prefix", str(tmp_path / "prefix"))
    try:
        done = install(terminal, project, cache, *words, by=by)
        assert done.returncode == 1
        assert "PermissionError" in done.stderr
        last = done.stderr.splitlines()[-1]
        assert last.startswith(f"Error: build_wheel of {project} ended with exit status 1")
        assert "its directory may not be written to" in last
        assert snapshot(project) == before
        write_backend(project, "return good(wheel_directory)")
        before = snapshot(project)
        done = install(terminal, project, cache, *words, by=by)
        assert done.returncode == 0, done.stderr
        assert done.stdout == "Successfully installed demo-1.0\n"
        assert snapshot(project) == before
    finally:
        os.chmod(project, 0o755)


def test_build_inside_of_a_hook(terminal: Terminal, session_cache: Path) -> None:
    """A hook may start sagepip: what that hook was told is not told to the hooks that we run."""
    make_tiny_backend(terminal.where / "house")
    project = make_project(terminal.where / "source")
    terminal.environ |= {
        "_PYPROJECT_HOOKS_BUILD_BACKEND": "another",
        "_PYPROJECT_HOOKS_BACKEND_PATH_JSON": '["/nowhere"]',
    }
    house = ("--find-links", str(terminal.where / "house"))
    prefix = ("--prefix", str(terminal.where / "prefix"))
    done = install(terminal, project, session_cache, *house, *prefix)
    assert done.returncode == 0, done.stderr
