# What the scripts of recipes may call; read before each of them. The names and what they do are
# Sage's (sage-dist-helpers); written for sagepip.

# sdh_die [MESSAGE ...]: end with the exit status of the last command, or 1; without MESSAGE it is
# read from stdin.
sdh_die() {
    local status=$?
    [ "$status" -ne 0 ] || status=1
    if [ $# -gt 0 ]; then echo "Error: $*" >&2; else cat >&2; fi
    exit "$status"
}

# sdh_check_vars NAME ...
sdh_check_vars() {
    local name
    for name in "$@"; do
        [ -n "${!name}" ] || sdh_die "$name is not set"
    done
}

sdh_guard() { sdh_check_vars SAGE_ROOT SAGE_LOCAL SAGE_INST_LOCAL SAGE_SHARE; }

# sdh_configure [OPTION ...]: one that is not made by autoconf does not know all options.
sdh_configure() {
    local options=(--prefix="$SAGE_INST_LOCAL" --libdir="$SAGE_INST_LOCAL/lib" --disable-static)
    echo "Configuring $PKG_NAME"
    export CONFIG_SHELL="${CONFIG_SHELL:-$(command -v bash)}"
    ./configure "${options[@]}" --disable-maintainer-mode --disable-dependency-tracking "$@" ||
        ./configure "${options[@]}" "$@" || sdh_die "cannot configure $PKG_NAME; see $PWD/config.log"
}

# sdh_make [ARGUMENT ...]
sdh_make() {
    echo "Building $PKG_NAME"
    ${MAKE:-make} "$@" || sdh_die "cannot build $PKG_NAME"
}

# sdh_make_install [ARGUMENT ...]
sdh_make_install() {
    echo "Installing $PKG_NAME"
    ${MAKE:-make} install DESTDIR="$SAGE_DESTDIR" "$@" || sdh_die "cannot install $PKG_NAME"
}

# sdh_make_check [ARGUMENT ...]
sdh_make_check() {
    echo "Checking $PKG_NAME"
    ${MAKE:-make} check "$@" || sdh_die "the checks of $PKG_NAME fail"
}

# sdh_cmake [ARGUMENT ...]
sdh_cmake() {
    echo "Configuring $PKG_NAME with cmake"
    cmake -DCMAKE_INSTALL_PREFIX="$SAGE_INST_LOCAL" -DCMAKE_INSTALL_LIBDIR=lib "$@" ||
        sdh_die "cannot configure $PKG_NAME with cmake; see $PWD/CMakeFiles"
}

# Of the options of sdh_pip_install: those for building to sdh_building, for installing to
# sdh_installing, and what is to be built to sdh_sources. sagepip builds through an sdist nowhere.
_sdh_read_options() {
    sdh_building=() sdh_installing=() sdh_sources=()
    while [ $# -gt 0 ]; do
        case "$1" in
            --build-isolation|--sdist-then-wheel|--skip-dependency-check|-x|--wheel|-w) ;;
            --no-isolation|-n|--no-build-isolation) sdh_building+=(--no-build-isolation) ;;
            --no-deps) sdh_installing+=("$1") ;;
            -C|--config-settings|--config-setting) sdh_building+=(-C "$2"); shift ;;
            -C?*|--config-setting=*|--config-settings=*) sdh_building+=("$1") ;;
            -*) sdh_building+=("$1"); sdh_installing+=("$1") ;;
            *) sdh_sources+=("$1") ;;
        esac
        shift
    done
    [ ${#sdh_sources[@]} -gt 0 ] || sdh_sources=(.)
}

# sdh_build_wheel [--no-build-isolation] [-C KEY=VALUE] [DIRECTORY]: the wheel is in dist/ then.
sdh_build_wheel() {
    _sdh_read_options "$@"
    mkdir -p dist && rm -f dist/*.whl || sdh_die "cannot make $PWD/dist"
    sagepip build --no-index --wheel-dir dist "${sdh_building[@]}" "${sdh_sources[@]}" ||
        sdh_die "cannot build a wheel of $PKG_NAME"
}

_sdh_find_wheel() {
    local found=(dist/*.whl)
    [ -f "${found[0]}" ] || sdh_die "no wheel in $PWD/dist"
    [ ${#found[@]} -eq 1 ] || sdh_die "more than one wheel in $PWD/dist"
    wheel=$PWD/${found[0]}
}

# sdh_store_wheel .: the wheel in dist/ goes to SAGE_SPKG_WHEELS, and "wheel" tells its path there.
sdh_store_wheel() {
    [ "$*" = . ] || sdh_die "sdh_store_wheel takes . and nothing else"
    _sdh_find_wheel
    sagepip build "$wheel" || sdh_die "cannot store $wheel"
    rm -f "$wheel"
    # The wheels of what is installed are added when it is published.
    local directory=$SAGE_DESTDIR$SAGE_SPKG_SCRIPTS/$PKG_BASE name=${wheel##*/}
    wheel=$SAGE_SPKG_WHEELS/$name
    mkdir -p "$directory" &&
        echo "${name%%-*} @ file://$wheel" >> "$directory/spkg-requirements.txt" ||
        sdh_die "cannot record $wheel"
}

sdh_build_and_store_wheel() { sdh_build_wheel "$@" && sdh_store_wheel .; }

# sdh_pip_install [--no-build-isolation] [--no-deps] [-C KEY=VALUE] [OPTION ...] [DIRECTORY]
sdh_pip_install() {
    echo "Installing $PKG_NAME"
    _sdh_read_options "$@"
    sage-pip-install "${sdh_building[@]}" "${sdh_installing[@]}" "${sdh_sources[@]}" ||
        sdh_die "cannot install $PKG_NAME"
}

# sdh_pip_editable_install [OPTION ...] DIRECTORY
sdh_pip_editable_install() {
    echo "Installing $PKG_NAME (editable)"
    sage-pip-install --no-deps --no-index --no-build-isolation --editable "$@" ||
        sdh_die "cannot install $PKG_NAME"
}

# sdh_store_and_pip_install_wheel [OPTION ...] .: the wheel in dist/. It is stored where it is
# installed, so that nobody builds with what is not published.
sdh_store_and_pip_install_wheel() {
    local options=()
    while [ $# -gt 1 ]; do options+=("$1"); shift; done
    [ "$1" = . ] || sdh_die "sdh_store_and_pip_install_wheel takes options and ."
    _sdh_find_wheel
    sagepip build "$wheel" || sdh_die "cannot store $wheel"
    sdh_actually_pip_install_wheel "$(basename "${wheel%%-*}")" "${options[@]}" "$wheel"
}

# sdh_actually_pip_install_wheel NAME [OPTION ...] TARGET ...: no uninstalling before it is needed.
sdh_actually_pip_install_wheel() {
    local name=$1
    shift
    sage-pip-install "$@" || sdh_die "cannot install $name"
}

# sdh_pip_uninstall [OPTION ...] NAME ...: that it fails is a warning.
sdh_pip_uninstall() {
    sage-pip-uninstall "$@" || echo "Warning: uninstalling ended with exit status $?" >&2
}

# sdh_install [-T] SOURCE ... DIRECTORY: with -T the last is the new name of the one source.
sdh_install() {
    local whole="" target source
    if [ "$1" = -T ]; then whole=-T; shift; fi
    [ $# -gt 1 ] || sdh_die "sdh_install takes sources and a directory"
    target=$SAGE_DESTDIR${!#}
    [ -n "${!#}" ] || sdh_die "sdh_install has no directory to install to"
    if [ -n "$whole" ]; then mkdir -p "$(dirname "$target")"; else mkdir -p "$target"; fi ||
        sdh_die "cannot make $target"
    while [ $# -gt 1 ]; do
        source=$1
        [ -e "$source" ] || [ -L "$source" ] || sdh_die "$source is not there"
        echo "$source -> $target"
        cp -Rp "$source" "$target" || sdh_die "cannot install $source"
        shift
    done
}

# sdh_preload_lib PROGRAM LIBRARY: have LD_PRELOAD name the library that the program loads (Linux).
sdh_preload_lib() {
    local libraries path
    [ "$UNAME" = Linux ] || return 0
    libraries=$(ldd "$(command -v "$1")") || sdh_die "cannot tell which libraries $1 loads"
    path=$(awk -v name="$2" 'index($1, name) == 1 && $2 == "=>" { print $3; exit }' <<< "$libraries")
    [ -z "$path" ] || export LD_PRELOAD="${LD_PRELOAD:+$LD_PRELOAD:}$path"
}
