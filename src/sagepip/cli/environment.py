"""The environment variables that stand for options: pip's ``PIP_…`` and Sage's."""

from __future__ import annotations

from sagepip.cli.option import Kind, Option, OptionTable, Status
from sagepip.cli.settings import Given, Settings
from sagepip.ground import console
from sagepip.ground.errors import UsageError
from sagepip.operations.option_words import read_words

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TRUE = ("y", "yes", "t", "true", "on", "1")
_FALSE = ("n", "no", "f", "false", "off", "0")


def given_by_pip_variables(table: OptionTable, environ: Mapping[str, str]) -> Iterator[Given]:
    """Read the ``PIP_…`` variables as pip 26.3 does.

    The variable of a flag gives the *value* of what the flag sets. pip's ``--no-build-isolation``
    and ``--no-compile`` set something to false; so ``PIP_NO_BUILD_ISOLATION=0`` switches
    isolation off, and ``=1`` leaves it on.

    Args:
        table: the options of the command.
        environ: the environment.

    Yields:
        What they give, in the order of the environment.

    Raises:
        UsageError: a value cannot be understood.
    """
    for variable, text in environ.items():
        if not variable.startswith("PIP_") or not text:
            continue
        option = table.find("--" + variable[4:].lower().replace("_", "-"))
        if option is None or option.kind in (Kind.HELP, Kind.VERSION):
            continue
        if option.status is Status.SAME:
            for value in _values(option, variable, text):
                yield Given(option, value, by_variable=True)
        elif option.status is Status.REFUSED and text.lower() not in _FALSE:
            console.warn(
                f"{variable} is set, but {option.name} is not supported: ignored ({option.advice})"
            )


def given_by_install_flags(table: OptionTable, environ: Mapping[str, str]) -> list[Given]:
    """Read ``SAGE_PIP_INSTALL_FLAGS``: options, in the words of a shell.

    Args:
        table: the options of the command.
        environ: the environment.

    Raises:
        UsageError: it holds something else than options.
    """
    variable = "SAGE_PIP_INSTALL_FLAGS"
    text = environ.get(variable, "")
    if not text.strip():
        return []
    import shlex

    given = []
    try:
        for word in read_words(shlex.split(text), table.takes_value):
            if not word.name:
                raise UsageError(f"not an option: {word.value}", advice="it may hold options only")
            given.append(Given.by_word(table.get(word.name), word.value))
    except ValueError as error:
        raise UsageError(f"{variable}: {error}", advice="close the quotation") from error
    except UsageError as error:
        raise UsageError(f"{variable}: {error.problem}", advice=error.advice) from error
    return given


def seconds(text: str | None, origin: str) -> float | None:
    """Read a time limit.

    Args:
        text: the number, or None for no limit.
        origin: the option or variable, for the message.

    Raises:
        UsageError: it is not a number of seconds.
    """
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise UsageError(f"not a number of seconds: {origin} {text}", advice="0 does not wait")
    return value


def _values(option: Option, variable: str, text: str) -> list[bool | int | str]:
    if option.kind in (Kind.ON, Kind.OFF):
        return [bool(_truth(variable, text))]
    if option.kind is Kind.COUNT:
        return [_truth(variable, text, number=True)]
    return [*text.split()] if option.kind is Kind.LIST else [text]


def _truth(variable: str, text: str, *, number: bool = False) -> int:
    if text.lower() in _TRUE:
        return 1
    if text.lower() in _FALSE:
        return 0
    if number and text.isdecimal() and len(text) < 5:
        return int(text)
    raise UsageError(f"not a truth value: {variable}={text}", advice="use 1 or 0, yes or no")


def lock_timeout(settings: Settings, environ: Mapping[str, str]) -> float | None:
    """Return how long to wait for the lock, in seconds; None for ever.

    Args:
        settings: the values of the options.
        environ: the environment.

    Raises:
        UsageError: it is not a number of seconds.
    """
    limit = settings.text("lock_timeout")
    if limit is not None:
        return seconds(limit, "--lock-timeout")
    return seconds(environ.get("SAGEPIP_LOCK_TIMEOUT") or None, "SAGEPIP_LOCK_TIMEOUT")


def build_timeout(settings: Settings, environ: Mapping[str, str]) -> float | None:
    """Return how long a build hook may take, in seconds; None for ever.

    Args:
        settings: the values of the options.
        environ: the environment.

    Raises:
        UsageError: it is not a positive number of seconds.
    """
    origin, limit = "--build-timeout", settings.text("build_timeout")
    if limit is None:
        origin = "SAGEPIP_BUILD_TIMEOUT"
        limit = environ.get(origin) or None
    value = seconds(limit, origin)
    if value == 0:
        raise UsageError(f"{origin} 0 leaves no time to build", advice="unset: no limit")
    return value
