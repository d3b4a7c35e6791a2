"""What setuptools is told beyond the user's config settings: build elsewhere, by itself alone."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Mapping

_BACKENDS = frozenset({"setuptools.build_meta", "setuptools.build_meta:__legacy__"})
_BUILD_OPTION = "--build-option"
_GLOBAL_OPTION = "--global-option"
Settings = dict[str, str | list[str]]


def settings_for(
    backend: str, settings: Mapping[str, str | list[str]], build_directory: str
) -> Settings:
    """Return the config settings for a backend: the user's, and for setuptools two more.

    - Its build directory is one of this build alone. In the source tree, ``build/lib`` would
      bring back into the wheel every module that was there at an earlier build and is gone now.
    - ``~/.pydistutils.cfg`` is not read, if there is one: it can move the modules of a wheel to
      other places, or change its version.

    Args:
        backend: the backend, as in ``build-system.build-backend``.
        settings: the user's.
        build_directory: an absolute path; need not exist.
    """
    found: Settings = dict(settings)
    if backend not in _BACKENDS:
        return found
    build_options = _words(found.get(_BUILD_OPTION))
    if not any(word.startswith(("--build-base", "--build-lib")) for word in build_options):
        found[_BUILD_OPTION] = [*build_options, "build", f"--build-base={build_directory}"]
    if os.path.lexists(os.path.expanduser("~/.pydistutils.cfg")):
        # setuptools before 64 does not take it here, and says so; without the file it is not met.
        found[_GLOBAL_OPTION] = ["--no-user-cfg", *_words(found.get(_GLOBAL_OPTION))]
    return found


def _words(value: str | list[str] | None) -> list[str]:
    """Return the words of a setting, as setuptools reads it."""
    if not isinstance(value, str):
        return list(value or ())
    import shlex

    return shlex.split(value)
