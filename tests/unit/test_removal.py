"""What is to be removed becomes the fewest steps, each path once."""

from __future__ import annotations

from pathlib import Path

from sagepip.ground.filesystem import identity
from sagepip.transaction.removal import Removal
from sagepip.transaction.steps import RemoveDirectory, Retire


def retire(live: str) -> Retire:
    """Make the step for a live path, as a planner does."""
    found = identity(live)
    assert found is not None
    return Retire(live, f"{live}.trash", found)


def removed(site: Path, *names: str) -> list[str]:
    """Return what the steps take away to remove some files of a site."""
    removal = Removal(
        {str(site / name) for name in names},
        kept={str(site), *map(str, site.parents)},
        now_at=lambda path: (path, False),
        retire=retire,
        moves_whole=lambda _: True,
    )
    assert not any(isinstance(one, RemoveDirectory) for one in removal.steps)
    return [str(Path(one.source).relative_to(site)) for one in removal.steps]  # type: ignore[union-attr]


def test_listed_as_file_and_as_directory(tmp_path: Path) -> None:
    """A hostile list may name both; whichever is there goes, in one step."""
    (tmp_path / "file").touch()
    (tmp_path / "directory").mkdir()
    (tmp_path / "directory" / "a.py").touch()
    listed = [f"{one}{end}" for one in ("file", "directory") for end in ("", "/a.py", "/b/c/d.py")]
    assert removed(tmp_path, *listed) == ["directory", "file"]


def test_whole_directories_and_single_files(tmp_path: Path) -> None:
    """A directory goes as a whole where all in it does, at whatever depth that begins."""
    for name in ("a/b/c/one.py", "a/b/c/d/two.py", "a/b/kept.py", "e/f/three.py", "four.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    listed = ["a/b/c/one.py", "a/b/c/d/two.py", "e/f/three.py", "four.py", "e/f/gone.py", "g/i.py"]
    assert removed(tmp_path, *listed) == ["a/b/c", "e", "four.py"]
