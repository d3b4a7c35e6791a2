"""A real Sage tree: that of the source distribution on the package index, never kept here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from bench.environment import Pin, VirtualEnvironment, fetch_sdists

from tests.e2e.commands import Done, Settings, Terminal, site_of

SAGE_CONF = Pin("sage-conf", "10.7")
CONFIGURED = {
    # What configure writes; a tree serves many tests.
    "src/bin/sage-env-config": 'export SAGE_LOCAL="$TEST_LOCAL" SAGE_ROOT="$TEST_ROOT"\n',
    "src/bin/sage-src-env-config": 'export SAGE_VENV="$TEST_VENV"\n',
    "build/bin/sage-build-env-config": "export SAGE_PIP_INSTALL_FLAGS=\n",
}

INSTALL = """\
mkdir -p "$SAGE_DESTDIR_LOCAL/share/$PKG_BASE" dist
echo "$PKG_VER" > "$SAGE_DESTDIR_LOCAL/share/$PKG_BASE/$PKG_VER"
ls "$SAGE_INST_LOCAL/share/$PKG_BASE"
cp {wheel} dist/
sdh_store_and_pip_install_wheel .
"""
"""A package that stages a file, tells what is installed of it, and installs a wheel."""


def unpack_sage_root(where: Path) -> Path:
    """Unpack the tree of Sage 10.7 below a directory; return its root."""
    with tarfile.open(fetch_sdists([SAGE_CONF])[SAGE_CONF]) as archive:
        archive.extractall(where, filter="tar")
    return where / "sage_conf-10.7" / "sage_root"


def configure(root: Path) -> None:
    """Write the files that the scripts read."""
    for path, text in CONFIGURED.items():
        (root / path).write_text(text)


def adopt(root: Path, pyz: Path) -> Path:
    """Configure a tree, complete it and adopt it; return it."""
    configure(root)
    # The source distribution leaves it out; in a checkout it runs pip with this line.
    sage = root / "src/bin/sage"
    sage.write_text(
        '#!/usr/bin/env bash\nshift\nexec python3 -m pip --disable-pip-version-check "$@"\n'
    )
    sage.chmod(0o755)
    words = ["python3", "-I", str(pyz), "adopt", "--apply", str(root)]
    subprocess.run(words, check=True, capture_output=True)
    return root


@dataclass
class SageTree:
    """A tree with an installation of its own, in which the scripts run.

    Attributes:
        root: SAGE_ROOT; other tests may use it as well.
        terminal: a working directory and an environment.
        path: the rest of PATH.
    """

    root: Path
    terminal: Terminal
    path: str = os.pathsep.join((os.path.dirname(os.path.realpath(sys.executable)), os.defpath))

    def __post_init__(self) -> None:
        self.venv = VirtualEnvironment.create(self.terminal.where / "venv")
        self.prefix = self.terminal.where / "venv"
        self.site = site_of(self.prefix)
        state = self.prefix / "var/lib/sage"
        self.wheels = state / "wheels"
        self.scripts = state / "scripts"
        self.stamps = state / "installed"
        self.wheels.mkdir(parents=True)

    @property
    def environ(self) -> dict[str, str]:
        """What scripts see, Sage's variables among it."""
        root, prefix = str(self.root), str(self.prefix)
        return {
            **self.terminal.environ,
            "TEST_ROOT": root,
            "TEST_LOCAL": prefix,
            "TEST_VENV": prefix,
            "SAGE_ROOT": root,
            "SAGE_LOCAL": prefix,
            "SAGE_VENV": prefix,
            "SAGE_INST_LOCAL": prefix,
            "SAGE_SPKG_WHEELS": str(self.wheels),
            "SAGE_SPKG_SCRIPTS": str(self.scripts),
            "SAGE_SHARE": f"{prefix}/share",
            "PKG_NAME": "thing-1",
            "PKG_BASE": "thing",
            "PYTHONPATH": str(self.terminal.where / "nowhere"),
            "PATH": os.pathsep.join(
                (f"{root}/build/bin", f"{root}/src/bin", f"{prefix}/bin", self.path)
            ),
        }

    def bash(
        self,
        script: str,
        *,
        status: int = 0,
        cwd: Path | None = None,
        settings: Settings | None = None,
    ) -> Done:
        """Run a script, which must end with an exit status."""
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=cwd or self.terminal.where,
            env=self.environ | {key: str(value) for key, value in (settings or {}).items()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, f"{done.args}\n{done.stdout}\n{done.stderr}"
        return done

    def helpers(
        self,
        script: str,
        *,
        status: int = 0,
        cwd: Path | None = None,
        settings: Settings | None = None,
    ) -> Done:
        """Run a script with the functions of sage-dist-helpers."""
        start = '. "$SAGE_ROOT/build/bin/sage-dist-helpers"\n'
        return self.bash(start + script, status=status, cwd=cwd, settings=settings)

    def package(self, name: str, version: str, install: str, **scripts: str) -> None:
        """Write a package of scripts alone into the tree, in place of an older version of it."""
        directory = self.root / "build/pkgs" / name
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        (directory / "type").write_text("standard\n")
        (directory / "package-version.txt").write_text(f"{version}\n")
        (directory / "SPKG.rst").write_text(f"{name}\n")
        for step, text in {"install": install, **scripts}.items():
            (directory / f"spkg-{step}.in").write_text(text)

    def spkg(self, name: str, *options: str, status: int = 0) -> Done:
        """Run sage-spkg for a package, as the tree's Makefile does."""
        version = (self.root / "build/pkgs" / name / "package-version.txt").read_text().strip()
        words = " ".join(options)
        return self.bash(
            f"exec sage-spkg {words} {name}-{version} '{self.prefix}'", status=status, cwd=self.root
        )

    def imports(self, code: str) -> str:
        """Run code with the venv's interpreter; return what it prints."""
        return subprocess.run(
            [self.venv.python, "-I", "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
