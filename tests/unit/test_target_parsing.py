"""From what a user writes to targets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from sagepip.ground import console
from sagepip.ground.errors import TargetError, UsageError
from sagepip.operations.target_parsing import parse_editable, parse_target, path_from_file_url
from sagepip.operations.targets import (
    NamedRequirement,
    SourceArchive,
    SourceDirectory,
    Target,
    WheelFile,
)

WHEEL = "demo-1.0-py3-none-any.whl"


def markers() -> Mapping[str, str]:
    """Say that the target is an old Python on a far machine."""
    return {"python_version": "3.2", "sys_platform": "plan9", "python_full_version": "3.2.1"}


def no_markers() -> Mapping[str, str]:
    """Fail: nothing in this target depends on markers."""
    raise AssertionError("the target interpreter was asked for its markers")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working directory with one of everything in it."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "pyproject.toml").touch()
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "setup.py").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "directory.whl").mkdir()
    for name in (WHEEL, "demo-1.0.tar.gz", "demo-1.0.zip", "requirements.txt", "odd [x].whl"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("./project", SourceDirectory, "project"),
        ("project/", SourceDirectory, "project"),
        ("./project/../old", SourceDirectory, "old"),
        (f"./{WHEEL}", WheelFile, WHEEL),
        (WHEEL, WheelFile, WHEEL),
        ("demo-1.0.tar.gz", SourceArchive, "demo-1.0.tar.gz"),
        ("./demo-1.0.zip", SourceArchive, "demo-1.0.zip"),
    ],
)
def test_paths(here: Path, text: str, kind: type[Target], name: str) -> None:
    """A path becomes a target of the kind that is on disk, with an absolute path."""
    assert kind(str(here / name)) == parse_target(text, no_markers)


@pytest.mark.parametrize("suffix", [".tgz", ".tar.bz2", ".tar.xz", ".TAR.GZ"])
def test_every_kind_of_sdist(here: Path, suffix: str) -> None:
    """All the suffixes of sdists are known, whatever their case."""
    (here / f"demo-1.0{suffix}").touch()
    expected = SourceArchive(str(here / f"demo-1.0{suffix}"))
    assert expected == parse_target(f"demo-1.0{suffix}", no_markers)


def test_the_current_directory(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``.`` is the project around, and its extras stand in brackets."""
    monkeypatch.chdir(here / "project")
    full = str(here / "project")
    assert SourceDirectory(full) == parse_target(".", no_markers)
    expected = SourceDirectory(full, frozenset({"plot", "test"}))
    assert expected == parse_target(".[plot, test]", no_markers)


def test_extras_of_files(here: Path) -> None:
    """Extras of a wheel and of an sdist are kept; a name that really has brackets is a name."""
    wheel = WheelFile(str(here / WHEEL), frozenset({"a"}))
    assert wheel == parse_target(f"./{WHEEL}[a]", no_markers)
    assert WheelFile(str(here / "odd [x].whl")) == parse_target("./odd [x].whl", no_markers)


def test_a_link_to_a_project_is_not_resolved(here: Path) -> None:
    """A symbolic link keeps its name: what the user wrote is what messages show."""
    (here / "link").symlink_to("project")
    assert SourceDirectory(str(here / "link")) == parse_target("./link", no_markers)


def test_a_bare_word_is_a_requirement(here: Path) -> None:
    """A word without a slash is a name even if a directory is called so (as for pip)."""
    assert NamedRequirement("project") == parse_target("project", no_markers)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("demo", "demo"),
        (" Demo[b,a] >= 1 ,<2 ", "Demo[a,b]<2,>=1"),
        ("demo===1.0-local", "demo===1.0-local"),
    ],
)
def test_requirements(text: str, expected: str) -> None:
    """A requirement is kept in its normalised spelling."""
    assert NamedRequirement(expected) == parse_target(text, no_markers)


def test_true_marker_is_kept() -> None:
    """A marker that holds for the target interpreter, not the running one, lets it in."""
    found = parse_target('demo; sys_platform == "plan9"', markers)
    assert NamedRequirement('demo; sys_platform == "plan9"') == found


@pytest.mark.parametrize(
    "text",
    [
        'demo; python_version >= "3.8"',
        './project; python_version >= "3.8"',
        'demo @ file:///nowhere.whl ; python_version >= "3.8"',
        'demo @ file:///nowhere.whl; python_version >= "3.8"',
        'file:///nowhere.whl; python_version >= "3.8"',
        './nowhere.whl; python_version >= "3.8"',
        'demo; extra == "plot"',
    ],
)
def test_false_marker_leaves_out(
    here: Path, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the target's markers exclude is left out, unseen, and said under -v in pip's words."""
    monkeypatch.setattr(console, "verbosity", 1)
    assert parse_target(text, markers) is None
    said = capsys.readouterr().err
    assert "Ignoring " in said
    assert "don't match your environment" in said


def test_direct_references(here: Path) -> None:
    """``NAME @ URL`` keeps name and extras; blanks may be percent-encoded."""
    (here / "a dir").mkdir()
    (here / "a dir" / WHEEL).touch()
    expected = WheelFile(str(here / "a dir" / WHEEL), frozenset({"x"}), "demo")
    for url in (
        (here / "a dir" / WHEEL).as_uri(),
        f"file://localhost{here}/a%20dir/{WHEEL}",
        f"FILE:{here}/a%20dir/{WHEEL}",
    ):
        assert expected == parse_target(f"demo[x] @ {url}", no_markers)


def test_file_urls(here: Path) -> None:
    """A bare file URL names a directory, an sdist or a wheel; #egg=NAME gives the name."""
    url = (here / "project").as_uri()
    assert SourceDirectory(str(here / "project")) == parse_target(url, no_markers)
    named = SourceDirectory(str(here / "project"), name="demo")
    assert named == parse_target(f"{url}#egg=demo", no_markers)


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("./nowhere", TargetError, "no such file or directory: ./nowhere"),
        ("nowhere-1.0-py3-none-any.whl", TargetError, "no such file"),
        ("./nowhere[a]", TargetError, "no such file"),
        ("demo @ file:///nowhere/x.whl", TargetError, "no such file"),
        ("./empty", TargetError, "no project in the directory ./empty"),
        ("./directory.whl", TargetError, "a directory, not a file"),
        ("directory.whl", TargetError, "a directory, not a file"),
        ("./requirements.txt", TargetError, "-r ./requirements.txt"),
        ("./requirements.txt/x", TargetError, "no such file"),
        ("/dev/null", TargetError, "not a regular file"),
        ("", UsageError, "empty"),
        ("git+https://example.org/x", UsageError, "version control"),
        ("git+file:///x", UsageError, "version control"),
        ("demo @ git+ssh://example.org/x", UsageError, "version control"),
        ("https://example.org/x.whl", UsageError, "network"),
        ("demo @ https://example.org/x.whl", UsageError, "network"),
        ("file://host/x.whl", UsageError, "another host"),
        ("file:x.whl", UsageError, "relative"),
        ("file:///x.whl?y", UsageError, "%3F"),
        ("file:///x%00.whl", UsageError, "not a path"),
        ("file:///x.whl#md5=00", UsageError, "#md5=00"),
        ("file:///x.whl#sha256=0g", UsageError, "not a digest"),
        ("file:///x#subdirectory=y", UsageError, "#subdirectory=y"),
        ("file:///x#egg=a[b]", UsageError, "NAME[EXTRA] @"),
        ("demo @ ./x", UsageError, "file:///PATH"),
        ("demo = 1", UsageError, "did you mean =="),
        ("demo; python_version", UsageError, "not a requirement"),
        ("./project; python_version", UsageError, "not a marker"),
        ("./nowhere.whl[", TargetError, "no such file"),
        ("./project[a;b]", UsageError, "not a marker"),
        ("./project[!]", UsageError, "not a requirement"),
        ("x\0.whl", TargetError, "no such file"),
        ("./" + "x" * 5000, TargetError, "no such file"),
    ],
)
def test_what_is_refused(here: Path, text: str, error: type[Exception], says: str) -> None:
    """What is no target gives one line that names it and says what to do."""
    with pytest.raises(error) as caught:
        parse_target(text, no_markers)
    assert type(caught.value) is error
    message = str(caught.value)
    assert says in message
    assert "\n" not in message
    assert message.endswith(")")


@pytest.mark.parametrize(
    ("text", "extras", "name"),
    [
        ("project", set(), ""),
        ("./project/", set(), ""),
        (" project[b,a] ", {"a", "b"}, ""),
        ("{url}", set(), ""),
        ("{url}#egg=demo", set(), "demo"),
        ("demo[x] @ {url}", {"x"}, "demo"),
        ("project ; python_version < '3.3'", set(), ""),
        ("demo @ {url} ; python_version < '3.3'", set(), "demo"),
    ],
)
def test_editables(here: Path, text: str, extras: set[str], name: str) -> None:
    """-e takes a directory, a bare word too, a URL of one, or NAME @ URL."""
    url = (here / "project").as_uri()
    found = parse_editable(text.format(url=url), markers)
    assert found == SourceDirectory(str(here / "project"), frozenset(extras), name, editable=True)


def test_editable_with_an_at_sign(here: Path) -> None:
    """A directory may have an @ in its name; what stands behind it is no URL."""
    (here / "project").rename(here / "my@project")
    for text in ("my@project", "./my@project", str(here / "my@project")):
        expected = SourceDirectory(str(here / "my@project"), editable=True)
        assert parse_editable(text, no_markers) == expected


def test_editable_left_out(here: Path) -> None:
    """A marker that is false for the target leaves it out."""
    assert parse_editable("project; python_version > '3.8'", markers) is None


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("", UsageError, "empty --editable"),
        (WHEEL, UsageError, f"only a source directory can be .* not {WHEEL} .*leave out -e"),
        ("./demo-1.0.tar.gz", UsageError, "only a source directory"),
        ("demo @ file://{here}/demo-1.0.zip", UsageError, "only a source directory"),
        ("nowhere", TargetError, "no such file or directory: ./nowhere"),
        ("demo>=1", TargetError, "no such file"),
        ("empty", TargetError, "no project in the directory"),
        ("git+https://example.org/x", UsageError, "version control"),
        ("demo @ git+ssh://git@example.org/x", UsageError, "version control"),
        ("https://example.org/x.tar.gz", UsageError, "network"),
    ],
)
def test_what_is_not_editable(here: Path, text: str, error: type[Exception], says: str) -> None:
    """What is no source directory is refused in one line."""
    with pytest.raises(error, match=says) as caught:
        parse_editable(text.format(here=here), no_markers)
    assert "\n" not in str(caught.value)


def test_a_pipe_is_not_opened(here: Path) -> None:
    """A FIFO called x.whl is refused by its kind; opening it would wait for ever."""
    os.mkfifo(here / "pipe.whl")
    with pytest.raises(TargetError, match="not a regular file"):
        parse_target("./pipe.whl", no_markers)


def test_path_from_file_url_keeps_bytes() -> None:
    """A percent-encoded byte that is no UTF-8 leads to the file of that very name."""
    assert path_from_file_url("file:///a/%ff/b") == os.fsdecode(b"/a/\xff/b")
