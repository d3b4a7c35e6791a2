"""``sagepip spkg``."""

from __future__ import annotations

import os

from sagepip.cli.commands import Invocation
from sagepip.cli.environment import lock_timeout
from sagepip.cli.option import Kind, Option, Status
from sagepip.cli.settings import Settings
from sagepip.cli.site_command import Form, print_lines, read_command_line
from sagepip.cli.site_options import SAYING
from sagepip.ground import console
from sagepip.ground.errors import SagepipError, UsageError
from sagepip.ground.light_functools import partial
from sagepip.operations.spkg_checks import CHOICES, Checks

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable

    from sagepip.operations.spkg_tree import SpkgTree

_DAMAGED = 4
_ABOUT = """\
Build packages from recipes in Sage's format and install them into a prefix, which becomes a virtual
environment. ACTION is install, uninstall, list, check or test. install builds also what the
packages need, in the order that GNU make finds; a second run goes on where the first one ended.
check looks whether all that was installed is there; test runs the test suites of what is installed.
ACTION publish NAME STAGED, and withdraw NAME, are for sage-spkg and sage-spkg-uninstall in an
adopted tree (sagepip adopt). See docs/spkg.md."""


def _text(name: str, dest: str, help_text: str, value: str) -> Option:
    return Option((name,), Kind.TEXT, Status.OWN, dest, help_text, value)


def _on(name: str, dest: str, help_text: str) -> Option:
    return Option((name,), Kind.ON, Status.OWN, dest, help_text)


_WHERE = (
    _text("--prefix", "prefix", "where to install; default: SAGE_LOCAL", "DIR"),
    _text("--recipes", "recipes", "the recipes; default: build/pkgs", "DIR"),
    _text("--upstream", "upstream", "upstream files; default: SAGE_DISTFILES, or PREFIX's", "DIR"),
    _text("--wheels", "wheels", "the wheelhouse; default: PREFIX's", "DIR"),
)
_HOW = (
    Option(("-j", "--jobs"), Kind.TEXT, Status.OWN, "jobs", "so many packages at a time", "N"),
    Option(("-k", "--keep-going"), Kind.ON, Status.OWN, "keep_going", "go on after a failure"),
    _text("--run", "run", "build, in the Makefile: where to write down what failed", "DIR"),
    Option(
        ("--check",),
        Kind.TEXT,
        Status.OWN,
        "check",
        "install: run the test suite of what is built; default: SAGE_CHECK, or no",
        "yes|warn|no",
        choices=CHOICES,
    ),
    _on("--force", "force", "build the named ones though they are installed, all at once"),
    _on("--no-index", "no_index", "fetch nothing"),
    _on("--keep-existing", "keep_existing", "publish: leave all that an older version has"),
)
_FORM = Form(_ABOUT, (("Where", _WHERE), ("How", _HOW), ("Output", SAYING)), "ACTION [NAME ...]")


def run(invocation: Invocation) -> int:
    """Run the command.

    Args:
        invocation: the words and the environment.

    Returns:
        The exit status.

    Raises:
        SagepipError: see :mod:`sagepip.ground.errors`.
    """
    line = read_command_line(invocation, _FORM)
    if line is None:
        return 0
    action, *names = line.words or ("",)
    timeout = lock_timeout(line.settings, invocation.environ)
    environ = invocation.environ
    default = line.settings.text("check") or environ.get("SAGE_CHECK") or "no"
    checks = Checks(default, environ.get("SAGE_CHECK_PACKAGES"))
    actions: dict[str, Callable[[SpkgTree, Settings, list[str]], int]] = {
        "install": partial(_install, checks=checks),
        "build": partial(_build, timeout=timeout),
        "uninstall": partial(_uninstall, timeout=timeout),
        "list": _list,
        "check": _check,
        "test": _test,
        "publish": partial(_publish, timeout=timeout),
        "withdraw": partial(_withdraw, timeout=timeout),
    }
    if action not in actions:
        raise UsageError(f"no such action: {action or '(none)'}", advice="install, uninstall, …")
    if not names and action in ("install", "build", "uninstall", "test"):
        raise UsageError(f"nothing to {action}", advice="give NAMEs; see --help")
    return actions[action](_tree(line.settings, invocation), line.settings, names)


def _tree(settings: Settings, invocation: Invocation) -> SpkgTree:
    from sagepip.operations.spkg_tree import SpkgTree

    prefix = settings.text("prefix") or invocation.environ.get("SAGE_LOCAL")
    if not prefix:
        raise UsageError("no prefix", advice="give --prefix DIR")
    prefix = os.path.realpath(prefix)
    state = os.path.join(prefix, "var", "lib", "sage")
    upstream = settings.text("upstream") or invocation.environ.get("SAGE_DISTFILES")
    return SpkgTree(
        prefix,
        os.path.abspath(upstream or os.path.join(state, "upstream")),
        os.path.abspath(settings.text("wheels") or os.path.join(state, "wheels")),
    )


def _recipes(settings: Settings) -> str:
    return os.path.abspath(settings.text("recipes") or os.path.join("build", "pkgs"))


def _root(settings: Settings) -> str:
    """Return SAGE_ROOT, as far as there is one: the recipes lie in build/pkgs."""
    recipes = _recipes(settings)
    return os.path.dirname(os.path.dirname(recipes)) if os.path.isdir(recipes) else ""


def _install(tree: SpkgTree, settings: Settings, names: list[str], *, checks: Checks) -> int:
    from sagepip.cli.messages import print_done
    from sagepip.operations.spkg_make import SpkgRequest, install_packages

    jobs = settings.text("jobs")
    if jobs is not None and (not jobs.isdecimal() or jobs == "0"):
        raise UsageError(f"not a number of jobs: {jobs}", advice="1 or more")
    built = install_packages(
        SpkgRequest(
            tuple(names),
            _recipes(settings),
            tree,
            None if jobs is None else int(jobs),
            force=settings.flag("force"),
            keep_going=settings.flag("keep_going"),
            index=not settings.flag("no_index"),
            checks=checks,
        )
    )
    if not built and console.verbosity >= 0:
        print_done(["Everything is installed"])
    return 0


def _build(tree: SpkgTree, settings: Settings, names: list[str], *, timeout: float | None) -> int:
    """Build just these, whatever they need: what the Makefile calls."""
    from sagepip.cli.messages import print_done, print_notice
    from sagepip.operations.spkg_build import build_package
    from sagepip.operations.spkg_recipe import read_recipe

    run_directory = settings.text("run")
    for name in names:
        try:
            recipe = read_recipe(_recipes(settings), name)
            tree.make()
            built = build_package(
                recipe,
                tree,
                index=not settings.flag("no_index"),
                check=settings.text("check") or "no",
                lock_timeout=timeout,
            )
        except SagepipError as error:
            if not run_directory:
                raise
            from sagepip.operations.spkg_run import write_failure

            # Why, and what its log says, is told once, when make has ended.
            write_failure(run_directory, name, error)
            print_notice(f"sagepip: {error.problem}")
            return error.exit_status
        by = " by another process" if built.by_another else ""
        print_done([f"Successfully installed {built.full_name}{by}"])
    return 0


def _uninstall(
    tree: SpkgTree, settings: Settings, names: list[str], *, timeout: float | None
) -> int:
    from sagepip.cli.messages import print_done
    from sagepip.operations.spkg_removal import remove_packages

    removed = remove_packages(tree, names, _root(settings), lock_timeout=timeout)
    print_done([f"Successfully uninstalled {one.name}-{one.version}" for one in removed])
    return 0


def _publish(tree: SpkgTree, settings: Settings, words: list[str], *, timeout: float | None) -> int:
    """Publish what a Sage tree's sage-spkg has staged."""
    from sagepip.cli.messages import print_done
    from sagepip.operations.spkg_publish import PublishRequest, publish

    if len(words) != 2 or not all(words):
        raise UsageError("publish takes two operands", advice="NAME STAGED")
    name, staged = words
    report = publish(PublishRequest(name, staged, tree, settings.flag("keep_existing"), timeout))
    print_done([f"Copied {report.files} files to {report.prefix}"])
    return 0


def _withdraw(
    tree: SpkgTree, _settings: Settings, words: list[str], *, timeout: float | None
) -> int:
    """Remove the files of what a Sage tree's sage-spkg-uninstall uninstalls, in its words."""
    from sagepip.operations.spkg_publish import withdraw

    if len(words) != 1 or not words[0]:
        raise UsageError("withdraw takes one operand", advice="NAME")
    done = withdraw(tree, words[0], lock_timeout=timeout)
    for path in done.missing:
        console.warn(f"File {path} not found")
    for path, owner in done.shared:
        console.warn(f"{path} stays: {owner} lists it")
    if console.verbosity > 0:
        print_lines([f'rm "{path}"' for path in done.removed])
    return 0


def _list(tree: SpkgTree, settings: Settings, _names: list[str]) -> int:
    from sagepip.operations.spkg_change import find_unfinished
    from sagepip.operations.spkg_recipe import list_recipes, read_recipe

    records, unfinished = tree.find_records(), find_unfinished(tree)
    recipes = _recipes(settings)
    for name in list_recipes(recipes):
        recipe = read_recipe(recipes, name)
        record = records.get(name)
        state = f"installed {record.version}" if record else "not installed"
        state = "interrupted" if name in unfinished else state
        print_lines([f"{name} {recipe.version} ({state})"])
    return 0


def _test(tree: SpkgTree, settings: Settings, names: list[str]) -> int:
    from sagepip.operations.spkg_testing import run_test_suite

    recipes, status = _recipes(settings), 0
    for name in names:
        version, result = run_test_suite(tree, name, recipes, _root(settings))
        print_lines([f"{name} {version}: {result}"])
        status |= result == "failed"
    return status


def _check(tree: SpkgTree, _settings: Settings, names: list[str]) -> int:
    from sagepip.operations.spkg_change import find_unfinished

    records, unfinished = tree.find_records(), find_unfinished(tree)
    missing = [
        f"{record.name} {record.version}: missing {path}"
        for name, record in records.items()
        if not names or name in names
        for path in record.files
        if not os.path.lexists(os.path.join(tree.prefix, path))
    ]
    missing += [
        f"{name} {note.version}: its installation or removal was interrupted (repeat it)"
        for name, note in unfinished.items()
        if not names or name in names
    ]
    missing += [f"{name}: not installed" for name in names if name not in {*records, *unfinished}]
    print_lines([*missing, f"{tree.prefix}: {len(records)} packages, {len(missing)} findings"])
    return _DAMAGED if missing else 0
