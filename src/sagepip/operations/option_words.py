"""Reading options from a list of words by the rules of pip (optparse).

The command line and the lines of requirement files share them: options and operands mix freely,
``--`` ends the options, short options bundle (``-vvv``, ``-rFILE``), and the word after an option
that takes a value *is* its value, even if it begins with ``-``. (argparse takes such a word for
another option, and build scripts do pass ``--config-settings "--global-option=--x"``.)
Names are never abbreviated.
"""

from __future__ import annotations

from sagepip.ground.errors import UsageError
from sagepip.ground.light_dataclass import dataclass

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence


@dataclass(frozen=True)
class Word:
    """One option or operand.

    Attributes:
        position: the index of the word that it begins in.
        name: the option as spelled, ``-r`` or ``--requirement``; or an empty string.
        value: the operand, or the option's value, or None.
        literal: whether it is an operand behind ``--``.
    """

    position: int
    name: str = ""
    value: str | None = None
    literal: bool = False


def read_words(
    words: Sequence[str],
    takes_value: Callable[[str], bool | None],
    may_stand_alone: Collection[str] = (),
) -> Iterator[Word]:
    """Read options and operands, one at a time.

    Args:
        words: the words, without the program's name.
        takes_value: tells whether an option takes a value, None for one that may take one behind
            ``=`` only; raises UsageError for one that does not exist.
        may_stand_alone: short options that take a value unless another option follows, or nothing.

    Yields:
        What was read, in its order.

    Raises:
        UsageError: a value is missing, or given to an option that takes none.
    """
    at = 0
    while at < len(words):
        start, word = at, words[at]
        at += 1
        if word == "--":
            for position in range(at, len(words)):
                yield Word(position, value=words[position], literal=True)
            return
        if word == "-" or not word.startswith("-"):
            yield Word(start, value=word)
        elif word.startswith("--"):
            name, equals, text = word.partition("=")
            takes = takes_value(name)
            if takes and not equals:
                text = _next_word(words, at, name)
                at += 1
            elif equals and takes is False:
                raise UsageError(f"{name} takes no value: {word}", advice=f"give {name} alone")
            yield Word(start, name, text if equals or takes else None)
        else:
            for index, letter in enumerate(word[1:], start=2):
                name = f"-{letter}"
                if not takes_value(name):
                    yield Word(start, name)
                    continue
                if word[index:]:
                    yield Word(start, name, word[index:])
                elif name in may_stand_alone and (at == len(words) or words[at].startswith("-")):
                    yield Word(start, name)
                else:
                    yield Word(start, name, _next_word(words, at, name))
                    at += 1
                break


def _next_word(words: Sequence[str], at: int, name: str) -> str:
    if at >= len(words):
        raise UsageError(f"{name} needs a value", advice=f"see --help for {name}")
    return words[at]
