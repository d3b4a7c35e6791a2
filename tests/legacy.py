"""Installations as setuptools made them before wheels, laid out by code as real ones are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from sagepip.ground.destination import Destination

EASY_INSTALL = "easy-install.pth"
_PKG_INFO = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"


def make_egg_info(
    destination: Destination,
    name: str,
    version: str,
    files: Mapping[str, str],
    *,
    listed: bool = True,
    more: str = "",
) -> Path:
    """Install files under an ``.egg-info`` directory and return that.

    Args:
        destination: where to.
        name: the project's name.
        version: its version.
        files: their content, by paths relative to site-packages.
        listed: whether there is an installed-files.txt: pip wrote one, ``setup.py`` did not.
        more: more lines of it.
    """
    site = Path(destination.site)
    info = site / f"{name}-{version}-py3.11.egg-info"
    metadata = {"PKG-INFO": _PKG_INFO.format(name=name, version=version), "top_level.txt": "pkg\n"}
    paths = [site / path for path in files] + [info / path for path in metadata]
    for path, text in zip(paths, [*files.values(), *metadata.values()], strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    if listed:
        lines = sorted(os.path.relpath(os.path.normpath(path), info) for path in paths)
        (info / "installed-files.txt").write_text("\n".join(lines) + "\n" + more)
    return info


def make_egg_link(destination: Destination, name: str, source: Path, *scripts: str) -> Path:
    """Install a source tree in development mode and return the ``.egg-link``.

    Args:
        destination: where to.
        name: the project's name.
        source: its source tree; gets a module and the ``.egg-info`` of version 1.0.
        scripts: the names of its scripts.
    """
    site, programs = Path(destination.site), Path(destination.scheme.scripts)
    info = source / f"{name.replace('-', '_')}.egg-info"
    for directory in (site, programs, info):
        directory.mkdir(parents=True, exist_ok=True)
    (info / "PKG-INFO").write_text(_PKG_INFO.format(name=name, version="1.0"))
    (source / "pkg.py").write_text("")
    for number, script in enumerate(scripts):
        mark = f"ENTRY-SCRIPT: '{name}','console_scripts','{script}'"
        if number % 2:
            mark = f"DEV-SCRIPT: '{name}==1.0','{script}'"
        (programs / script).write_text(f"#!/usr/bin/python\n# EASY-INSTALL-{mark}\nimport sys\n")
    link = site / f"{name}.egg-link"
    link.write_text(f"{source}\n.")
    with (site / EASY_INSTALL).open("a") as stream:
        stream.write(f"{source}\n")
    return link
