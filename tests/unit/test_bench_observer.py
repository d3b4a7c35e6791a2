"""The race's observer counts what was surely wrong at one instant, and nothing else."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bench.observer import Kind, is_absent, observe
from bench.observing import EntryPointLoader

FILES = {"demo/__init__.py": "", "demo/parts/one.py": "ONE = 1\n"}
SIZES = {path: frozenset({len(text)}) for path, text in FILES.items()}


def install(site: Path, version: str = "1.0", files: dict[str, str] = FILES) -> Path:
    """Lay out a distribution named demo, and give its metadata directory."""
    for path, text in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
    info = site / f"demo-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: demo\nVersion: {version}\n")
    rows = [f"{path},," for path in (*files, f"{info.name}/METADATA", f"{info.name}/RECORD")]
    (info / "RECORD").write_text("".join(f"{row}\n" for row in rows))
    return info


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site that holds the distribution."""
    site = tmp_path / "site"
    site.mkdir()
    install(site)
    return site


def kinds(
    site: Path, before_confirming: Callable[[], object] = lambda: None
) -> tuple[list[Kind], int]:
    """The kinds of what one look counts, and how much it sets aside."""
    seen = observe(site, "demo", sizes=SIZES, before_confirming=before_confirming)
    return [torn.kind for torn in seen.torn], seen.moved


def test_a_whole_distribution_is_not_torn(site: Path) -> None:
    assert kinds(site) == ([], 0)


def test_a_distribution_without_metadata_is_absent(site: Path) -> None:
    shutil.rmtree(site / "demo-1.0.dist-info")
    assert kinds(site) == ([Kind.ABSENT], 0)


@pytest.mark.parametrize("gone", ["demo/parts/one.py", "demo/parts", "demo/__init__.py"])
def test_a_file_that_record_lists_and_is_gone_counts(site: Path, gone: str) -> None:
    path = site / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert kinds(site) == ([Kind.MISSING], 0)


@pytest.mark.parametrize("gone", ["METADATA", "RECORD"])
def test_metadata_without_record_or_the_reverse_counts(site: Path, gone: str) -> None:
    (site / "demo-1.0.dist-info" / gone).unlink()
    assert Kind.BARE in kinds(site)[0]


@pytest.mark.parametrize("path", ["demo/parts/one.py", "demo-1.0.dist-info/METADATA"])
def test_a_file_that_is_not_whole_counts(site: Path, path: str) -> None:
    (site / path).write_text("")
    assert kinds(site) == ([Kind.DAMAGED], 0)


def test_a_record_of_which_only_the_beginning_is_there_counts(site: Path) -> None:
    record = site / "demo-1.0.dist-info" / "RECORD"
    record.write_text(record.read_text()[:-5])
    assert kinds(site) == ([Kind.DAMAGED], 0)


def test_a_size_of_either_version_is_whole(site: Path) -> None:
    sizes = {"demo/parts/one.py": frozenset({8, 99})}
    assert observe(site, "demo", sizes=sizes).torn == []


def test_a_file_missing_while_its_metadata_goes_is_set_aside(site: Path) -> None:
    """It may have been there as long as the metadata was."""
    (site / "demo/parts/one.py").unlink()

    def retire() -> None:
        (site / "demo-1.0.dist-info").rename(site / "gone")

    assert kinds(site, before_confirming=retire) == ([], 1)


def test_a_file_missing_in_a_directory_that_was_replaced_is_set_aside(site: Path) -> None:
    """The lookup was made in the old directory, perhaps when it was out of sight already."""
    (site / "demo/parts/one.py").unlink()

    def replace() -> None:
        (site / "demo").rename(site / "old")
        (site / "demo").mkdir()

    assert kinds(site, before_confirming=replace) == ([], 1)


def test_a_missing_file_that_record_no_longer_lists_is_set_aside(site: Path) -> None:
    (site / "demo/parts/one.py").unlink()
    record = site / "demo-1.0.dist-info" / "RECORD"
    rows = record.read_text().replace("demo/parts/one.py,,\n", "")
    assert kinds(site, before_confirming=lambda: record.write_text(rows)) == ([], 1)


def test_a_file_missing_for_a_moment_counts_though_it_is_back_when_confirmed(site: Path) -> None:
    module = site / "demo/parts/one.py"
    module.rename(site / "aside")
    put_back = lambda: (site / "aside").rename(module)  # noqa: E731
    assert kinds(site, before_confirming=put_back) == ([Kind.MISSING], 0)


def test_another_version_is_looked_at_too(site: Path) -> None:
    info = install(site, "2.0")
    (info / "RECORD").unlink()
    assert kinds(site) == ([Kind.BARE], 0)


def test_one_version_of_several_is_not_absent(site: Path) -> None:
    assert not is_absent(site, ["demo-0.9.dist-info", "demo-1.0.dist-info"])
    assert is_absent(site, ["demo-0.9.dist-info", "demo-2.0.dist-info"])


def test_another_distribution_of_a_similar_name_is_not_taken_for_it(site: Path) -> None:
    (site / "demo_more-1.0.dist-info").mkdir()
    assert kinds(site) == ([], 0)


@pytest.mark.parametrize(
    ("before", "after", "counted"),
    [("1.0", "1.0", 1), ("1.0", "2.0", 0), (None, "1.0", 0)],
)
def test_a_failed_load_counts_if_the_version_stayed(
    before: str | None, after: str, counted: int
) -> None:
    loader = EntryPointLoader(Path(sys.executable), "demo")
    told = {"before": before, "after": after, "failed": ["group: name: ImportError", "another"]}
    torn = loader.judge(0, json.dumps(told), "")
    assert [each.kind for each in torn] == [Kind.UNLOADABLE] * counted
    assert loader.moved == 1 - counted


def test_an_interpreter_that_dies_counts() -> None:
    loader = EntryPointLoader(Path(sys.executable), "demo")
    assert [each.kind for each in loader.judge(1, "", "boom\n")] == [Kind.UNLOADABLE]


def test_entry_points_are_really_loaded() -> None:
    """In an interpreter of the environment: a distribution that is there, and one that is not."""
    loader = EntryPointLoader(Path(sys.executable), "pytest")
    assert loader.poll() == []
    assert loader.poll(wait=True) == []
    assert (loader.loads, loader.moved) == (1, 0)
