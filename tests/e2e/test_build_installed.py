"""Build environments copied from what is installed: what is found, and what becomes of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bench.environment import VirtualEnvironment

from sagepip.build.cache import Cache, find_cache
from sagepip.build.project import build_wheel
from sagepip.build.tree_stamps import find_change
from sagepip.ground import console
from sagepip.ground.errors import BuildError, SagepipError, TargetError
from tests.e2e.build_fixtures import (
    TINY_BACKEND,
    make_project,
    make_sdist,
    make_tiny_backend,
    options,
    seen,
)
from tests.e2e.commands import Terminal, error_line, installed
from tests.e2e.installed_target import Target, installed_options, provide, provisioner, tree_of
from tests.e2e.test_build_cache import provide as provide_from_wheels
from tests.guarantees import violations_of_g1
from tests.legacy import make_egg_info, make_egg_link
from tests.wheels import make_wheel

Files = dict[str, bytes | str]
LIB: Files = {"lib/__init__.py": "def main(): print('lib')", "lib/data.txt": "data"}
PROGRAM = "[console_scripts]\nlib-program = lib:main\n"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """An empty cache, for this test alone."""
    monkeypatch.setenv("SAGEPIP_CACHE_DIR", str(tmp_path / "cache"))
    found = find_cache(os.environ)
    assert found is not None
    return found


@pytest.fixture
def target(tmp_path: Path) -> Target:
    """A target with app, which needs lib, and with something else."""
    target = Target.at(tmp_path / "target")
    target.install("app", "1.0", {"app.py": "one = 1"}, requires=("lib>=1",))
    target.install("lib", "1.0", LIB, entry_points=PROGRAM)
    target.install("other", "1.0", {"other.py": ""})
    return target


@pytest.fixture
def details() -> Iterator[None]:
    """Have details said, as under -v."""
    console.verbosity = 1
    yield
    console.verbosity = 0


# ------------------------------------------------------------------------------ what is copied


def test_environment_is_the_one_that_wheels_make(tmp_path: Path, cache: Cache) -> None:
    """Whatever a wheel holds, its copy from a site lies as the wheel itself would."""
    target = Target.at(tmp_path / "target")
    files: Files = {
        "pkg/__init__.py": "def main(): pass",
        "pkg/deep/er/data.bin": bytes(range(256)),
        "pkg/with blank.txt": "",
        "pkg.pth": "# nothing\n",
        "{data}/scripts/plain": "#!python\nprint('plain')\n",
        "{data}/scripts/shell": "#!/bin/sh\necho shell\n",
        "{data}/data/share/pkg/one.txt": "one",
        "{data}/headers/pkg.h": "int one;",
        "{data}/platlib/compiled.so": b"\x7fELF",
    }
    wheel = make_wheel(
        tmp_path / "house", "pkg", "1.0", files, entry_points="[console_scripts]\nrun = pkg:main\n"
    )
    target.unpack(wheel)
    bytecode = f"pkg/__pycache__/__init__.{sys.implementation.cache_tag}.pyc"
    assert (target.site / bytecode).exists()
    add_rows(target, "pkg", f"{bytecode},,")
    copied = provide(target, cache, tmp_path, "pkg")
    unpacked = provide_from_wheels(cache, tmp_path, "pkg")
    assert copied.path != unpacked.path
    ours, theirs = (
        {name: text.replace(one.path, "ENVIRONMENT") for name, text in tree_of(one).items()}
        for one in (copied, unpacked)
    )
    assert len(ours) > 13
    # RECORD has the hashes of scripts, which hold the path of their environment.
    (record,) = [name for name in ours if name.endswith("/RECORD")]
    assert _paths(ours.pop(record)) == _paths(theirs.pop(record))
    assert ours == theirs
    (site,) = Path(copied.path).glob("lib/python*/site-packages")
    assert violations_of_g1(site) == []
    for name in ours:
        modes = [Path(one.path, name).stat().st_mode for one in (copied, unpacked)]
        assert modes[0] == modes[1], name


def test_scheme_of_ones_own_is_followed(tmp_path: Path, cache: Cache) -> None:
    """Wherever the target's scheme has scripts, headers and modules, they go where they belong."""
    target = Target.at(tmp_path / "target").moved(
        scripts=tmp_path / "programs",
        include=tmp_path / "headers",
        platlib=tmp_path / "target" / "lib64" / "site-packages",
    )
    files: Files = {
        "pkg.py": "def main(): pass",
        "{data}/platlib/compiled.so": b"\x7fELF",
        "{data}/data/etc/one.txt": "one",
    }
    wheel = make_wheel(
        tmp_path / "house", "pkg", "1.0", files, entry_points="[console_scripts]\nrun = pkg:main\n"
    )
    target.unpack(wheel)
    assert (tmp_path / "programs" / "run").exists()
    environment = provide(target, cache, tmp_path, "pkg")
    unpacked = provide_from_wheels(cache, tmp_path, "pkg")
    assert tree_of(environment).keys() == tree_of(unpacked).keys()


def test_site_that_is_reached_through_a_link(tmp_path: Path, cache: Cache) -> None:
    """The rows of a list are relative to the site as it is spelt, not to where it really lies."""
    target = Target.at(tmp_path / "target")
    really = tmp_path / "far" / "away" / "from" / "the" / "prefix"
    really.parent.mkdir(parents=True)
    target.site.rename(really)
    target.site.symlink_to(really)
    target = Target.at(tmp_path / "target").install("lib", "1.0", LIB, entry_points=PROGRAM)
    environment = provide(target, cache, tmp_path, "lib")
    assert os.access(os.path.join(environment.path, "bin", "lib-program"), os.X_OK)
    assert next(Path(environment.path).rglob("lib/data.txt")).read_text() == "data"


def _paths(record: str) -> set[str]:
    return {line.rsplit(",", 2)[0] for line in record.splitlines()}


def test_nothing_else_of_the_site_is_seen(tmp_path: Path, cache: Cache, target: Target) -> None:
    """The environment holds requirements and what they need; each distribution is copied once."""
    before = {path: path.stat().st_ctime_ns for path in target.prefix.rglob("*")}
    environment = provide(target, cache, tmp_path, "app")
    names = {name.split("/")[-1] for name in tree_of(environment)}
    assert {"app.py", "data.txt", "lib-program"} <= names
    assert "other.py" not in names
    assert find_change(environment.path) == ""
    assert provide(target, cache, tmp_path, "lib", "app>=1").path == environment.path
    assert len(os.listdir(cache.wheels)) == 2
    assert provide(target, cache, tmp_path, "lib").path != environment.path
    assert len(os.listdir(cache.wheels)) == 2
    private = provide(target, None, tmp_path, "app")
    assert tree_of(private).keys() == tree_of(environment).keys()
    after = {path: path.stat().st_ctime_ns for path in target.prefix.rglob("*")}
    assert before == after, "the site was only read: not even a lock was made"


def test_a_build_is_the_same_as_from_a_wheelhouse(tmp_path: Path, cache: Cache) -> None:
    """The tiny backend, installed or in a wheelhouse, sees the same; dynamic requirements too."""
    house = tmp_path / "house"
    target = Target.at(tmp_path / "target").install("other", "1.0", {"other.py": ""})
    target.unpack(make_tiny_backend(house))
    target.unpack(make_wheel(house, "lib", "1.0", LIB))
    project = make_project(
        tmp_path / "source", dynamic=["lib"], probes=["tiny_backend", "lib", "other", "pytest"]
    )
    saw = []
    for given in (installed_options(), options(house)):
        built = build_wheel(
            str(project), str(tmp_path / "out"), python=target.python, options=given
        )
        one = seen(built.path)
        assert one["found"] == ["tiny_backend", "lib"]
        assert Path(one["executable"]).is_relative_to(cache.environments)
        saw.append({key: one[key] for key in ("found", "version", "config_settings", "stdin")})
    assert saw[0] == saw[1]


INTERPRETER = sys.executable
FIRST_LINES: dict[str, tuple[str, bool]] = {
    "plain": (f"#!{INTERPRETER}\n", True),
    "by its real name": (f"#!{os.path.realpath(INTERPRETER)}\n", True),
    "with arguments": (f"#!{INTERPRETER} -sP\n", True),
    "blank behind": (f"#! {INTERPRETER} \n", True),
    "installer": (f"#!/bin/sh\n'''exec' {INTERPRETER} \"$0\" \"$@\"\n' '''\n", True),
    "uv": (f"#!/bin/sh\n'''exec' '{INTERPRETER}' \"$0\" \"$@\"\n' '''\n", True),
    "distlib": (f"#!/bin/sh\n'''exec' \"{INTERPRETER}\" \"$0\" \"$@\"\n' '''\n", True),
    "relocatable": (
        '#!/bin/sh\n\'\'\'exec\' "$(dirname -- "$(realpath -- "$0")")"/\'python\' "$0" "$@"\n'
        "' '''\n",
        False,
    ),
    "env": ("#!/usr/bin/env python3\n", False),
    "another program": ("#!/bin/sh\n", False),
    "nothing there": ("#!/nowhere/bin/python\n", False),
    "no path": ("#!\n", False),
    "none": ("", False),
}


@pytest.mark.parametrize("kind", FIRST_LINES)
def test_scripts_run_the_environments_interpreter(
    tmp_path: Path, cache: Cache, target: Target, kind: str
) -> None:
    """However a script names the target's interpreter; one that names another program is left."""
    first, is_changed = FIRST_LINES[kind]
    rest = b"# \xff\nimport sys; print(sys.prefix)\n"
    script = Path(target.destination.scheme.scripts, "lib-program")
    script.write_bytes(first.encode() + rest)
    environment = provide(target, cache, tmp_path, "lib")
    copy = Path(environment.path, "bin", "lib-program")
    assert copy.read_bytes().endswith(rest)
    if not is_changed:
        assert copy.read_bytes() == script.read_bytes()
        return
    assert environment.python_executable.encode() in copy.read_bytes()
    copy.write_bytes(copy.read_bytes().replace(b"# \xff\n", b""))
    done = subprocess.run([copy], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == environment.path


def test_binary_programs_are_copied_as_they_are(tmp_path: Path, cache: Cache) -> None:
    """A compiled program among the scripts is no script."""
    program = b"\x7fELF#!" + bytes(range(256)) * 300
    target = Target.at(tmp_path / "target").install("tool", "1", {"{data}/scripts/tool": program})
    copy = Path(provide(target, cache, tmp_path, "tool").path, "bin", "tool")
    assert copy.read_bytes() == program
    assert os.access(copy, os.X_OK)


# ------------------------------------------------------------------ what the list of files says


def add_rows(target: Target, name: str, *rows: str) -> None:
    """Add rows to the RECORD of an installed distribution."""
    with (target.info(name) / "RECORD").open("a") as record:
        record.write("".join(f"{row}\n" for row in rows))


@pytest.mark.usefixtures("details")
def test_rows_that_lead_elsewhere_are_left_out(
    tmp_path: Path, cache: Cache, target: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is outside of the scheme, or another's by its name, is not copied, and -v says so."""
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    (target.prefix / "pyvenv.cfg").write_text("")
    (target.site / "tree").symlink_to(tmp_path)
    (target.site / "inside.txt").write_text("inside")
    (target.prefix / "bin" / "python3").write_text("")
    rows = [
        f"{secret},,",
        "../../../../secret.txt,,",
        "tree/secret.txt,,",
        "../../../pyvenv.cfg,,",
        "../../../bin/python3,,",
        f"{target.info('other').name}/METADATA,,",
    ]
    add_rows(target, "lib", *rows, "./lib/../inside.txt,,")
    said = tree_of(provide(target, cache, tmp_path, "lib"))
    names = {name.split("/")[-1] for name in said}
    assert "inside.txt" in names
    assert "secret.txt" not in names
    assert not [name for name in said if "other" in name]
    assert "secret" not in "".join(text for name, text in said.items() if "RECORD" not in name)
    err = capsys.readouterr().err
    assert err.count("a file of lib 1.0 is not used for builds") == len(rows)
    (record,) = [text for name, text in said.items() if name.endswith("RECORD")]
    assert "secret" not in record


@pytest.mark.usefixtures("details")
def test_links_are_followed_to_files_alone(
    tmp_path: Path, cache: Cache, target: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    """The copy of a link is what it leads to: later changes there do not reach a build."""
    elsewhere = tmp_path / "elsewhere.txt"
    elsewhere.write_text("first")
    (target.site / "lib" / "linked.txt").symlink_to(elsewhere)
    (target.site / "lib" / "directory").symlink_to(tmp_path)
    (target.site / "lib" / "dead").symlink_to("nowhere")
    os.mkfifo(target.site / "lib" / "pipe")
    add_rows(
        target, "lib", *(f"lib/{one},," for one in ("linked.txt", "directory", "dead", "pipe"))
    )
    environment = provide(target, cache, tmp_path, "lib")
    (copy,) = Path(environment.path).rglob("linked.txt")
    assert copy.read_text() == "first"
    assert not copy.is_symlink()
    names = {name.split("/")[-1] for name in tree_of(environment)}
    assert not {"directory", "dead", "pipe"} & names
    err = capsys.readouterr().err
    assert "directory of lib 1.0 is no file" in err
    assert "pipe of lib 1.0 is no file" in err
    assert "lib 1.0 lacks 1 of its files" in err
    elsewhere.write_text("other")
    (changed,) = Path(provide(target, cache, tmp_path, "lib").path).rglob("linked.txt")
    assert (copy.read_text(), changed.read_text()) == ("first", "other")


def test_bad_list_of_files_is_one_clear_error(tmp_path: Path, cache: Cache, target: Target) -> None:
    """A RECORD that makes no sense ends the build before anything is copied."""
    add_rows(target, "lib", "no row")
    with pytest.raises(SagepipError, match=r"which files belong to lib 1\.0"):
        provide(target, cache, tmp_path, "app")
    assert os.listdir(cache.wheels) == []


CHANGES: dict[str, Callable[[Target], object]] = {
    "a file edited by hand": lambda one: (one.site / "lib/data.txt").write_text("DATA"),
    "a file made executable": lambda one: (one.site / "lib/data.txt").chmod(0o755),
    "another list of files": lambda one: add_rows(one, "lib", "app.py,,"),
    "reinstalled": lambda one: one.install("lib", "1.0", LIB | {"lib/data.txt": "DATA"}),
    "a file gone": lambda one: (one.site / "lib/data.txt").unlink(),
    "metadata written": lambda one: (one.info("lib") / "note.txt").write_text(""),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_has_changed_is_copied_anew(
    tmp_path: Path, cache: Cache, target: Target, change: Callable[[Target], object]
) -> None:
    """The cache is believed only while the installed files are those that were copied."""
    first = provide(target, cache, tmp_path, "app")
    change(target)
    second = provide(target, cache, tmp_path, "app")
    assert second.path != first.path
    assert len(os.listdir(cache.wheels)) == 3, "app is not copied again"
    data = Path(second.path).rglob("data.txt")
    live = target.site / "lib/data.txt"
    assert [one.read_text() for one in data] == ([live.read_text()] if live.exists() else [])
    assert find_change(first.path) == ""


def test_changes_of_others_and_bytecode_change_nothing(
    tmp_path: Path, cache: Cache, target: Target
) -> None:
    """What comes into the site beside the requirements is no matter."""
    first = provide(target, cache, tmp_path, "app")
    target.install("third", "1.0", {"third.py": ""})
    target.install("other", "1.0", {"other.py": "new = 1"})
    (target.site / "lib" / "unlisted.py").write_text("")
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(target.site)], check=True)
    assert provide(target, cache, tmp_path, "app").path == first.path


# ------------------------------------------------------------------------ what satisfies what


def problem_of(target: Target, cache: Cache, place: Path, *words: str, **changes: object) -> str:
    """Return the message of a build that cannot be provisioned."""
    with pytest.raises(BuildError) as caught:
        provide(target, cache, place, *words, **changes)
    return str(caught.value)


def test_all_that_is_missing_is_named_at_once(tmp_path: Path, cache: Cache, target: Target) -> None:
    """Which requirement, who needs it, what is installed, and what to do: one line."""
    target.install("outer", "2.0", {"outer.py": ""}, requires=("lib>=2", "absent[x]>3", "inner"))
    target.install("inner", "1.0", {"inner.py": ""}, requires=("outer<2",))
    said = problem_of(target, cache, tmp_path, "outer>=1", "gone~=1.0", "lib<1", "app")
    assert "build requirements of x are not installed for" in said
    for part in (
        "gone~=1.0 (not installed)",
        "lib<1 (installed: 1.0)",
        "lib>=2 (needed by outer) (installed: 1.0)",
        "absent>3 (needed by outer) (not installed)",
        "outer<2 (needed by inner) (installed: 2.0)",
    ):
        assert part in said
    assert "(install them, or build from a wheelhouse without --build-isolation=installed)" in said
    assert "\n" not in said
    assert os.listdir(cache.wheels) == []


def test_markers_extras_and_prereleases(tmp_path: Path, cache: Cache, target: Target) -> None:
    """Markers are the target's; extras are asked of those they are asked of, also later."""
    target.install(
        "Outer.Name",
        "2.0rc1",
        {"outer.py": ""},
        requires=(
            'never; python_version < "3"',
            "lib; extra == 'Some_Extra'",
            "outer-name[inner]; extra == 'both'",
            "other; extra == 'inner'",
            "not a requirement",
        ),
        metadata="Provides-Extra: some-extra\nProvides-Extra: both\nProvides-Extra: inner\n",
    )

    def names(*requirements: str) -> set[str]:
        found = tree_of(provide(target, cache, tmp_path, *requirements))
        return {name.split("/")[-2].split("-")[0] for name in found if name.endswith("/METADATA")}

    assert names("outer_name>=1", 'never; sys_platform == "none"') == {"Outer.Name"}
    assert names("outer-name[some.extra]==2.0rc1") == {"Outer.Name", "lib"}
    assert names("outer-name[both]") == {"Outer.Name", "other"}
    assert names("outer-name", "OUTER_NAME[some-extra,both]") == {"Outer.Name", "lib", "other"}
    assert names("lib @ file:///nowhere/lib-1.0-py3-none-any.whl") == {"lib"}, "as for pip"
    assert "never" in problem_of(target, cache, tmp_path, "never; os_name == 'posix'")


def test_circles_end(tmp_path: Path, cache: Cache) -> None:
    """Two that need each other are both there."""
    target = Target.at(tmp_path / "target")
    target.install("one", "1", {"one.py": ""}, requires=("two",))
    target.install("two", "1", {"two.py": ""}, requires=("one",))
    assert (
        provide(target, cache, tmp_path, "one").path == provide(target, cache, tmp_path, "two").path
    )


def test_build_constraints_are_applied(tmp_path: Path, cache: Cache, target: Target) -> None:
    """What is installed must be admitted; constraints on others are no matter."""
    inner, outer = tmp_path / "inner.txt", tmp_path / "outer.txt"
    inner.write_text('Lib<1  # too old\nlib>5; python_version < "3"\n')
    outer.write_text("other==7\n-c inner.txt\n--no-index\n")
    said = problem_of(target, cache, tmp_path, "app", constraints=(outer,))
    assert "lib>=1 (needed by app) (installed: 1.0, constrained to Lib<1 (" in said
    assert f"{inner}, line 1" in said
    inner.write_text("lib==1.*\n")
    assert provide(target, cache, tmp_path, "app", constraints=(outer,))
    assert "other" in problem_of(target, cache, tmp_path, "other", constraints=(outer,))
    inner.write_text("lib @ file:///somewhere.whl\n")
    said = problem_of(target, cache, tmp_path, "app", constraints=(outer,))
    assert "constrained to lib@ file:" in said.replace("lib @", "lib@")
    for text in ("-r outer.txt\n", "not a constraint\n", "-c nowhere.txt\n"):
        inner.write_text(text)
        with pytest.raises(TargetError, match=r"inner\.txt|outer\.txt|nowhere\.txt"):
            provide(target, cache, tmp_path, "app", constraints=(outer,))


def test_own_site_comes_before_others(tmp_path: Path, cache: Cache, target: Target) -> None:
    """A venv with system site packages sees both, its own first; each in its own layout."""
    seeing = Target.at(tmp_path / "seeing", target.site)
    seeing.install("lib", "2.0", {"lib.py": "two = 2"})
    found = tree_of(provide(seeing, cache, tmp_path, "app"))
    assert [name for name in found if name.endswith("app.py")]
    assert [name for name in found if name.endswith("lib.py")]
    assert not [name for name in found if name.endswith("data.txt")]
    lonely = Target.at(tmp_path / "lonely", target.site)
    environment = provide(lonely, cache, tmp_path, "app")
    program = Path(environment.path, "bin", "lib-program")
    assert subprocess.run([program], capture_output=True, check=True).stdout == b"lib\n"


def test_site_of_an_unusual_name_is_all_there_is(tmp_path: Path, cache: Cache) -> None:
    """What a directory that is no site by its name lists outside of itself is left out."""
    odd = Target.at(tmp_path / "odd").install("lib", "1.0", LIB, entry_points=PROGRAM)
    moved = tmp_path / "opt" / "site-packages"
    moved.parent.mkdir()
    odd.site.rename(moved)
    seeing = Target.at(tmp_path / "seeing", moved)
    environment = provide(seeing, cache, tmp_path, "lib")
    assert next(Path(environment.path).rglob("lib/data.txt")).read_text() == "data"
    assert not Path(environment.path, "bin", "lib-program").exists()


# ------------------------------------------------------------------------- odd installations


def test_egg_info_with_a_list_is_copied(tmp_path: Path, cache: Cache, target: Target) -> None:
    """What pip installed before there were wheels: its list says what is its own."""
    info = make_egg_info(target.destination, "old", "1.0", {"old/__init__.py": "old = 1"})
    (info / "requires.txt").write_text("lib>=1\n\n[more]\nother\n\n[:python_version<'3']\nnever\n")
    found = tree_of(provide(target, cache, tmp_path, "old"))
    assert any(name.endswith("old/__init__.py") for name in found)
    assert any(name.endswith("lib/data.txt") for name in found)
    (listed,) = [text for name, text in found.items() if name.endswith("installed-files.txt")]
    assert set(listed.split()) == {
        *("../old/__init__.py", "PKG-INFO", "top_level.txt", "requires.txt")
    }
    found = tree_of(provide(target, cache, tmp_path, "old[more]"))
    assert any(name.endswith("other.py") for name in found)
    assert "lib>=2 (needed by old)" in _with_requires(info, "lib>=2", target, cache, tmp_path)


def _with_requires(info: Path, text: str, target: Target, cache: Cache, place: Path) -> str:
    (info / "requires.txt").write_text(text)
    return problem_of(target, cache, place, "old")


def _without_record(target: Target) -> None:
    (target.install("old", "1.0", {"pkg.py": ""}).info("old") / "RECORD").unlink()


def _twice(target: Target) -> None:
    target.install("old", "1.0", {"pkg.py": ""}).install("old", "2.0", {"pkg.py": ""})


def _both_kinds(target: Target) -> None:
    target.install("old", "1.0", {"pkg.py": ""})
    make_egg_info(target.destination, "old", "0.9", {"pkg.py": ""})


REFUSED: dict[str, tuple[Callable[[Target], object], str]] = {
    "no RECORD": (_without_record, "old 1.0 cannot be copied .* has no RECORD"),
    "egg-info without a list": (
        lambda one: make_egg_info(one.destination, "old", "1.0", {"pkg.py": ""}, listed=False),
        "old 1.0 cannot be copied .* has no installed-files.txt",
    ),
    "egg-info file": (
        lambda one: (one.site / "old-1.0.egg-info").write_text("Name: old\nVersion: 1.0\n"),
        "old 1.0 cannot be copied .* has no installed-files.txt",
    ),
    "egg-link": (
        lambda one: make_egg_link(one.destination, "old", one.prefix.parent / "tree"),
        "old 1.0 cannot be copied .* is a link to a source tree",
    ),
    "two versions": (_twice, "old is installed twice: .*1.0.dist-info and .*2.0.dist-info"),
    "two kinds": (_both_kinds, "old is installed twice"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_copied_is_named(
    tmp_path: Path, cache: Cache, target: Target, kind: str
) -> None:
    """Files that nobody has written down are not guessed; as neighbours they are no matter."""
    make, message = REFUSED[kind]
    make(target)
    with pytest.raises(BuildError, match=message) as caught:
        provide(target, cache, tmp_path, "app", "old")
    assert "install old" in caught.value.advice
    assert os.listdir(cache.wheels) == []
    provide(target, cache, tmp_path, "app")


def test_remnants_do_not_count(tmp_path: Path, cache: Cache, target: Target) -> None:
    """A dist-info that another tool left half-done hides nothing."""
    (target.site / "lib-0.1.dist-info").mkdir()
    (target.site / "~ib-0.2.dist-info").mkdir()
    assert provide(target, cache, tmp_path, "app")
    (target.site / "gone-0.1.dist-info").mkdir()
    assert "gone (not installed)" in problem_of(target, cache, tmp_path, "gone")


def test_link_of_old_hides_nothing_in_its_directory(
    tmp_path: Path, cache: Cache, target: Target
) -> None:
    """An egg-link leads to what comes later on the path: what is installed beside it counts."""
    make_egg_link(target.destination, "lib", tmp_path / "tree")
    found = tree_of(provide(target, cache, tmp_path, "lib"))
    assert any(name.endswith("lib/data.txt") for name in found)


@pytest.mark.usefixtures("details")
def test_editable_installation_is_taken_as_it_is(
    tmp_path: Path, cache: Cache, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its .pth is copied and leads to the source tree, which is not; -v says so."""
    source = tmp_path / "tree"
    source.mkdir()
    (source / "develop.py").write_text("one = 1")
    target = Target.at(tmp_path / "target")
    target.install("develop", "1.0", {"__editable__.develop.pth": f"{source}\n"})
    origin = {"url": f"file://{source}", "dir_info": {"editable": True}}
    (target.info("develop") / "direct_url.json").write_text(json.dumps(origin))
    environment = provide(target, cache, tmp_path, "develop")
    command = [environment.python_executable, "-Ic", "import develop; print(develop.__file__)"]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    assert done.stdout.strip() == str(source / "develop.py")
    assert "develop 1.0 is an editable installation" in capsys.readouterr().err


# ------------------------------------------------------------------------- requirements that come


def test_what_a_build_began_with_stays(tmp_path: Path, cache: Cache, target: Target) -> None:
    """A build that asks for more gets it beside what it has, whatever became of that since."""
    with provisioner(target, cache, tmp_path) as build:
        first = build.provision(["app"])
        assert build.provision(["lib", "app>=1"]).path == first.path
        for name in ("app", "lib"):
            subprocess.run(["rm", "-r", target.info(name)], check=True)
        (target.site / "lib" / "data.txt").write_text("other")
        assert build.provision(["lib>=0.5"]).path == first.path
        second = build.provision(["other"])
        names = {name.split("/")[-1] for name in tree_of(second)}
        assert {"app.py", "other.py", "data.txt"} <= names
        assert next(Path(second.path).rglob("data.txt")).read_text() == "data"
        with pytest.raises(BuildError, match=r"third \(not installed\)"):
            build.provision(["third"])
    assert "app (not installed)" in problem_of(target, cache, tmp_path, "app")


def test_no_requirements_need_no_site(tmp_path: Path, cache: Cache, target: Target) -> None:
    """A backend in the tree itself asks for nothing: the site is not even looked at."""
    project = make_project(tmp_path / "source", in_tree=TINY_BACKEND, probes=["lib"])
    add_rows(target, "lib", "no row")
    built = build_wheel(
        str(project), str(tmp_path / "out"), python=target.python, options=installed_options()
    )
    assert seen(built.path)["found"] == []


# -------------------------------------------------------------------------------- whole commands


def test_commands(terminal: Terminal) -> None:
    """A name that only an sdist satisfies, an editable target and a build need no wheelhouse."""
    venv = VirtualEnvironment.create(terminal.where / "venv")
    house = terminal.where / "house"
    source = make_project(terminal.where / "source", requires=("tiny-backend",))
    make_sdist(house, source, "demo", "1.0")
    settings: dict[str, str | Path] = {
        "SAGE_VENV": venv.root,
        "PIP_FIND_LINKS": house,
        "SAGE_PIP_INSTALL_FLAGS": "--build-isolation=installed",
    }
    words = ("build", "--build-isolation=installed", "-w", "out", "--json")
    refused = terminal.run("sagepip", *words, source, settings=settings, status=1)
    assert "tiny-backend (not installed)" in error_line(refused)
    backend = make_tiny_backend(terminal.where / "backend")
    terminal.install("--no-index", backend, settings=settings)
    for target in ("demo", source):
        done = terminal.run("sagepip", *words, target, settings=settings)
        (one,) = json.loads(done.stdout)["built"]
        held = [{"name": "tiny-backend", "version": "1.0", "sha256": None}]
        assert one["build_requirements"] == held
        assert not Path(seen(one["wheel"])["executable"]).is_relative_to(venv.root)
    assert installed(terminal.install("demo", settings=settings)) == {"demo-1.0"}
    terminal.install("-I", source, settings=settings)
    (site,) = venv.root.glob("lib/python*/site-packages")
    saw = json.loads((site / "demo" / "seen.json").read_text())
    assert not Path(saw["executable"]).is_relative_to(venv.root)
    unknown = terminal.run("sagepip", "build", "--build-isolation=x", source, status=2)
    assert "--build-isolation=x: no such choice" in error_line(unknown)
