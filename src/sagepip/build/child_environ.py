"""What pip and build hooks see of the user's environment: all but what misleads them."""

from __future__ import annotations

import os

from sagepip.build.sources import PackageSources

# Of the user's PIP_* variables these say how to reach an index; the others (PIP_TARGET, PIP_USER,
# PIP_CONSTRAINT, ...) are either read by our own command line or would change what is resolved.
_INDEX_ACCESS = frozenset(
    {
        "PIP_CACHE_DIR",
        "PIP_CERT",
        "PIP_CLIENT_CERT",
        "PIP_CONFIG_FILE",
        "PIP_DEFAULT_TIMEOUT",
        "PIP_EXTRA_INDEX_URL",
        "PIP_INDEX_URL",
        "PIP_KEYRING_PROVIDER",
        "PIP_NO_CACHE_DIR",
        "PIP_NO_PROXY_ENV",
        "PIP_PRE",
        "PIP_PROXY",
        "PIP_REFRESH_PACKAGE",
        "PIP_RESUME_RETRIES",
        "PIP_RETRIES",
        "PIP_TIMEOUT",
        "PIP_TRUSTED_HOST",
        "PIP_UPLOADED_PRIOR_TO",
        "PIP_USE_DEPRECATED",
        "PIP_USE_FEATURE",
    }
)
# Of Python's variables these change neither what is imported, nor what bytecode or output means,
# nor where bytecode goes: a build environment that is used again is to have its own.
_HARMLESS_PYTHON = frozenset(
    {
        "PYTHONCOERCECLOCALE",
        "PYTHONFAULTHANDLER",
        "PYTHONHASHSEED",
        "PYTHONIOENCODING",
        "PYTHONUNBUFFERED",
        "PYTHONUTF8",
        "PYTHON_CPU_COUNT",
    }
)
# DESTDIR: cmake would install there what was to go into the wheel.
_MISLEADING = frozenset({"VIRTUAL_ENV", "__PYVENV_LAUNCHER__", "DESTDIR"})
# What pip and the hooks of a build in which we run were told.
_OF_OTHERS = ("PIP_", "_PIP_", "_PYPROJECT_HOOKS_")


def pip_environ(sources: PackageSources | None) -> dict[str, str]:
    """Return the environment for sagepip's own pip.

    Args:
        sources: where distributions come from; None for a pip that needs none.

    Returns:
        The user's environment; where no index is allowed, without any of pip's variables and
        configuration files.
    """
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", *_OF_OTHERS)) and name not in _MISLEADING
    }
    environ.update(_pip_variables(sources))
    # pip --python starts the target without -I: these two are what is left of it.
    environ["PYTHONNOUSERSITE"] = "1"
    environ["PYTHONSAFEPATH"] = "1"
    return environ


def hook_environ(sources: PackageSources | None) -> dict[str, str]:
    """Return the environment for build hooks.

    Args:
        sources: as for :func:`pip_environ`.

    Returns:
        The user's environment (compilers, flags, MAKEFLAGS, SOURCE_DATE_EPOCH) without what
        would let modules from elsewhere into the build.
    """
    environ = {
        name: value
        for name, value in os.environ.items()
        if name not in _MISLEADING
        and not name.startswith(_OF_OTHERS)
        and (name in _HARMLESS_PYTHON or not name.startswith("PYTHON"))
    }
    environ.update(_pip_variables(sources))
    environ["PYTHONNOUSERSITE"] = "1"
    if environ.get("SOURCE_DATE_EPOCH"):
        # Who asks for the same bytes again does not want them in the order of a random hash.
        environ.setdefault("PYTHONHASHSEED", "0")
    return environ


def _pip_variables(sources: PackageSources | None) -> dict[str, str]:
    if sources is not None and sources.index_allowed:
        return {name: value for name, value in os.environ.items() if name in _INDEX_ACCESS}
    return {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"}
