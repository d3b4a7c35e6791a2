"""What a user can ask to be installed."""

from __future__ import annotations

from sagepip.ground.light_dataclass import dataclass

Hashes = frozenset[str]


@dataclass(frozen=True)
class SourceDirectory:
    """A directory with a project in it.

    Attributes:
        path: absolute.
        extras: the extras asked for, ``.[plot]``.
        name: the name in ``NAME @ file:///…``, which the result must have; or an empty string.
        editable: whether the installation is to lead to the directory (``-e``, PEP 660).
    """

    path: str
    extras: frozenset[str] = frozenset()
    name: str = ""
    editable: bool = False


@dataclass(frozen=True)
class SourceArchive:
    """An sdist: ``.tar.gz`` (or another tar) or ``.zip``; attributes as in SourceDirectory.

    Attributes:
        hashes: one of which it must have, ``ALGORITHM:DIGEST``; None where none is stated.
    """

    path: str
    extras: frozenset[str] = frozenset()
    name: str = ""
    hashes: Hashes | None = None


@dataclass(frozen=True)
class WheelFile:
    """A ``.whl`` file; attributes as in SourceArchive."""

    path: str
    extras: frozenset[str] = frozenset()
    name: str = ""
    hashes: Hashes | None = None


@dataclass(frozen=True)
class NamedRequirement:
    """A requirement to resolve from the wheelhouse (or the index where it is allowed).

    Attributes:
        requirement: normalised text of it, as in ``networkx[extra]>=3; python_version<"4"``.
        hashes: as in SourceArchive.
    """

    requirement: str
    hashes: Hashes | None = None

    @property
    def line(self) -> str:
        """It as a line of a requirement file, with its hashes."""
        return " ".join([self.requirement, *(f"--hash={one}" for one in sorted(self.hashes or ()))])


Target = SourceDirectory | SourceArchive | WheelFile | NamedRequirement
