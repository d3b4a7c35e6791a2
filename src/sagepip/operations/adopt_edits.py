"""What ``sagepip adopt`` changes in a Sage tree: data only.

Sage's scripts are not ours: the places are found by the shortest texts that tell them.
"""

from __future__ import annotations

from sagepip.ground.light_dataclass import dataclass

ARCHIVE = "build/bin/sagepip.pyz"
"""Where the zip application goes."""


@dataclass(frozen=True)
class Region:
    """Lines of a file that are replaced by others.

    Attributes:
        first: a text that the first of them holds, and no other line of the file.
        last: a text that the last of them holds: the first such line from there on. Empty: the
            last line of the file.
        count: how many they are.
        text: what takes their place.
        holds: texts that some of them hold.
    """

    first: str
    last: str
    count: int
    text: str
    holds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Edit:
    """The changes of one file.

    Attributes:
        path: relative to the tree.
        regions: what is replaced in it.
        is_optional: whether there are trees without it.
    """

    path: str
    regions: tuple[Region, ...]
    is_optional: bool = False


def _line(anchor: str, text: str) -> Region:
    return Region(anchor, anchor, 1, text)


_RUN = """\
#!/bin/sh
# sage-sagepip SUBCOMMAND ...: runs sagepip.pyz, which lies beside this script.
# Put here by "sagepip adopt"; "sagepip adopt --undo" takes it away.

# As for sage-bootstrap-python a Python outside of SAGE_LOCAL and SAGE_VENV comes first: what is
# published may be the other one. It needs no packages.
case "$0" in
    */*) here=${0%/*} ;;
    *)   here=. ;;
esac
run_with() {
    [ -x "$1" ] || return 0
    "$1" -I -c 'import sys, zlib; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || return 0
    found=$1
    shift
    unset IFS
    exec "$found" -I "$here/sagepip.pyz" "$@"
}
# Those that change PATH (pyenv's shims) come last.
for path in "$SAGE_ORIG_PATH" "$PATH" shims; do
    case "$path" in
        shims) path=$PATH; skipped= ;;
        *)     skipped='*/shims' ;;
    esac
    IFS=:
    for directory in $path; do
        case "$directory" in
            $skipped) continue ;;
        esac
        for name in python3 python3.14 python3.13 python3.12 python3.11; do
            run_with "$directory/$name" "$@"
        done
    done
    unset IFS
done
echo >&2 "Error: sagepip needs Python 3.11 or newer, and there is none on PATH"
exit 1
"""

_INSTALL = """\
#!/usr/bin/env bash
# Installs with sagepip what is named, as "pip install" does. Put here by "sagepip adopt".
#
# Wheels and build requirements are found in SAGE_SPKG_WHEELS, and nowhere else. A requirement that
# is nowhere to be had is named in a warning: a dependencies file in build/pkgs/ is to be corrected.
# So is a Python that a wheel does not want.
#
# It is meant to be run after $(PYTHON) has been installed; "python3" is then the right one.

# As with pip's --isolated, the user's settings for pip do not count.
unset ${!PIP_@}
# Issue #33155: this has macOS tell its version as wheels spell it.
export SYSTEM_VERSION_COMPAT=0

"${BASH_SOURCE[0]%/*}"/sage-sagepip install --missing-deps warn --no-index \\
    --ignore-requires-python --python "$(command -v python3)" "$@"
if [ $? -ne 0 ]; then
    echo >&2 "Error: installing with sagepip failed"
    exit 3
fi
"""

_UNINSTALL = """\
#!/usr/bin/env bash
# Uninstalls with sagepip what is named, as "pip uninstall" does; what is not installed is passed
# over. Put here by "sagepip adopt".
#
# It is meant to be run after $(PYTHON) has been installed; "python3" is then the right one.
unset ${!PIP_@}
exec "${BASH_SOURCE[0]%/*}"/sage-sagepip uninstall --yes --python "$(command -v python3)" "$@"
"""

NEW_SCRIPTS = {"build/bin/sage-sagepip": _RUN}
"""Scripts that a tree does not have: path and text."""

_FLOCK_OF_PIP = """\
    command = args.command

    # What changes site-packages is excluded by the lock of sagepip, not by that of pip; and not
    # only with -x: pip was made to install with -s.
    prefix, _, name = getattr(args.lock, 'name', '').rpartition('/var/lock/') \\
        if command and not isinstance(args.lock, int) else ('', '', '')
    if prefix and name in ('pip.lock', 'pip2.lock', 'pip3.lock') and not args.unlock:
        os.execvp('sage-sagepip', ['sage-sagepip', 'lock', '-x', prefix, '--'] + command)
"""

_FLOCK_EXEC = """\
        # Python closes its descriptors at exec, and a lock goes with the last of them.
        fcntl.fcntl(lock, fcntl.F_SETFD, 0)
        os.execvp(command[0], command)
"""

_SPKG_OLD = """\
# The previous version of this package stays until the new one is published (unload_destdir).
# Only one that has no list of its files is uninstalled first, by its legacy-uninstall script.
if [ "$KEEP_EXISTING" != "yes" ] && ! grep -qs '"files"' "$SAGE_SPKG_INST/$PKG_BASE"-*; then
"""

_SPKG_PUBLISH = """\
    # Publish them in $SAGE_INST_LOCAL at once; then remove what only the previous version had
    if [ "$KEEP_EXISTING" = "yes" ]; then
        previous=--keep-existing
    else
        previous=
    fi
    $SAGE_SUDO "$SAGE_ROOT"/build/bin/sage-sagepip spkg publish $previous \\
        --prefix "$SAGE_INST_LOCAL" "$PKG_BASE" "$PREFIX" || \\
        exit_with_error_msg "Error moving files for $PKG_NAME."
"""

_BUILD_WHEEL = """\
sdh_build_wheel() {
    mkdir -p dist
    rm -f dist/*.whl
    install_options=""
    local build_options=()
    while [ $# -gt 0 ]; do
        case "$1" in
            --build-isolation|--no-build-isolation|--sdist-then-wheel)
                build_options+=("$1")
                ;;
            --no-deps)
                install_options="$install_options $1"
                ;;
            -C|--config-settings)
                shift
                build_options+=("--config-settings=$1")
                ;;
            *)
                break
                ;;
        esac
        shift
    done
    # In an environment of the build requirements that are in SAGE_SPKG_WHEELS; if one is not
    # there, without isolation, with a warning: a dependencies file in build/pkgs/ is to be
    # corrected. A build that fails is not repeated.
    PIP_FIND_LINKS= PIP_NO_BINARY= sage-sagepip build --no-index --missing-build-deps warn \\
        --python "$(command -v python3)" --outdir dist "${build_options[@]}" "$@" > /dev/null || \\
        sdh_die "Error building a wheel for $PKG_NAME"
"""

_EDITABLE = """\
    if [ "$SETUPTOOLS_ENABLE_FEATURES" = legacy-editable ]; then
        # setup.py develop, which no wheel stands for: pip's own, while nobody changes the site
        sage-sagepip lock -x --python "$(command -v python3)" -- \\
            python3 -m pip install --verbose --no-deps --no-index --no-build-isolation --isolated \\
            --editable "$@"
    else
        # Into the venv and not into $SAGE_DESTDIR: scripts go on with what is installed
        SAGE_DESTDIR= sage-pip-install --no-deps --no-build-isolation --editable "$@"
    fi || \\
"""

_STORE = """\
        $sudo "$SAGE_ROOT"/build/bin/sage-sagepip build --python "$(command -v python3)" \\
            --outdir "${SAGE_DESTDIR}${SAGE_SPKG_WHEELS}" "$wheel" > /dev/null && \\
        $sudo rm -f "$wheel" || \\
"""

_REPLACE = """\
    # (sage-pip-install replaces a wheel of the same version if it has another content, in one
    # transaction; $distname is not uninstalled first.)
"""

_WITHDRAW = """\
    # Remove the files in one transaction: all of them or none, the metadata of Python packages
    # first, while nobody else changes the tree. What another package has as well stays; a
    # directory that is empty then does not.
    command = [pth.join(SAGE_ROOT, 'build', 'bin', 'sage-sagepip'), 'spkg', 'withdraw',
               '--prefix', sage_local, spkg_name]
    if verbose:
        command.append('--verbose')
    subprocess.check_call(command)
"""

_SAGE_PIP = """\
    case " $* " in
        *" install "*|*" uninstall "*)
            # Nobody else changes the venv meanwhile.
            if [ -x "$SAGE_ROOT"/build/bin/sage-sagepip ]; then
                exec "$SAGE_ROOT"/build/bin/sage-sagepip lock -x --python "$(command -v python3)" \\
                    -- python3 -m pip --disable-pip-version-check "$@"
            fi
            ;;
    esac
    exec python3 -m pip --disable-pip-version-check "$@"
"""

EDITS = (
    Edit(
        "build/bin/sage-pip-install",
        (Region("#!/usr/bin/env bash", "", 55, _INSTALL, ("exit 3", "-m pip install")),),
    ),
    Edit(
        "build/bin/sage-pip-uninstall",
        (Region("#!/usr/bin/env bash", "", 23, _UNINSTALL, ("-m pip uninstall",)),),
    ),
    Edit(
        "build/sage_bootstrap/flock.py",
        (
            _line("    command = args.command", _FLOCK_OF_PIP),
            _line("os.execvp(command[0], command)", _FLOCK_EXEC),
        ),
    ),
    Edit(
        "build/bin/sage-spkg",
        (
            Region(
                "# First uninstall the previous version",
                'if [ "$KEEP_EXISTING" != "yes" ]; then',
                2,
                _SPKG_OLD,
            ),
            Region(
                "# Copy files into $SAGE_INST_LOCAL",
                '$SAGE_SUDO cp -Rp "$PREFIX/." "$SAGE_INST_LOCAL"',
                2,
                _SPKG_PUBLISH,
            ),
        ),
    ),
    Edit(
        "build/bin/sage-dist-helpers",
        (
            Region(
                "sdh_build_wheel() {",
                "unset PIP_NO_INDEX",
                71,
                _BUILD_WHEEL,
                ('install_options="$install_options $1"', "--skip-dependency-check"),
            ),
            _line("python3 -m pip install --verbose --no-deps", _EDITABLE),
            _line('$sudo mv "$wheel"', _STORE),
            Region(
                '$sudo sage-pip-uninstall "$distname"', "fi", 4, _REPLACE, ('"(ignoring error)"',)
            ),
        ),
    ),
    Edit(
        "build/sage_bootstrap/uninstall.py",
        (
            Region(
                "# Sort the given files first by the highest directory depth",
                "if verbose:",
                5,
                "    if verbose:\n",
                ("files.sort(",),
            ),
            Region(
                "    def rmdir(dirname):", "        rmdir(dirname)", 27, _WITHDRAW, ("os.remove(",)
            ),
        ),
    ),
    Edit(
        "src/bin/sage",
        (_line("exec python3 -m pip --disable-pip-version-check", _SAGE_PIP),),
        is_optional=True,
    ),
)
"""All changes of scripts that a tree has."""
