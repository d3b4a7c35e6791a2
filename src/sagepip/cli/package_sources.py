"""From options, requirement files and the environment to where distributions come from."""

from __future__ import annotations

import os
import stat

from sagepip.build.sources import PackageSources
from sagepip.cli.settings import Settings
from sagepip.ground import console
from sagepip.ground.errors import TargetError, UsageError
from sagepip.ground.project_names import canonical_name
from sagepip.operations.target_parsing import path_from_file_url

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sagepip.operations.requirements_file import RequirementsFile


def package_sources(
    settings: Settings, files: Sequence[RequirementsFile], environ: Mapping[str, str]
) -> PackageSources:
    """Collect the sources that options, requirement files and the environment name.

    Args:
        settings: the values of the options.
        files: the requirement files, in the order given.
        environ: the environment; SAGE_SPKG_WHEELS is one more wheelhouse.

    Raises:
        UsageError: a wheelhouse is not a local one.
        TargetError: a constraint file cannot be read.
    """
    find_links = [_wheelhouse(given, "--find-links") for given in settings.items("find_links")]
    constraints = [_constraint(path, "--constraint") for path in settings.items("constraint")]
    for file in files:
        find_links += [_wheelhouse(given, origin) for given, origin in file.find_links]
        constraints += [_constraint(path, origin) for path, origin in file.constraints]
    for path in find_links:
        if not os.path.exists(path):
            console.warn(f"nothing to be found in the wheelhouse: {path} does not exist")
    if stored := environ.get("SAGE_SPKG_WHEELS"):
        # It may be made, by the first wheel that is stored there.
        find_links.append(os.path.abspath(stored))
    pairs = [*settings.pairs("formats"), *(pair for file in files for pair in file.formats)]
    no_binary, only_binary = fold_formats(pairs)
    # As in pip a requirement file has the last word.
    index_urls = [_index_url(settings, find_links), *(file.index_url for file in files)]
    index_url = next((url for url in reversed(index_urls) if url), None)
    if index_url and "://" not in index_url and os.path.isdir(index_url):
        # pip, which takes a directory laid out as an index too, runs elsewhere.
        index_url = os.path.abspath(index_url)
    return PackageSources(
        find_links=tuple(dict.fromkeys(find_links)),
        no_index=settings.flag("no_index") or any(file.no_index for file in files),
        index_url=index_url,
        constraints=tuple(dict.fromkeys(constraints)),
        build_constraints=tuple(
            _constraint(path, "--build-constraint") for path in settings.items("build_constraint")
        ),
        no_binary=no_binary,
        only_binary=only_binary,
        prefer_binary=settings.flag("prefer_binary") or any(f.prefer_binary for f in files),
    )


def fold_formats(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Fold ``--no-binary`` and ``--only-binary`` in the order given, as pip does.

    Each takes names out of the other; ``:all:`` empties both sets first, ``:none:`` its own.

    Args:
        pairs: (option, value).

    Returns:
        What takes no wheels, and what takes only wheels.
    """
    sets: dict[str, set[str]] = {"--no-binary": set(), "--only-binary": set()}
    for option, value in pairs:
        target = sets[option]
        other = sets["--only-binary" if option == "--no-binary" else "--no-binary"]
        names = [name.strip() for name in value.split(",")]
        if ":all:" in names:
            other.clear()
            target.clear()
            target.add(":all:")
            del names[: len(names) - names[::-1].index(":all:")]
            # pip: only a :none: behind it makes the rest matter.
            names = names if ":none:" in names else []
        for name in filter(None, names):
            if name == ":none:":
                target.clear()
            else:
                other.discard(canonical_name(name))
                target.add(canonical_name(name))
    return tuple(sorted(sets["--no-binary"])), tuple(sorted(sets["--only-binary"]))


def _index_url(settings: Settings, find_links: Sequence[str]) -> str | None:
    url = settings.text("index_url")
    if url and find_links and settings.text("index_url", variables=False) is None:
        # A mirror in somebody's profile is no leave for a build with a wheelhouse to use the
        # network.
        console.detail(f"PIP_INDEX_URL is not used beside a wheelhouse; say -i {url} to use it")
        return None
    return url


def _wheelhouse(given: str, origin: str) -> str:
    scheme = given.partition(":")[0].lower()
    if scheme == "file":
        return path_from_file_url(given)
    if "://" in given:
        raise UsageError(
            f"not a directory: {origin} {given}", advice="give a path or file:// URL, or -i URL"
        )
    return os.path.abspath(os.path.expanduser(given))


def _constraint(path: str, origin: str) -> str:
    from sagepip.operations.requirements_file import local_file

    full = os.path.abspath(local_file(path, "constraint file"))
    try:
        mode = os.stat(full).st_mode
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise TargetError(
            f"cannot read the constraint file {path}: {why} ({origin})", advice="is it right?"
        ) from error
    if not stat.S_ISREG(mode):
        raise TargetError(
            f"the constraint file {path} is not a regular file ({origin})",
            advice="it is read several times: give a file",
        )
    return full
