"""Describe the interpreter that runs this file; standard library only, Python 3.8 and up.

The source of this module is also sent to another interpreter (``python -I -c SOURCE``), so it
must not import anything of sagepip's, and little at all. It says nothing but one line of JSON,
after a mark:
a ``.pth`` file of the target may print whatever it likes around it.
"""

import os
import sys
import sysconfig

MARK = "sagepip-interpreter-description:"
# Stands for the prefix in ``prefix_scheme``; must survive os.path.normpath.
PREFIX_PLACEHOLDER = "/@sagepip-prefix@"

_BASE_KEYS = ("installed_base", "base", "installed_platbase", "platbase", "prefix", "exec_prefix")
_PATH_KEYS = ("purelib", "platlib", "include", "scripts", "data", "stdlib")


def _preferred_scheme(key):  # type: (str) -> str
    function = getattr(sysconfig, "get_preferred_scheme", None)
    if function is not None:
        return str(function(key))
    return "posix_" + key


def scheme_paths(scheme, variables=None):  # type: (str, dict[str, str] | None) -> dict[str, str]
    """Return the paths of a scheme, as ``sysconfig.get_paths`` does.

    What stands in them is known; the thousand variables that the interpreter was built with, which
    that function loads, are needed where a distributor has put others there.

    Args:
        scheme: its name.
        variables: what stands for some of them.
    """
    own = {
        "installed_base": os.path.normpath(sys.base_prefix),
        "base": os.path.normpath(sys.prefix),
        "installed_platbase": os.path.normpath(sys.base_exec_prefix),
        "platbase": os.path.normpath(sys.exec_prefix),
        "py_version_short": ".".join(map(str, sys.version_info[:2])),
        "platlibdir": getattr(sys, "platlibdir", "lib"),
        "abiflags": getattr(sys, "abiflags", ""),
    }
    own.update(variables or {})
    try:
        if not sys.platform.startswith("linux"):
            raise KeyError(sys.platform)
        templates = sysconfig.get_paths(scheme, expand=False)
        return {key: os.path.normpath(templates[key].format(**own)) for key in _PATH_KEYS}
    except (IndexError, KeyError):
        paths = sysconfig.get_paths(scheme, vars=dict(variables or {}))
        return {key: paths[key] for key in _PATH_KEYS}


def prefix_templates(scheme):  # type: (str) -> dict[str, str]
    """Return the paths of a scheme with a placeholder for the prefix."""
    variables = dict.fromkeys(_BASE_KEYS, PREFIX_PLACEHOLDER)
    return scheme_paths(scheme, variables)


def describe():  # type: () -> dict[str, object]
    """Return what sagepip needs to know about this interpreter, as JSON-able values."""
    virtual = sys.prefix != sys.base_prefix
    prefix_scheme = _preferred_scheme("prefix")
    own = scheme_paths(prefix_scheme)
    if prefix_scheme in ("posix_local", "osx_framework_library"):
        # pip does the same: these schemes redirect a distributor's own pip, not a --prefix.
        prefix_scheme = "posix_prefix"
    marker = os.path.join(own["stdlib"], "EXTERNALLY-MANAGED")
    import _frozen_importlib_external as importing
    import _imp

    return {
        "executable": sys.executable,
        "version": list(sys.version_info[:3]),
        "build": sys.version,
        "implementation": sys.implementation.name,
        "cache_tag": sys.implementation.cache_tag,
        "magic": importing.MAGIC_NUMBER.hex(),
        "platform": sysconfig.get_platform(),
        "extension_suffixes": _imp.extension_suffixes(),
        "prefix": sys.prefix,
        "base_prefix": sys.base_prefix,
        "virtual": virtual,
        "scheme": own,
        "prefix_scheme": prefix_templates(prefix_scheme),
        "site_directories": [
            os.path.realpath(path)
            for path in sys.path
            if os.path.basename(path) in ("site-packages", "dist-packages")
        ],
        "externally_managed": marker if not virtual and os.path.isfile(marker) else None,
    }


def compatible_tags():  # type: () -> list[str]
    """Return the wheel tags this interpreter accepts, best first (needs ``packaging``)."""
    from packaging import tags

    return [str(tag) for tag in tags.sys_tags()]


def marker_environment():  # type: () -> dict[str, str]
    """Return the environment-marker values of this interpreter (needs ``packaging``)."""
    from packaging import markers

    return {key: str(value) for key, value in markers.default_environment().items()}


def compatibility(packaging_parent):  # type: (str) -> dict[str, object]
    """Return which wheels and requirements are for this interpreter.

    Args:
        packaging_parent: the directory with the ``packaging`` of who asks: the target's own
            packages are not to be trusted.
    """
    sys.path.insert(0, packaging_parent)
    try:
        return {"tags": compatible_tags(), "markers": marker_environment()}
    except Exception as error:  # an interpreter too old for packaging still has its schemes
        return {"error": repr(error)}


def main(packaging_parent):  # type: (str) -> None
    """Print a description of this interpreter, for the process that asked.

    Args:
        packaging_parent: see :func:`compatibility`; if it is empty, describe the rest.
    """
    import json

    answer = compatibility(packaging_parent) if packaging_parent else describe()
    sys.stdout.write("\n" + MARK + json.dumps(answer) + "\n")
    sys.stdout.flush()
    # As quick as it can be: whoever asked waits for this.
    os._exit(0)


if __name__ == "__main__" and len(sys.argv) > 1:
    main(sys.argv[1])
