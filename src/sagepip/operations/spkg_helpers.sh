# What the scripts of recipes may call; read before each of them. Written for sagepip.

sdh_die() {
    if [ $# -gt 0 ]; then echo "Error: $*" >&2; else cat >&2; fi
    exit 1
}

sdh_check_vars() {
    for sdh_variable in "$@"; do
        [ -n "${!sdh_variable}" ] || sdh_die "$sdh_variable is not set"
    done
}

sdh_guard() { sdh_check_vars SAGE_ROOT SAGE_LOCAL SAGE_INST_LOCAL SAGE_SHARE; }

sdh_configure() {
    ./configure --prefix="$SAGE_INST_LOCAL" --libdir="$SAGE_INST_LOCAL/lib" --disable-static "$@" ||
        sdh_die "cannot configure $PKG_NAME"
}

sdh_make() { ${MAKE:-make} "$@" || sdh_die "cannot build $PKG_NAME"; }

sdh_make_install() {
    ${MAKE:-make} install DESTDIR="$SAGE_DESTDIR" "$@" || sdh_die "cannot install $PKG_NAME"
}

sdh_make_check() { ${MAKE:-make} check "$@" || sdh_die "the checks of $PKG_NAME fail"; }

sdh_cmake() {
    cmake -DCMAKE_INSTALL_PREFIX="$SAGE_INST_LOCAL" -DCMAKE_INSTALL_LIBDIR=lib "$@" ||
        sdh_die "cannot configure $PKG_NAME"
}

# Sage gives sdh_pip_install the options of its wheel building; sage-pip-install knows the same.
sdh_pip_install() {
    sdh_words=()
    for sdh_word in "$@"; do
        case "$sdh_word" in
            --build-isolation|--sdist-then-wheel) ;;
            *) sdh_words+=("$sdh_word") ;;
        esac
    done
    sage-pip-install "${sdh_words[@]}" || sdh_die "cannot install $PKG_NAME"
}

sdh_store_and_pip_install_wheel() { sage-pip-install dist/*.whl || sdh_die "cannot install $PKG_NAME"; }

sdh_install() {
    sdh_whole=
    if [ "$1" = -T ]; then sdh_whole=-T; shift; fi
    sdh_target="$SAGE_DESTDIR${!#}"
    if [ -n "$sdh_whole" ]; then mkdir -p "$(dirname "$sdh_target")"; else mkdir -p "$sdh_target"; fi ||
        sdh_die "cannot make $sdh_target"
    while [ $# -gt 1 ]; do
        cp -Rp "$1" "$sdh_target" || sdh_die "cannot install $1"
        shift
    done
}
