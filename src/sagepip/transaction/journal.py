"""The journal: what a commit is going to do, on disk before the first step.

``SITE/.sagepip/journal`` exists only while a commit is under way. It is written aside and
renamed into place, so that it is whole or absent; a checksum guards against what a file system
may make of it afterwards. Paths are relative to the site, so that a site can be recovered under
another name. A journal that cannot be understood stops everything and is kept.

A change of several sites has one journal, in the first of them, its home; in the others a link
points to it, so that whoever comes to any of them finds it.
"""

from __future__ import annotations

import os

from sagepip.ground.errors import RecoveryError
from sagepip.ground.filesystem import Identity, make_link, open_regular, publish_file, remove_file
from sagepip.ground.json_text import json_text
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.sha256 import sha256_digest
from sagepip.transaction.holder import Holder
from sagepip.transaction.lock import STATE_DIRECTORY
from sagepip.transaction.steps import (
    MakeDirectory,
    Place,
    Plan,
    RemoveDirectory,
    Replace,
    Retire,
    Step,
    Swap,
)

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Sequence

_VERSION = 1
_NAME = "journal"


@dataclass(frozen=True)
class Journal:
    """A journal as read back.

    Attributes:
        transaction: the identifier of the transaction, the name of its directory.
        owner: the process that wrote it, in the words of a message.
        what: what it was about, ``install six 1.17.0``.
        plan: what it was going to do, with absolute paths.
        homes: the sites whose locks it was carried out under, the one with the journal first.
    """

    transaction: str
    owner: str
    what: str
    plan: Plan
    homes: tuple[str, ...]


def journal_path(site: str) -> str:
    """Return the path of a site's journal."""
    return os.path.join(site, STATE_DIRECTORY, _NAME)


def state_directory(site: str) -> str:
    """Return the path of the directory that holds a site's lock and journal."""
    return os.path.join(site, STATE_DIRECTORY)


def has_state(site: str) -> bool:
    """Whether a directory has, or once had, a lock of its own."""
    return os.path.isdir(state_directory(site))


def format_journal(
    site: str, transaction: str, what: str, plan: Plan, others: Sequence[str] = ()
) -> bytes:
    """Return the bytes of a journal.

    Args:
        site: the resolved site directory.
        transaction: its identifier.
        what: what it is about, for people.
        plan: what it is going to do.
        others: the other sites whose locks it is carried out under.
    """
    body = json_text(
        {
            "transaction": transaction,
            "owner": Holder.current().line().decode().strip(),
            "what": what,
            "others": [os.path.relpath(other, site) for other in others],
            "before": [_dump(step, site) for step in plan.before],
            "commit": [_dump(step, site) for step in plan.commit],
            "after": [_dump(step, site) for step in plan.after],
        }
    ).encode()
    head = f"sagepip-journal {_VERSION} {sha256_digest(body).hex()}\n"
    return head.encode() + body + b"\n"


def write_journal(
    site: str, data: bytes, temporary: str, *, sync: bool, others: Sequence[str] = ()
) -> None:
    """Put a journal into place in one step.

    Args:
        site: the resolved site directory, whose lock is held.
        data: as :func:`format_journal` returns it.
        temporary: a path on the same mount, in the transaction's own directory.
        sync: whether it must survive a loss of power.
        others: the other sites that get a link to it; their locks are held, too.
    """
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        if sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    for other in others:
        make_link(os.path.relpath(journal_path(site), state_directory(other)), journal_path(other))
    publish_file(temporary, journal_path(site))


def remove_journal(site: str) -> None:
    """Take the journal of a site away, or its link to one: the transaction has ended."""
    remove_file(journal_path(site))


def journal_home(site: str) -> str:
    """Return the site that holds the journal which a site has, if it has one or a link to one."""
    try:
        target = os.readlink(journal_path(site))
    except OSError:
        return site
    state = os.path.dirname(os.path.join(state_directory(site), target))
    return os.path.dirname(os.path.normpath(state))


def read_journal(site: str) -> Journal | None:
    """Return the journal of a site, or None if there is none, or a link to none.

    Raises:
        RecoveryError: it is of another version, damaged or nonsense; it stays where it is.
    """
    asked, site = site, journal_home(site)
    path = journal_path(site)
    try:
        with open_regular(path) as stream:
            data = stream.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise RecoveryError(
            f"cannot read the journal {path}: {error.strerror}",
            advice="it tells how to end a change that was interrupted; may it be read?",
        ) from error
    head, _, body = data.partition(b"\n")
    fields = head.split(b" ")
    if len(fields) != 3 or fields[0] != b"sagepip-journal":
        raise _bad(path, "it is not a journal")
    if fields[1] != str(_VERSION).encode():
        raise _bad(path, "another version of sagepip wrote it")
    body = body.removesuffix(b"\n")
    if sha256_digest(body).hex().encode() != fields[2]:
        raise _bad(path, "its checksum is wrong")
    import json

    try:
        read = json.loads(body)
        plan = Plan(
            tuple(_load(step, site) for step in read["before"]),
            tuple(_load(step, site) for step in read["commit"]),
            tuple(_load(step, site) for step in read["after"]),
        )
        owner, what, name = str(read["owner"]), str(read["what"]), str(read["transaction"])
        others = [os.path.normpath(os.path.join(site, str(other))) for other in read["others"]]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise _bad(path, "it makes no sense") from error
    if os.sep in name or name in ("", ".", ".."):
        raise _bad(path, "it makes no sense")
    homes = (site, *others)
    if asked not in homes:
        return None  # the change that left the link behind has ended; this is another
    holder = Holder.parse(owner.encode())
    return Journal(name, str(holder or owner), what, plan, homes)


def _bad(path: str, why: str) -> RecoveryError:
    return RecoveryError(
        f"cannot use the journal {path} of an interrupted change: {why}",
        advice="recover with the sagepip that wrote it; sites must not be changed before",
    )


def _dump(step: Step, site: str) -> list[object]:
    def relative(path: str) -> str:
        return os.path.relpath(path, site)

    if isinstance(step, MakeDirectory):
        return ["mkdir", relative(step.path)]
    if isinstance(step, RemoveDirectory):
        return ["rmdir", relative(step.path), [step.mode, step.user, step.group]]
    if isinstance(step, Swap):
        return ["swap", relative(step.source), relative(step.target), step.inode, step.old]
    if isinstance(step, Replace):
        paths = [relative(path) for path in (step.source, step.target, step.trash)]
        return ["replace", *paths, step.inode, step.old]
    kind = "place" if isinstance(step, Place) else "retire"
    return [kind, relative(step.source), relative(step.target), step.inode]


def _load(entry: list[object], site: str) -> Step:
    kind, *fields = entry
    paths = [
        os.path.normpath(os.path.join(site, field)) for field in fields if isinstance(field, str)
    ]
    inodes = [_identity(field) for field in fields if not isinstance(field, str)]
    if kind == "mkdir":
        (path,) = paths
        return MakeDirectory(path)
    if kind == "rmdir":
        (path,) = paths
        (owner,) = inodes
        return RemoveDirectory(path, *owner)
    if kind == "replace":
        source, target, trash = paths
        inode, old = inodes
        return Replace(source, target, trash, inode, old)
    source, target = paths
    if kind == "swap":
        inode, old = inodes
        return Swap(source, target, inode, old)
    (inode,) = inodes
    if kind == "place":
        return Place(source, target, inode)
    if kind == "retire":
        return Retire(source, target, inode)
    raise ValueError(f"unknown step {kind!r}")


def _identity(field: object) -> Identity:
    if not isinstance(field, list) or len(field) != 3:
        raise ValueError("not an identity")
    inode, modified, size = field
    if not (isinstance(inode, int) and isinstance(modified, int) and isinstance(size, int)):
        raise ValueError("not an identity")
    return (inode, modified, size)
