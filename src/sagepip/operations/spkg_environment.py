"""What the scripts of packages find: sagepip's commands on ``PATH``, and Sage's variables."""

from __future__ import annotations

import os
import shlex
import sys

import sagepip
from sagepip.ground.filesystem import make_directories
from sagepip.ground.light_dataclass import dataclass
from sagepip.operations.spkg_tree import SpkgTree

_COMMANDS = {
    "sagepip": "sagepip",
    "sage-pip-install": "sage_pip_install",
    "sage-pip-uninstall": "sage_pip_uninstall",
    "sage-staged-copy": "sage_staged_copy",
    "sage-pip-lock": "sage_pip_lock",
}
_DROPPED = ("PIP_", "PYTHON", "SAGE_", "VIRTUAL_ENV", "PKG_NAME", "PKG_BASE", "PKG_VER", "DESTDIR")
# What a user tells Sage's recipes; all other variables of Sage's are those of another tree.
_PASSED = (
    *("SAGE_FAT_BINARY", "SAGE_DEBUG", "SAGE_EDITABLE", "SAGE_WHEELS", "SAGE_SPKG_INSTALL_DOCS"),
    *("SAGE_CONFIGURE_", "SAGE_TUNE_", "SAGE_CONF_OPTS", "SAGE_NUM_THREADS"),
)


def own_command(entry: str) -> list[str]:
    """Return the command line that starts one of sagepip's console scripts.

    Args:
        entry: the function of :mod:`sagepip.cli.main`.
    """
    import site

    home = os.path.dirname(os.path.dirname(os.path.abspath(sagepip.__file__)))
    is_found = home in map(os.path.abspath, site.getsitepackages())
    path = "" if is_found else f"sys.path.insert(0, {home!r}); "
    name = next(name for name, one in _COMMANDS.items() if one == entry)
    code = f"import sys; {path}sys.argv[0] = {name!r}; "
    code += f"from sagepip.cli.main import {entry} as main; sys.exit(main())"
    return [sys.executable, "-I", "-c", code]


def write_commands(directory: str) -> None:
    """Write programs with the names of sagepip's commands into a directory, made if missing."""
    make_directories(directory)
    for name, entry in _COMMANDS.items():
        path = os.path.join(directory, name)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(f'#!/bin/sh\nexec {shlex.join(own_command(entry))} "$@"\n')
        os.chmod(path, 0o755)


@dataclass(frozen=True)
class ScriptsOf:
    """Whose scripts they are.

    Attributes:
        tree: where the package is, or goes.
        name: the package.
        version: its version.
        root: SAGE_ROOT, or an empty string if it is not known.
    """

    tree: SpkgTree
    name: str
    version: str
    root: str

    def variables(self) -> dict[str, str]:
        """Return Sage's variables that are the same in each of its scripts."""
        tree = self.tree
        of_root = {"SAGE_ROOT": self.root, "SAGE_SRC": os.path.join(self.root, "src")}
        return {
            **(of_root if self.root else {}),
            "SAGE_LOCAL": tree.prefix,
            "SAGE_INST_LOCAL": tree.prefix,
            "SAGE_VENV": tree.prefix,
            "SAGE_SHARE": os.path.join(tree.prefix, "share"),
            "SAGE_SPKG_WHEELS": tree.wheels,
            "SAGE_SPKG_INST": tree.records,
            "SAGE_SPKG_SCRIPTS": tree.scripts,
            "SAGE_LOGS": tree.logs,
            "SAGE_DISTFILES": tree.upstream,
            "SAGE_BUILD_DIR": tree.builds,
            "PKG_NAME": f"{self.name}-{self.version}",
            "PKG_BASE": self.name,
            "PKG_VER": self.version,
            "PKG_VERSION": self.version,
        }

    def environ(self, commands: str, check: str = "no") -> dict[str, str]:
        """Return the whole environment of a script.

        Compilers and linkers find what other packages have brought, as in Sage's.

        Args:
            commands: the directory of sagepip's commands.
            check: ``yes``, ``warn`` or ``no``: what the package's test suite is for.
        """
        prefix = self.tree.prefix
        environ = {
            name: value
            for name, value in os.environ.items()
            if name.startswith(_PASSED) or not name.startswith(_DROPPED)
        }
        lib, include = os.path.join(prefix, "lib"), os.path.join(prefix, "include")
        search = {
            "CPATH": include,
            "LIBRARY_PATH": lib,
            "PKG_CONFIG_PATH": os.path.join(lib, "pkgconfig"),
        }
        link = [f"-L{lib}", f"-Wl,-rpath,{lib}"]
        path = [commands, os.path.join(prefix, "bin"), environ.get("PATH") or os.defpath]
        return {
            **environ,
            "PATH": os.pathsep.join(path),
            **{
                name: f"{first}:{environ[name]}" if environ.get(name) else first
                for name, first in search.items()
            },
            # A blank would make two of one.
            **({} if " " in lib else {"LDFLAGS": " ".join([*link, environ.get("LDFLAGS", "")])}),
            "MAKE": "make",
            "UNAME": os.uname().sysname,
            "SAGE_NUM_THREADS": environ.get("SAGE_NUM_THREADS", "1"),
            "SAGE_CHECK": check,
            **self.variables(),
        }
