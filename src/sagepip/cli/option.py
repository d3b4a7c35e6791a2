"""What the table of options is made of."""

from __future__ import annotations

from sagepip.ground.errors import UsageError
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.light_enum import Enum
from sagepip.ground.light_functools import cached_property

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Kind(Enum):
    """What giving an option does to the value that it stands for."""

    ON = "set it to true"
    OFF = "set it to false"
    COUNT = "add one"
    TEXT = "replace it"
    LIST = "append; a PIP_ variable holds several, separated by blanks"
    WHOLE = "append; a PIP_ variable holds one"
    HELP = "show the help"
    VERSION = "show the version"


class Status(Enum):
    """How an option relates to pip's of the same name."""

    SAME = "pip's meaning"
    OWN = "not one of pip's"
    NO_EFFECT = "accepted, without effect"
    REFUSED = "refused, with advice"
    LEFT_TO_PIP = "refused; pip, where it fetches, reads its variable"
    OTHERS = "refused: another command's, to which its variable is left"


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        names: its spellings, the shortest first.
        kind: what it does.
        status: how it relates to pip's.
        dest: the value that it stands for; several options may share one.
        help: one line.
        metavar: the name of its value in the help.
        choices: the values allowed; empty for any. Of a flag that has some one may be given behind
            ``=``.
        advice: what to do instead of giving it, or why it has no effect.
        alone: the option that it stands for where no value follows; empty if one must.
    """

    names: tuple[str, ...]
    kind: Kind
    status: Status
    dest: str = ""
    help: str = ""
    metavar: str = ""
    choices: tuple[str, ...] = ()
    advice: str = ""
    alone: str = ""

    @property
    def name(self) -> str:
        """Its longest spelling, the one that messages use."""
        return next(name for name in self.names if name.startswith("--"))

    @property
    def takes_value(self) -> bool | None:
        """Whether it takes a value; None where it may take one, behind ``=`` only."""
        if self.kind is Kind.ON and self.choices:
            return None
        return self.kind in (Kind.TEXT, Kind.LIST, Kind.WHOLE)


@dataclass(frozen=True)
class OptionTable:
    """The options of one command.

    Attributes:
        options: in the order of the help.
    """

    options: tuple[Option, ...]

    @cached_property
    def _by_name(self) -> Mapping[str, Option]:
        return {name: option for option in self.options for name in option.names}

    def find(self, name: str) -> Option | None:
        """Return the option of that exact spelling, or None."""
        return self._by_name.get(name)

    def get(self, name: str) -> Option:
        """Return the option of that exact spelling.

        Raises:
            UsageError: there is none, or it is one of those that are refused.
        """
        option = self.find(name)
        if option is None:
            raise UsageError(f"unknown option: {name}", advice=_suggestion(name, self._by_name))
        if option.status in (Status.REFUSED, Status.LEFT_TO_PIP, Status.OTHERS):
            raise UsageError(f"{name} is not supported", advice=option.advice)
        return option

    @cached_property
    def may_stand_alone(self) -> frozenset[str]:
        """The short options whose value may be missing."""
        return frozenset(name for option in self.options if option.alone for name in option.names)

    def takes_value(self, name: str) -> bool | None:
        """Return what :attr:`Option.takes_value` says of an option; raises as :meth:`get` does."""
        return self.get(name).takes_value


def _suggestion(name: str, known: Iterable[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return f"did you mean {close[0]}?" if close else "see --help"
