"""Virtual environments of the interpreter that runs: described without starting theirs.

Starting an interpreter takes as long as installing a small wheel. What the one of an environment
would say follows from the running one and from ``pyvenv.cfg`` (PEP 405), unless something in the
environment adds to its import path; then, and wherever else there is doubt, it is asked.
"""

from __future__ import annotations

import os
import sys
import sysconfig

from sagepip.ground import interpreter_probe
from sagepip.ground.site_names import site_names

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# Lines of a .pth file that may bring in directories of distributions.
_PATH_WORDS = ("site-packages", "dist-packages", "addsitedir", "sys.path")
_PTH_BYTES = 1 << 16


def describe_sibling(executable: str) -> Mapping[str, Any] | None:
    """Describe the interpreter of a virtual environment that the running installation made.

    Args:
        executable: its absolute path.

    Returns:
        What :func:`sagepip.ground.interpreter_probe.describe` would say there; None where it has
        to be asked.
    """
    if sys.platform != "linux" or "sitecustomize" in sys.modules:
        return None
    if "deb_system" in sysconfig.get_scheme_names():
        return None  # Debian's site module has directories of its own
    try:
        return _described(executable)
    except (OSError, ValueError):
        return None


def _described(executable: str) -> Mapping[str, Any] | None:
    scripts = os.path.dirname(executable)
    prefix = os.path.dirname(scripts)
    if os.path.lexists(os.path.join(scripts, "pyvenv.cfg")) or not _is_ours(executable, prefix):
        return None
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    sites = [
        path
        for library in dict.fromkeys((sys.platlibdir, "lib"))
        if os.path.isdir(path := os.path.join(prefix, library, version, "site-packages"))
    ]
    if any(map(_may_add_paths, sites)):
        return None
    answer = interpreter_probe.describe()
    bases = {"base": prefix, "platbase": prefix}
    return {
        **answer,
        "executable": executable,
        "prefix": prefix,
        "virtual": True,
        "scheme": interpreter_probe.scheme_paths("venv", bases),
        "prefix_scheme": interpreter_probe.prefix_templates("venv"),
        "site_directories": list(dict.fromkeys(map(os.path.realpath, sites))),
        "externally_managed": None,
    }


def _is_ours(executable: str, prefix: str) -> bool:
    """Whether a path is the running interpreter, in a virtual environment that sees no other."""
    base = getattr(sys, "_base_executable", "") or sys.executable
    if os.path.realpath(executable) != os.path.realpath(base):
        return False
    with open(os.path.join(prefix, "pyvenv.cfg"), encoding="utf-8") as stream:
        lines = (line.partition("=") for line in stream)
        settings = {key.strip().lower(): value.strip() for key, found, value in lines if found}
    alone = settings.get("include-system-site-packages", "").lower() == "false"
    home = settings.get("home", "")
    return alone and os.path.realpath(home) == os.path.realpath(os.path.dirname(base))


def _may_add_paths(site: str) -> bool:
    """Whether something in a site directory may add directories of distributions to the path."""
    names = site_names(os.path.realpath(site)).startup
    return any(_may_add_path(os.path.join(site, name), name) for name in names)


def _may_add_path(path: str, name: str) -> bool:
    if name.startswith("sitecustomize"):
        return True
    if not name.endswith(".pth") or name.startswith("."):
        return False
    if not os.path.isfile(path) or os.stat(path).st_size > _PTH_BYTES:
        return True
    with open(path, encoding="utf-8") as stream:
        text = stream.read()
    return any(word in text for word in _PATH_WORDS)
