"""Damage in what sagepip itself keeps in a site: the lock, the journal, transactions."""

from __future__ import annotations

import os
import stat

from sagepip.operations.status import site_status
from sagepip.operations.symptoms import Diagnosis, Symptom
from sagepip.transaction.journal import journal_path
from sagepip.transaction.lock import STATE_DIRECTORY
from sagepip.transaction.recovery import OWNER

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterator


def state_symptoms(site: str) -> Iterator[Diagnosis]:
    """Yield what is wrong with sagepip's own directory of a site.

    Args:
        site: the resolved site directory.
    """
    status = site_status(site)
    journal = status.journal
    if journal is not None and journal.state == "unreadable":
        yield Diagnosis(
            Symptom.BAD_JOURNAL,
            journal_path(site),
            "nothing is changed before it is resolved: recover with the sagepip that wrote it",
            journal.what,
        )
    elif journal is not None and journal.state == "hot":
        yield Diagnosis(
            Symptom.JOURNAL,
            journal_path(site),
            "finishes or undoes it, as sagepip recover does",
            journal.what,
            is_fixable=True,
        )
    for one in status.orphans:
        contents = _names(one.directory)
        is_marked = OWNER in contents
        can_sweep = is_marked or not contents
        yield Diagnosis(
            Symptom.ORPHAN,
            one.directory,
            "removes it, as sagepip recover does" if can_sweep else "remove it by hand",
            str(one.owner or "") if is_marked else "nothing tells whose it was",
            is_fixable=can_sweep,
        )
    yield from _lock_files(site)


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _lock_files(site: str) -> Iterator[Diagnosis]:
    directory = os.path.join(site, STATE_DIRECTORY)
    try:
        owner = os.stat(site)
    except OSError:
        return
    for path in (directory, os.path.join(directory, "lock"), os.path.join(directory, "gate")):
        try:
            found = os.lstat(path)
        except OSError:
            continue
        is_right = stat.S_ISDIR if path == directory else stat.S_ISREG
        if not is_right(found.st_mode):
            kind = "directory" if path == directory else "regular file"
            yield Diagnosis(
                Symptom.LOCK_FILE,
                path,
                "find out what it is; sagepip makes the lock anew once it is gone",
                f"no {kind}",
            )
            continue
        # Who may write to the site must be able to lock it.
        wanted = os.W_OK | (os.X_OK if path == directory else os.R_OK)
        if os.access(site, os.W_OK) and not os.access(path, wanted):
            detail = f"not writable; it belongs to user {found.st_uid}"
        elif found.st_uid != owner.st_uid and not _is_shared(owner, found):
            detail = f"it belongs to user {found.st_uid}, the site to {owner.st_uid}"
        else:
            continue
        yield Diagnosis(
            Symptom.LOCK_FILE,
            path,
            f"chown --reference={site} {path}; never remove it while a sagepip runs",
            detail,
        )


def _is_shared(site: os.stat_result, found: os.stat_result) -> bool:
    """Whether those who may write to the site by its group, or all, may write to a file too."""
    shared = site.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if not shared:
        return found.st_mode & stat.S_IWOTH != 0
    same_group = site.st_gid == found.st_gid
    return shared & found.st_mode == shared and (same_group or not shared & stat.S_IWGRP)
