"""Resolving requirements with pip: from wheelhouses, from an index, and what cannot be had."""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagepip.build import pip_runner
from sagepip.build.pip_runner import PipOutcome
from sagepip.build.resolution import ResolvedFile, resolve
from sagepip.build.sources import PackageSources
from sagepip.build.wheelhouse import store_wheel
from sagepip.ground.errors import TargetError
from sagepip.ground.target_python import TargetPython
from tests.wheels import make_wheel

RUNNING = TargetPython.running()


def _resolve(
    place: Path, *requirements: str, sources: PackageSources | None = None, no_deps: bool = False
) -> dict[str, ResolvedFile]:
    found = resolve(
        requirements,
        python=RUNNING,
        sources=sources or PackageSources(find_links=(str(place / "house"),)),
        ignore_installed=True,
        no_deps=no_deps,
        download_directory=str(place / "downloads"),
    )
    return {one.name: one for one in found}


def test_wheel_that_is_superseded_while_pip_looks(
    tmp_path: Path, house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where pip fails on a wheel that has gone since it listed the directory: it is asked again."""
    real = pip_runner.run_pip
    newer = make_wheel(tmp_path / "new", "lib", "3.0", {"lib.py": ""})
    runs: list[PipOutcome] = []

    def run_pip(*arguments: Any, **options: Any) -> PipOutcome:
        if not runs:
            store_wheel(str(newer), str(house))
            gone = house / "lib-2.0-py3-none-any.whl"
            runs.append(PipOutcome(1, f"ERROR: [Errno 2] No such file or directory: '{gone}'"))
        else:
            runs.append(real(*arguments, **options))
        return runs[-1]

    monkeypatch.setattr("sagepip.build.resolution.run_pip", run_pip)
    monkeypatch.setattr("sagepip.build.resolution.resolve_plainly", lambda *_, **__: None)
    assert _resolve(tmp_path, "app")["lib"].version == "3.0"
    assert len(runs) == 2
    with pytest.raises(TargetError, match="nothing satisfies"):
        _resolve(tmp_path, "nowhere")
    assert len(runs) == 3  # nothing had changed: once is enough


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A wheelhouse with a few projects."""
    house = tmp_path / "house"
    make_wheel(house, "app", "1.0", {"app.py": ""}, requires=("lib>=1",))
    make_wheel(house, "lib", "1.0", {"lib.py": ""})
    make_wheel(house, "lib", "2.0", {"lib.py": "two = 2"})
    return house


def test_wheelhouse_files_are_described(tmp_path: Path, house: Path) -> None:
    """Path, digest, what was asked for and the metadata come with every file."""
    found = _resolve(tmp_path, "app")
    assert set(found) == {"app", "lib"}
    lib = found["lib"]
    assert lib.path == str(house / "lib-2.0-py3-none-any.whl")
    assert lib.sha256 == hashlib.sha256(Path(lib.path).read_bytes()).hexdigest()
    assert (lib.version, lib.requested, lib.is_direct, lib.is_wheel) == ("2.0", False, False, True)
    assert found["app"].requested
    assert found["app"].metadata["requires_dist"] == ["lib>=1"]
    assert not (tmp_path / "downloads").exists()
    assert set(_resolve(tmp_path, "app", no_deps=True)) == {"app"}
    assert _resolve(tmp_path) == {}


def test_path_with_blanks_and_direct_reference(tmp_path: Path, house: Path) -> None:
    """A direct reference whose path needs quoting comes back as that path."""
    odd = tmp_path / "a b%20#c"
    odd.mkdir()
    wheel = make_wheel(odd, "odd", "1.0", {"odd.py": ""})
    found = _resolve(tmp_path, f"odd @ {wheel.as_uri()}")["odd"]
    assert found.path == str(wheel)
    assert found.is_direct


def test_constraints_and_markers_are_obeyed(tmp_path: Path, house: Path) -> None:
    """A constraint file bounds dependencies; a marker that does not hold leaves out."""
    constraint = tmp_path / "constraints.txt"
    constraint.write_text("lib<2\n")
    found = resolve(
        ["app", 'nowhere; python_version < "3"'],
        python=RUNNING,
        sources=PackageSources(find_links=(str(house),)),
        ignore_installed=True,
        constraints=[str(constraint)],
        download_directory=str(tmp_path / "downloads"),
    )
    assert {(one.name, one.version) for one in found} == {("app", "1.0"), ("lib", "1.0")}


def test_failures_name_requirement_place_and_reason(tmp_path: Path, house: Path) -> None:
    """Each way to fail is one line that names the requirement and the wheelhouse."""
    make_wheel(house, "foreign", "1.0", {"foreign.py": ""}, tag="cp27-cp27m-win32")
    make_wheel(house, "needy", "1.0", {"needy.py": ""}, requires=("absent>=5",))
    make_wheel(house, "rival", "1.0", {"rival.py": ""}, requires=("lib<2",))
    (house / "broken-1.0-py3-none-any.whl").write_bytes(b"junk")
    cases = {
        ("nowhere",): "nothing satisfies nowhere in ",
        ("lib>=3",): r"which has only 1\.0, 2\.0",
        ("needy",): r"nothing satisfies absent>=5 \(needed by needy\)",
        ("foreign",): "foreign-1.0-cp27-cp27m-win32.whl cannot be used",
        ("rival", "lib>=2"): r"conflicting requirements: .*rival 1\.0 depends on lib<2",
        ("broken",): "broken-1.0-py3-none-any.whl is corrupt",
        ("--index-url=x",): "not a requirement",
    }
    for requirements, message in cases.items():
        with pytest.raises(TargetError, match=message) as caught:
            _resolve(tmp_path, *requirements)
        assert "\n" not in str(caught.value)
        assert caught.value.advice


def test_names_are_never_taken_for_files(
    tmp_path: Path, house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project directory or archive in the current directory is not what a name means."""
    monkeypatch.chdir(tmp_path)
    make_wheel(tmp_path, "lib", "9.0", {"lib.py": ""})
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "setup.py").write_text("raise SystemExit(1)")
    assert _resolve(tmp_path, "lib")["lib"].version == "2.0"


def test_users_pip_settings_do_not_leak_into_a_wheelhouse_build(
    tmp_path: Path, house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PIP_FIND_LINKS, a configuration file and PIP_NO_DEPS are not obeyed behind our back."""
    other = make_wheel(tmp_path / "other", "lib", "9.0", {"lib.py": ""})
    config = tmp_path / "pip.conf"
    config.write_text(f"[global]\nfind-links = {other.parent}\nno-deps = true\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.setenv("PIP_FIND_LINKS", str(other.parent))
    monkeypatch.setenv("PIP_NO_DEPS", "1")
    found = _resolve(tmp_path, "app")
    assert found["lib"].version == "2.0"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package index on this machine, over HTTP."""
    pages = tmp_path / "served"
    links = {}
    for wheel in (
        make_wheel(pages / "files", "app", "1.0", {"app.py": ""}, requires=("lib>=1",)),
        make_wheel(pages / "files", "lib", "2.0", {"lib.py": ""}),
    ):
        name = wheel.name.split("-")[0]
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        links[name] = f'<a href="../../files/{wheel.name}#sha256={digest}">{wheel.name}</a>'
    for name, link in links.items():
        (pages / "simple" / name).mkdir(parents=True)
        (pages / "simple" / name / "index.html").write_text(f"<!DOCTYPE html><body>{link}</body>")
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            return

    handler = functools.partial(Quiet, directory=str(pages))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/simple"
        server.shutdown()
        thread.join()


def test_index_files_are_fetched_and_checked(tmp_path: Path, index: str) -> None:
    """From an index that was asked for, pip fetches every file to local disk, by its digest."""
    found = _resolve(tmp_path, "app", sources=PackageSources(index_url=index))
    assert set(found) == {"app", "lib"}
    for one in found.values():
        path = Path(one.path)
        assert path.is_relative_to(tmp_path / "downloads")
        assert path.name.startswith(f"{one.name}-")
        assert hashlib.sha256(path.read_bytes()).hexdigest() == one.sha256
        assert one.url.startswith("http")


def test_wheelhouse_build_does_not_go_to_an_index(
    tmp_path: Path, house: Path, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a wheelhouse the index is not asked, even where pip is configured for one."""
    monkeypatch.setenv("PIP_INDEX_URL", index)
    (house / "app-1.0-py3-none-any.whl").unlink()
    with pytest.raises(TargetError, match="nothing satisfies app"):
        _resolve(tmp_path, "app")
