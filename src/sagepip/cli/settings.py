"""The values of options, from wherever they were given."""

from __future__ import annotations

from sagepip.cli.option import Kind, Option
from sagepip.ground.errors import UsageError
from sagepip.ground.light_dataclass import dataclass

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Given:
    """One option as it was given, on the command line or by a variable.

    Attributes:
        option: which.
        value: the truth, number or text that it gives to its ``dest``.
        by_variable: whether it was a PIP_ variable.
    """

    option: Option
    value: bool | int | str
    by_variable: bool = False

    @classmethod
    def by_word(cls, option: Option, text: str | None) -> Given:
        """Take an option from a command line.

        Raises:
            UsageError: the value is none of the option's choices.
        """
        is_plain = text is None and not option.takes_value
        if option.choices and not is_plain and text not in option.choices:
            raise UsageError(
                f"{option.name}{' ' if option.takes_value else '='}{text}: no such choice",
                advice=f"one of {', '.join(option.choices)}",
            )
        if option.kind is Kind.COUNT:
            return cls(option, 1)
        return cls(option, option.kind is not Kind.OFF if text is None else text)


class Settings:
    """Everything that was given, in order: what was given later wins, or is added."""

    def __init__(self, given: Iterable[Given]) -> None:
        self._given = tuple(given)

    def flag(self, dest: str, *, default: bool = False) -> bool:
        """Return whether it is on."""
        return next(
            (bool(g.value) for g in reversed(self._given) if g.option.dest == dest), default
        )

    def flag_or_choice(self, dest: str, *, default: bool) -> bool | str:
        """Return whether it is on, or the value that was given with it."""
        found = next((g.value for g in reversed(self._given) if g.option.dest == dest), default)
        return found if isinstance(found, str) else bool(found)

    def count(self, dest: str) -> int:
        """Return how often it was given."""
        return sum(int(g.value) for g in self._given if g.option.dest == dest)

    def text(self, dest: str, *, variables: bool = True) -> str | None:
        """Return the value given last, or None where it is empty or absent.

        Args:
            dest: what the value is for.
            variables: whether PIP_ variables count.
        """
        given = [g for g in self._given if g.option.dest == dest]
        if not variables:
            given = [g for g in given if not g.by_variable]
        return str(given[-1].value) or None if given else None

    def items(self, dest: str) -> list[str]:
        """Return all values given."""
        return [str(g.value) for g in self._given if g.option.dest == dest]

    def pairs(self, dest: str) -> list[tuple[str, str]]:
        """Return all values given, each with the name of its option (they may share a dest)."""
        return [(g.option.name, str(g.value)) for g in self._given if g.option.dest == dest]

    def any_of(self, *kinds: Kind) -> Kind | None:
        """Return the first of these kinds that was given, or None."""
        return next((g.option.kind for g in self._given if g.option.kind in kinds), None)

    @property
    def options(self) -> list[Option]:
        """The options given, each once."""
        return list(dict.fromkeys(g.option for g in self._given))
