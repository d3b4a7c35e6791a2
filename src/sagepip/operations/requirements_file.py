"""Requirement files, in pip's format.

A line is either options for the whole call, or one requirement (``-e DIRECTORY`` is one, too) with
its own ``--config-settings`` and ``--hash``. Every message names the file and the line.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence

from sagepip.build.hashes import parse_hash
from sagepip.build.requirements_text import logical_lines
from sagepip.ground import console
from sagepip.ground.errors import SagepipError, UsageError
from sagepip.ground.light_dataclass import dataclass, field
from sagepip.operations.option_words import read_words
from sagepip.operations.target_parsing import path_from_file_url

ConfigSettings = Mapping[str, str | Sequence[str]]

# Every spelling, and the one that it is known by here.
_OPTIONS = {
    "-r": "--requirement",
    "-c": "--constraint",
    "-f": "--find-links",
    "-i": "--index-url",
    "--pypi-url": "--index-url",
    "-C": "--config-settings",
    "-e": "--editable",
    "--config-setting": "--config-settings",
    **{
        name: name
        for name in (
            "--requirement",
            "--constraint",
            "--find-links",
            "--index-url",
            "--no-index",
            "--no-binary",
            "--only-binary",
            "--prefer-binary",
            "--config-settings",
            "--editable",
            "--hash",
            "--require-hashes",
            "--no-require-hashes",
        )
    },
}
_BEFORE_MARKER = re.compile(r"\s;|;(?:\s|$)")
_FLAGS = ("--no-index", "--prefer-binary", "--require-hashes", "--no-require-hashes")
_REFUSED = {
    "--extra-index-url": "set PIP_EXTRA_INDEX_URL, which pip reads",
    "--trusted-host": "set PIP_TRUSTED_HOST, which pip reads",
    "--pre": "name the version: NAME==1.0rc1",
    "--use-feature": "take it out",
}


@dataclass(frozen=True)
class RequirementLine:
    """One requirement of a file.

    Attributes:
        text: the requirement, path or URL.
        origin: where it stands, ``FILE, line N``.
        config_settings: its own settings for the backend.
        editable: whether it stands behind ``-e``.
        hashes: of which its archive must have one, ``ALGORITHM:DIGEST``; empty where none is
            stated.
    """

    text: str
    origin: str
    config_settings: ConfigSettings = field(default_factory=dict)
    editable: bool = False
    hashes: tuple[str, ...] = ()


@dataclass
class RequirementsFile:
    """What a file, and the files that it includes, ask for.

    Attributes:
        requirements: in their order.
        constraints: the paths of constraint files, each with its origin.
        find_links: directories and URLs as in ``--find-links``, each with its origin.
        index_url: the last ``--index-url``, or None.
        no_index: whether ``--no-index`` is there.
        prefer_binary: whether ``--prefer-binary`` is there.
        require_hashes: whether ``--require-hashes`` is there.
        no_require_hashes: whether ``--no-require-hashes`` is there.
        formats: ``--no-binary`` and ``--only-binary`` in their order: (option, value).
    """

    requirements: list[RequirementLine] = field(default_factory=list)
    constraints: list[tuple[str, str]] = field(default_factory=list)
    find_links: list[tuple[str, str]] = field(default_factory=list)
    index_url: str | None = None
    no_index: bool = False
    prefer_binary: bool = False
    require_hashes: bool = False
    no_require_hashes: bool = False
    formats: list[tuple[str, str]] = field(default_factory=list)


def read_requirements(path: str, environ: Mapping[str, str]) -> RequirementsFile:
    """Read a requirement file and the files that it includes.

    Args:
        path: the file, or a ``file:`` URL of it.
        environ: the values of ``${VARIABLES}``.

    Raises:
        TargetError: a file cannot be read.
        UsageError: a line cannot be understood, or files include each other in a circle.
    """
    found = RequirementsFile()
    _read(local_file(path, "requirement file"), environ, found, including=())
    return found


def located(error: SagepipError, origin: str) -> SagepipError:
    """Return the same error with the place that it comes from in front."""
    return type(error)(f"{origin}: {error.problem}", advice=error.advice)


def add_setting(settings: dict[str, str | list[str]], text: str, option: str) -> None:
    """Add a ``KEY=VALUE`` to settings for a backend; a repeated key becomes a list.

    Args:
        settings: what there is so far; changed.
        text: the setting; the key may begin with dashes, the value may hold ``=``.
        option: the option that it was given with.

    Raises:
        UsageError: there is no ``=`` or no key.
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"not of the form KEY=VALUE: {option} {text}", advice="write KEY=VALUE")
    before = settings.get(key)
    if before is None:
        settings[key] = value
    else:
        settings[key] = [*([before] if isinstance(before, str) else before), value]


def local_file(path: str, what: str) -> str:
    """Return the path of a file that was given as a path or as a ``file:`` URL.

    Args:
        path: as given.
        what: what it is, for messages.

    Raises:
        UsageError: it is a URL of another kind, or a kind of file that is not supported.
    """
    scheme = path.partition(":")[0].lower()
    if scheme == "file":
        path = path_from_file_url(path)
    elif scheme in ("http", "https", "ftp"):
        raise UsageError(f"{what} on the network: {path}", advice="download it first")
    if re.fullmatch(r"pylock(\.[^.]+)?\.toml", os.path.basename(path)):
        raise UsageError(f"lock files are not supported: {path}", advice="give a requirement file")
    return path


def _read(
    path: str, environ: Mapping[str, str], found: RequirementsFile, including: tuple[str, ...]
) -> None:
    identity = os.path.realpath(path)
    if identity in including:
        raise UsageError(f"includes itself: {path}", advice="take one of the -r lines out")
    for number, line in logical_lines(path, environ):
        origin = f"{path}, line {number}"
        try:
            _take(line, path, origin, environ, found, (*including, identity))
        except SagepipError as error:
            raise located(error, origin) from error


def _take(
    line: str,
    path: str,
    origin: str,
    environ: Mapping[str, str],
    found: RequirementsFile,
    including: tuple[str, ...],
) -> None:
    text, options = _options(line)
    # pip's rule: settings may stand in front, too.
    editable = None if text else next((one for one in options if one[0] == "--editable"), None)
    if text or editable:
        if editable:
            options.remove(editable)
            text = editable[1]
        settings: dict[str, str | list[str]] = {}
        hashes: list[str] = []
        for name, value in options:
            if name == "--hash":
                hashes.append(_hash(value))
                continue
            if name != "--config-settings":
                raise UsageError(
                    f"{name} does not belong behind a requirement: {line}",
                    advice="give it a line of its own",
                )
            add_setting(settings, value, name)
        found.requirements.append(
            RequirementLine(text, origin, settings, bool(editable), tuple(hashes))
        )
        return
    for name, value in options:
        if name == "--requirement":
            _read(_beside(path, local_file(value, "requirement file")), environ, found, including)
        elif name == "--constraint":
            found.constraints.append((_beside(path, local_file(value, "constraint file")), origin))
        elif name == "--find-links":
            beside = _beside(path, value)
            found.find_links.append((beside if os.path.exists(beside) else value, origin))
        elif name == "--index-url":
            found.index_url = value
        elif name == "--no-index":
            found.no_index = True
        elif name == "--prefer-binary":
            found.prefer_binary = True
        elif name == "--require-hashes":
            found.require_hashes = True
        elif name == "--no-require-hashes":
            found.no_require_hashes = True
        elif name == "--hash":
            console.warn(f"{origin} has --hash but no requirement, and will be ignored")
        elif name == "--config-settings":
            raise UsageError(f"{name} without a requirement", advice="put it behind one")
        else:
            found.formats.append((name, value))


def _options(line: str) -> tuple[str, list[tuple[str, str]]]:
    """Split a line into its requirement and its options."""
    # Only the options are split like a shell's words: that would take the quotes out of markers.
    words = line.split(" ")
    first = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    text, rest, marker = " ".join(words[:first]).strip(), " ".join(words[first:]), ""
    try:
        if rest.startswith(("-e", "--editable")):
            rest, marker = _without_marker(rest)
        split = shlex.split(rest)
    except ValueError as error:
        raise UsageError(f"{error}: {line}", advice="close the quotation") from error
    options = []
    for word in read_words(split, _takes_value):
        if not word.name:
            raise UsageError(f"not understood: {word.value} in: {line}", advice="one thing a line")
        options.append((_OPTIONS[word.name], word.value or ""))
    if marker:
        options[0] = (options[0][0], f"{options[0][1]} ; {marker}")
    return text, options


def _without_marker(text: str) -> tuple[str, str]:
    """Split the marker, which must keep its quotes, from the words behind ``-e``."""
    loose = any(word.startswith(";") or word.endswith(";") for word in shlex.split(text))
    found = _BEFORE_MARKER.search(text)
    if not loose or found is None:
        return text, ""  # there is none, or it is within the quotes of the value
    head, tail = text[: found.start()], text[found.end() :]
    words = tail.split(" ")
    first = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    return " ".join([head, *words[first:]]), " ".join(words[:first]).strip()


def _hash(text: str) -> str:
    try:
        return parse_hash(text)
    except ValueError as error:
        raise UsageError(str(error), advice="write --hash=sha256:abcde...") from error


def _takes_value(name: str) -> bool:
    if name in _REFUSED:
        raise UsageError(f"{name} is refused", advice=_REFUSED[name])
    if name not in _OPTIONS:
        raise UsageError(
            f"unknown option: {name}", advice=f"known here: {', '.join(sorted(_OPTIONS))}"
        )
    return name not in _FLAGS


def _beside(path: str, other: str) -> str:
    return os.path.join(os.path.dirname(path), other)
