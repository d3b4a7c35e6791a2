"""What is resolved without pip, and above all what is not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sagepip.build import hashes
from sagepip.build.plain_resolution import resolve_plainly
from sagepip.build.sources import PackageSources
from sagepip.ground.target_python import TargetPython
from tests.wheels import make_wheel

RUNNING = TargetPython.running()


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A wheelhouse: app needs lib, which there are two of, and extra for its extra."""
    house = tmp_path / "house"
    make_wheel(
        house,
        "app",
        "1.0",
        {},
        requires=("lib>=1", 'extra; extra == "More"'),
        metadata="Provides-Extra: More\n",
    )
    for version in ("1.0", "2.0"):
        make_wheel(house, "lib", version, {})
    make_wheel(house, "extra", "1.0", {}, requires=("app",))
    return house


def plain(house: Path, *requirements: str, **options: object) -> list[str] | None:
    """Return name and version of what is chosen."""
    sources = PackageSources(find_links=(str(house),))
    found = resolve_plainly(
        requirements,
        python=RUNNING,
        sources=replace(sources, **options) if options else sources,  # type: ignore[arg-type]
    )
    if found is None:
        return None
    return [f"{one.metadata().name} {one.metadata().version}" for one, _ in found]


def test_chosen(house: Path) -> None:
    """The newest of each; extras and their dependencies; in pip's order."""
    assert plain(house, "app") == ["app 1.0", "lib 2.0"]
    assert plain(house, "app[more]") == ["app 1.0", "lib 2.0", "extra 1.0"]
    assert plain(house, "lib<2") == ["lib 1.0"]
    assert plain(house, 'app; python_version < "3"', "LIB") == ["lib 2.0"]


DOUBTS: dict[str, Callable[[Path], object]] = {
    "a page of links": lambda house: (house / "links.html").write_text(""),
    "a newer sdist": lambda house: (house / "lib-3.0.tar.gz").write_bytes(b""),
    "an sdist of no version": lambda house: (house / "lib-new.tar.gz").write_bytes(b""),
    "a newer pre-release": lambda house: make_wheel(house, "lib", "3.0a1", {}),
    "two of one version": lambda house: make_wheel(house, "lib", "2", {}, tag="py2.py3-none-any"),
    "no wheel's name": lambda house: (house / "lib-3.0.whl").write_bytes(b""),
    "not a file": lambda house: (house / "lib-3.0-py3-none-any.whl").mkdir(),
    "a link to nowhere": lambda house: (house / "lib-3.0-py3-none-any.whl").symlink_to("x"),
    "no zip file": lambda house: (house / "lib-3.0-py3-none-any.whl").write_bytes(b"x"),
    "another Python": lambda house: make_wheel(
        house, "lib", "3.0", {}, metadata="Requires-Python: <3\n"
    ),
    "no Requires-Python": lambda house: make_wheel(
        house, "lib", "3.0", {}, metadata="Requires-Python: new\n"
    ),
    "a dependency that is none": lambda house: make_wheel(house, "lib", "3.0", {}, requires=("?",)),
    "a dependency that is not there": lambda house: make_wheel(
        house, "lib", "3.0", {}, requires=("nowhere",)
    ),
    "a dependency by URL": lambda house: make_wheel(
        house, "lib", "3.0", {}, requires=("app @ https://example.org/app.whl",)
    ),
    "an extra that is not provided": lambda house: make_wheel(
        house, "lib", "3.0", {}, requires=("app[less]",)
    ),
    "a conflict": lambda house: make_wheel(house, "lib", "3.0", {}, requires=("app<1",)),
    "another name inside": lambda house: shutil.copy(
        house / "lib-2.0-py3-none-any.whl", house / "lib-3.0-py3-none-any.whl"
    ),
    "a format to come": lambda house: make_wheel(
        house, "lib", "3.0", {}, wheel="Wheel-Version: 2.0\nRoot-Is-Purelib: true\n"
    ),
    "a line that is no field": lambda house: make_wheel(
        house, "lib", "3.0", {}, metadata="Summary: x\ny\nRequires-Dist: extra\n"
    ),
}


@pytest.mark.parametrize("change", DOUBTS.values(), ids=DOUBTS)
def test_left_to_pip(house: Path, change: Callable[[Path], object]) -> None:
    """Whatever is odd about the newest file of a project leaves the answer to pip."""
    assert plain(house, "app") is not None
    change(house)
    assert plain(house, "app") is None


def test_harmless(house: Path) -> None:
    """What pip would not choose whatever happens is not looked into."""
    (house / "lib-0.9-py3-none-any.whl").write_bytes(b"x")
    (house / "lib-2.0.tar.gz").write_bytes(b"")
    (house / "lib-9.0-cp27-cp27m-win32.whl").write_bytes(b"")
    (house / "libmore.txt").write_text("")
    (house / "other-1.0.html.whl").write_text("")
    assert plain(house, "app") == ["app 1.0", "lib 2.0"]


@pytest.mark.parametrize(
    "requirements",
    [
        ("lib @ file:///x.whl",),
        ("lib===2.0",),
        ("lib.zip",),
        ("nowhere",),
        ("lib>=3",),
        ('lib; python_version < "3"',),
        ("app[less]",),
        ("./lib",),
    ],
)
def test_requirements_left_to_pip(house: Path, requirements: tuple[str, ...]) -> None:
    """URLs, files, what nothing satisfies or nobody asks for."""
    assert plain(house, *requirements) is None


def test_order_that_could_matter(house: Path) -> None:
    """An upper bound that comes from a dependency alone: pip may have chosen before it knows."""
    assert plain(house, "lib", "lib<2") == ["lib 1.0"]  # known from the beginning
    make_wheel(house, "old", "1.0", {}, requires=("lib<2",))
    assert plain(house, "old") == ["old 1.0", "lib 1.0"]
    assert plain(house, "old", "lib") is None
    assert plain(house, "old", "app") is None
    assert plain(house, "old", "app", "lib<2") == ["lib 1.0", "old 1.0", "app 1.0"]


def test_sources_left_to_pip(house: Path, tmp_path: Path) -> None:
    """An index, sources that are to be built, wheelhouses that are no directories."""
    assert plain(house, "lib", index_url="https://example.org/simple") is None
    assert plain(house, "lib", no_binary=("lib",)) is None
    assert plain(house, "lib", find_links=(str(house / "lib-2.0-py3-none-any.whl"),)) is None
    other = tmp_path / "other"
    there = (str(house), str(house), str(tmp_path / "nowhere"))
    assert plain(house, "lib", find_links=there) == ["lib 2.0"]
    shutil.copytree(house, other)
    assert plain(house, "lib", find_links=(str(house), str(other))) is None
    assert plain(house, "lib", only_binary=(":all:",), prefer_binary=True) == ["lib 2.0"]


def test_wheel_that_changes_while_it_is_read(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Metadata and digest are those of one file, or the answer is pip's."""
    real = hashes.file_digest

    def changing(path: str, *words: str) -> str:
        digest = real(path, *words)
        os.utime(path, (1, 1))
        return digest

    monkeypatch.setattr(hashes, "file_digest", changing)
    assert plain(house, "lib") is None
