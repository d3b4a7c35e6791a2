"""Where the programs of this directory work: downloads, virtual environments, tools.

Downloads are made by pip, by name and pinned version, with the user's own configuration, and
are kept in a cache between runs. Everything that is measured runs without the network and with
none of the user's settings.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import (
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

DROPPED_PREFIXES = ("PIP_", "PYTHON", "SAGE", "VIRTUAL_ENV", "SETUPTOOLS_SCM_")
"""Variables of the caller that must not reach what is measured."""

PIP_DOWNLOAD = (
    *(sys.executable, "-m", "pip", "download", "--quiet"),
    *("--no-deps", "--disable-pip-version-check"),
)

DOWNLOADS_AT_ONCE = 4

NOWHERE = "http://127.0.0.1:9"
"""A proxy that answers nothing: what reaches for the network fails at once."""


class PreparationError(Exception):
    """The experiment could not be set up; nothing was measured."""


@dataclass(frozen=True, order=True)
class Pin:
    """A project and the one version of it that is used."""

    name: str
    version: str

    @classmethod
    def parse(cls, text: str) -> Pin:
        """Read ``NAME==VERSION``."""
        name, _, version = text.partition("==")
        return cls(canonicalize_name(name), version)

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


def cache_directory() -> Path:
    """The directory of the downloads: ``SAGEPIP_BENCH_CACHE``, or in the user's cache."""
    if chosen := os.environ.get("SAGEPIP_BENCH_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sagepip-bench"


def fetch_wheels(pins: Iterable[Pin]) -> dict[Pin, Path]:
    """Give the wheel of each pin, downloading those that the cache lacks."""
    return _fetch(pins, cache_directory() / "wheels", binary=True)


def fetch_sdists(pins: Iterable[Pin]) -> dict[Pin, Path]:
    """Give the source archive of each pin, downloading those that the cache lacks."""
    return _fetch(pins, cache_directory() / "sdists", binary=False)


def _fetch(pins: Iterable[Pin], directory: Path, *, binary: bool) -> dict[Pin, Path]:
    wanted = list(pins)
    directory.mkdir(parents=True, exist_ok=True)
    found = _stored(directory)
    missing = [pin for pin in wanted if pin not in found]
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        jobs = [pool.submit(_download, pin, directory, binary=binary) for pin in missing]
        for number, (pin, job) in enumerate(zip(missing, jobs, strict=True), 1):
            try:
                job.result()
            except PreparationError:
                pool.shutdown(cancel_futures=True)
                raise
            print(f"  downloaded {number}/{len(missing)}: {pin}", file=sys.stderr, flush=True)
    found = _stored(directory)
    if lost := [str(pin) for pin in wanted if pin not in found]:
        raise PreparationError(f"pip downloaded, but not under the name asked for: {lost}")
    return {pin: found[pin] for pin in wanted}


def _stored(directory: Path) -> dict[Pin, Path]:
    found = {}
    for path in directory.iterdir():
        if path.name.endswith(".whl"):
            name, version, _, _ = parse_wheel_filename(path.name)
        elif path.name.endswith(".tar.gz"):
            name, version = parse_sdist_filename(path.name)
        else:
            continue
        found[Pin(name, str(version))] = path
    return found


def _download(pin: Pin, directory: Path, *, binary: bool) -> None:
    # Only the project itself as a source: its build requirements, which pip wants for the
    # metadata, as wheels. Into a directory of its own first, so that an interrupted or a
    # second run never sees half a file.
    choice = "--only-binary=:all:" if binary else f"--no-binary={pin.name}"
    with tempfile.TemporaryDirectory(prefix=".new-", dir=directory) as scratch:
        done = subprocess.run(
            [*PIP_DOWNLOAD, choice, "--dest", scratch, str(pin)],
            env={k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            reason = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            raise PreparationError(
                f"{pin} could not be downloaded from the package index: "
                f"{reason[-1] if reason else done.stderr.strip()[-300:]}"
            )
        for path in Path(scratch).iterdir():
            path.replace(directory / path.name)


def copy_into(directory: Path, files: Iterable[Path]) -> Path:
    """Make a directory that holds just these files, as a wheelhouse does."""
    directory.mkdir(parents=True, exist_ok=True)
    for path in files:
        shutil.copy(path, directory)
    return directory


def tool_environment(home: Path) -> dict[str, str]:
    """The environment of everything that is measured.

    No setting of the caller's for pip, Python or sagepip, a home directory (and so a pip
    configuration and caches) and a directory for temporary files of its own, and no way to
    the network.
    """
    (home / "tmp").mkdir(parents=True)
    env = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(DROPPED_PREFIXES)
        and not key.startswith("XDG_")
        and not key.lower().endswith("_proxy")
        and key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")
    }
    env |= {"HOME": str(home), "TMPDIR": str(home / "tmp"), "PIP_CONFIG_FILE": os.devnull}
    env |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), NOWHERE)
    return env


@dataclass(frozen=True)
class VirtualEnvironment:
    """A new virtual environment without pip."""

    root: Path

    @classmethod
    def create(cls, root: Path) -> VirtualEnvironment:
        """Make one with the interpreter that runs this program."""
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(root)], check=True)
        return cls(root.resolve())

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.root / "bin" / "python"

    @property
    def scripts(self) -> Path:
        """The directory of its console scripts."""
        return self.root / "bin"

    @property
    def site(self) -> Path:
        """Its site-packages directory."""
        return next(self.root.glob("lib/python*/site-packages"))

    def pip(self, *arguments: str | Path) -> Sequence[str | Path]:
        """The command line by which this program's pip works on this environment."""
        return [sys.executable, "-m", "pip", "--python", self.python, *arguments]


def console_script(name: str) -> Path:
    """One of sagepip's commands, from the environment that runs this program."""
    return Path(sys.executable).parent / name
