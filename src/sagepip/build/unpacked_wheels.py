"""Wheels unpacked once, for all build environments that hold them.

A wheel lies as it will in an environment, scripts excepted: these begin with a placeholder for the
environment's interpreter.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sagepip.build.cache_notes import mark_used
from sagepip.build.tree_stamps import find_change, seal
from sagepip.build.virtual_environment import destination_inside
from sagepip.ground.errors import BuildError
from sagepip.ground.filesystem import is_real_directory
from sagepip.ground.target_python import TargetPython

# No interpreter has this path; short, or the shell would be asked to start it.
PLACEHOLDER = "/@sagepip-environment@/bin/python"


@dataclass(frozen=True)
class Member:
    """A distribution that a build environment holds.

    Attributes:
        name: of the project.
        version: of it.
        sha256: what tells its contents from others': the digest of the wheel, in hexadecimal.
        wheel: the path of the wheel.
    """

    name: str
    version: str
    sha256: str
    wheel: str


class ChangedWheel(Exception):
    """A wheel is not any more what was resolved: another has come under its name."""


def unpack_member(member: Member, tree: str, python: TargetPython) -> None:
    """Unpack a wheel, and write down what its tree consists of.

    Args:
        member: the wheel.
        tree: the directory to make.
        python: the interpreter that it is for.

    Raises:
        ChangedWheel: its digest is not the member's.
        BuildError: it cannot be written.
        TargetError: the wheel is damaged, hostile, or not for the interpreter.
    """
    from sagepip.staging.unpack import unpack_wheel

    try:
        os.mkdir(tree)
        unpack_wheel(member.wheel, destination_inside(tree, PLACEHOLDER, python))
        # Every member was compared with the wheel's RECORD; now that it is the right RECORD.
        with open(member.wheel, "rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if digest != member.sha256:
            raise ChangedWheel(member.wheel)
        seal(tree, describe([member]))
    except FileNotFoundError as error:
        if error.filename == member.wheel:
            raise ChangedWheel(member.wheel) from error
        raise _cannot_unpack(member, error) from error
    except OSError as error:
        raise _cannot_unpack(member, error) from error


def describe(members: Iterable[Member]) -> dict[str, Any]:
    """Return what is written down of the distributions in a tree (:func:`seal`)."""
    return {"members": [[one.name, one.version, one.sha256] for one in members]}


def described_members(about: Mapping[str, Any]) -> list[Member]:
    """Return the distributions in a tree, their wheels unknown; none if that cannot be read.

    Args:
        about: what :func:`describe` returned, as it was read.
    """
    try:
        return [Member(name, version, sha256, "") for name, version, sha256 in about["members"]]
    except (KeyError, TypeError, ValueError):
        return []


def is_sound(tree: str) -> bool:
    """Whether an unpacked wheel is there and as it was made; notes that it was used."""
    if not is_real_directory(tree) or find_change(tree):
        return False
    mark_used(tree)
    return True


def _cannot_unpack(member: Member, error: OSError) -> BuildError:
    return BuildError(
        f"cannot unpack {member.wheel} for builds: {error.strerror}: {error.filename}",
        advice="is there space in the cache (SAGEPIP_CACHE_DIR) and where TMPDIR says?",
    )
