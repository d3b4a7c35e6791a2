"""Damage that shows in the names and the metadata of installed distributions."""

from __future__ import annotations

import os
import re
import stat

from sagepip.ground.destination import Destination
from sagepip.ground.errors import ConflictError
from sagepip.ground.filesystem import is_real_directory
from sagepip.operations.duplicates import find_duplicates
from sagepip.operations.record_check import is_systems
from sagepip.operations.symptoms import Diagnosis, Symptom
from sagepip.operations.unlisted import Ownership
from sagepip.transaction.installed import InstalledDistribution, list_installed
from sagepip.transaction.site_view import module_directories

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# As packaging.utils has it, but of names already in their canonical form.
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


def metadata_symptoms(destination: Destination) -> Iterator[Diagnosis]:
    """Yield what is wrong with the metadata of a site.

    Args:
        destination: the site.
    """
    managed = destination.python.externally_managed is not None
    installed = list_installed(destination.metadata_directories)
    for directory in module_directories(destination):
        yield from _half_removed(directory, installed)
    sound = []
    for one in installed:
        found = None
        if one.is_dist_info and not is_systems(one, externally_managed=managed):
            found = _look_at(one)
        if found is None:
            sound.append(one)
        else:
            yield found
            if found.symptom in (Symptom.NO_METADATA, Symptom.NO_RECORD, Symptom.BAD_RECORD):
                sound.append(one)
    yield from _duplicates(sound)


def _half_removed(
    directory: str, installed: Iterable[InstalledDistribution]
) -> Iterator[Diagnosis]:
    # pip renames what it removes or replaces to ~name or ~ame until it has ended.
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return
    for name in names:
        path = os.path.join(directory, name)
        if not name.startswith("~") or not is_real_directory(path):
            continue
        if path not in Ownership.of(installed).owners:
            yield Diagnosis(
                Symptom.HALF_REMOVED,
                path,
                "removes it; run it while no pip is at work here",
                is_fixable=True,
            )


def _look_at(one: InstalledDistribution) -> Diagnosis | None:
    path, label = one.metadata_path, f"{one.name} {one.version}"
    if not _NAME.fullmatch(one.name) or not one.version:
        return Diagnosis(
            Symptom.BAD_NAME,
            path,
            "find out where it comes from, and remove it by hand",
            "its name is not NAME-VERSION.dist-info",
        )
    if not is_real_directory(path):
        is_link = stat.S_ISLNK(os.lstat(path).st_mode) if os.path.lexists(path) else False
        if is_link and os.path.isdir(path):
            return None
        return Diagnosis(
            Symptom.BAD_NAME, path, "remove it by hand, then reinstall", "it is no directory"
        )
    try:
        if _is_empty_remnant(path):
            return Diagnosis(
                Symptom.REMNANT,
                path,
                f"removes it; reinstall {one.name} if it is wanted",
                "neither METADATA nor RECORD",
                is_fixable=True,
            )
        if not os.path.lexists(os.path.join(path, "METADATA")):
            return Diagnosis(
                Symptom.NO_METADATA, path, f"sagepip install --force-reinstall {one.name}", label
            )
        if not os.path.lexists(os.path.join(path, "RECORD")):
            return Diagnosis(
                Symptom.NO_RECORD,
                path,
                f"move the directory away and sagepip install {one.name}=={one.version}: files "
                "of equal content are no conflict",
                label,
            )
        if one.read("METADATA") is None or one.record is None:
            return Diagnosis(Symptom.NO_METADATA, path, "make it readable", "unreadable")
    except ConflictError as error:
        return Diagnosis(
            Symptom.BAD_RECORD,
            path,
            f"move the directory away and sagepip install {one.name}=={one.version}",
            str(error.__cause__ or label),
        )
    except OSError as error:
        return Diagnosis(
            Symptom.NO_METADATA, path, "make it readable", error.strerror or str(error)
        )
    return None


def _is_empty_remnant(path: str) -> bool:
    """Whether neither METADATA nor RECORD is there; that they cannot be read is not enough.

    Raises:
        OSError: the directory cannot be looked into.
    """
    return not {"METADATA", "RECORD"}.intersection(os.listdir(path))


def _duplicates(installed: Iterable[InstalledDistribution]) -> Iterator[Diagnosis]:
    for group in find_duplicates(installed):
        names = [os.path.basename(one.metadata_path) for one in group]
        is_respelled = len({one.stated_version for one in group}) == 1 and len(set(names)) > 1
        unlisted = [one for one in group if not one.is_dist_info | one.is_link | one.lists_files]
        advice = f"sagepip install --force-reinstall {group[0].name}: one version stays"
        if unlisted:
            advice = f"find out which one is used, and remove {unlisted[0].metadata_path} by hand"
        yield Diagnosis(
            Symptom.RESPELLED if is_respelled else Symptom.TWICE,
            group[0].metadata_path,
            advice,
            ", ".join(names if len({one.directory for one in group}) == 1 else _paths(group)),
        )


def _paths(group: Iterable[InstalledDistribution]) -> list[str]:
    return [one.metadata_path for one in group]
