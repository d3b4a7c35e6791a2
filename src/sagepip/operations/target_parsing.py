"""From what a user wrote, to what is to be installed: paths, URLs and requirements."""

from __future__ import annotations

import os
import stat

from sagepip.build.hashes import ALGORITHMS, parse_hash
from sagepip.ground import console
from sagepip.ground.errors import TargetError, UsageError
from sagepip.ground.light_dataclass import replace
from sagepip.ground.requirements import (
    BadRequirement,
    parse_marker,
    parse_requirement,
    shortened,
)
from sagepip.operations.targets import (
    NamedRequirement,
    SourceArchive,
    SourceDirectory,
    Target,
    WheelFile,
)

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from packaging.markers import Marker
    from packaging.requirements import Requirement

ARCHIVE_SUFFIXES = (".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tar")
_VERSION_CONTROL = ("git", "hg", "bzr", "svn")
_NETWORK = ("http", "https", "ftp", "ssh")


def parse_target(text: str, markers: Callable[[], Mapping[str, str]]) -> Target | None:
    """Work out what one word of the command line, or one line of a file, asks for.

    What exists on disk is looked at before anything is believed about a name: a pipe or a
    directory may be called ``x.whl``.

    Args:
        text: a path (with ``[extras]``, with ``; marker``), a ``file:`` URL, or a requirement.
        markers: gives the values of the environment markers of the target interpreter.

    Returns:
        The target, or None where its marker is false (which is said under ``-v``).

    Raises:
        UsageError: the text is no target, or of a kind that sagepip does not install.
        TargetError: the path is not there or is not what its name says.
    """
    text = text.strip()
    if not text:
        raise UsageError("an empty TARGET", advice="give a path or a requirement")
    if _is_url(text):
        body, marker = _split_marker(text, "; ")
        return _from_url(body, frozenset(), "") if _wanted(body, marker, markers) else None
    if _like_path(text) and _mode(text) is not None:
        return _from_path(text, text, frozenset())
    if _like_path(text.partition("@")[0]):
        body, marker = _split_marker(text, ";")
        path, extras = _split_extras(body)
        return _from_path(path, body, extras) if _wanted(body, marker, markers) else None
    requirement = _requirement(text)
    if not _wanted(requirement.name, requirement.marker, markers):
        return None
    return _from_requirement(requirement)


def parse_editable(text: str, markers: Callable[[], Mapping[str, str]]) -> SourceDirectory | None:
    """Work out what ``-e`` asks for.

    Args:
        text: a directory (here a bare word is a path), a ``file:`` URL of one, or
            ``NAME @ file:///…``; with extras and marker as in :func:`parse_target`.
        markers: as there.

    Returns:
        The directory, or None where its marker is false.

    Raises:
        UsageError: see :func:`parse_target`; or it is no source directory.
        TargetError: see there.
    """
    text = text.strip()
    if not text:
        raise UsageError("an empty --editable", advice="give a directory")
    is_reference = _is_url(text.partition("@")[2].strip())
    if not (_is_url(text) or is_reference or _like_path(text.partition("@")[0])):
        text = os.path.join(os.curdir, text)
    target = parse_target(text, markers)
    if target is None:
        return None
    if not isinstance(target, SourceDirectory):
        raise UsageError(
            f"only a source directory can be installed in editable mode, not {text}",
            advice="give the directory, or leave out -e",
        )
    return replace(target, editable=True)


def path_from_file_url(url: str) -> str:
    """Return the path that a ``file:`` URL names.

    Args:
        url: the URL, with or without ``localhost``, percent-encoded.

    Raises:
        UsageError: it names another host or a relative path.
    """
    from urllib.parse import unquote, urlsplit

    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UsageError(f"not a URL: {url}: {error}", advice="write file:///PATH") from error
    if parts.netloc.lower() not in ("", "localhost"):
        raise UsageError(
            f"a file URL of another host: {url}", advice="write file:///PATH, with three slashes"
        )
    path = unquote(parts.path, errors="surrogateescape")
    if not path.startswith("/"):
        raise UsageError(f"a file URL with a relative path: {url}", advice="write file:///PATH")
    if parts.query or "\0" in path:
        raise UsageError(f"not a path in a file URL: {url}", advice="write ? as %3F")
    return os.path.normpath(path)


def _wanted(shown: str, marker: Marker | None, markers: Callable[[], Mapping[str, str]]) -> bool:
    try:
        if marker is None or marker.evaluate(dict(markers())):
            return True
    except ValueError as error:
        raise UsageError(
            f"the marker of {shown} has no truth: {error}", advice="compare versions or texts"
        ) from error
    console.detail(f"Ignoring {shown}: markers {str(marker)!r} don't match your environment")
    return False


def _from_path(path: str, shown: str, extras: frozenset[str], name: str = "") -> Target:
    mode = _mode(path)
    if mode is None:
        raise TargetError(f"no such file or directory: {shown}", advice="is the path right?")
    full = os.path.abspath(path)
    suffix = _suffix(full)
    if stat.S_ISDIR(mode):
        if suffix:
            raise TargetError(
                f"a directory, not a file: {shown}", advice=f"give a file for a name in {suffix}"
            )
        if not any(os.path.isfile(os.path.join(full, n)) for n in ("pyproject.toml", "setup.py")):
            raise TargetError(
                f"no project in the directory {shown}",
                advice="it has neither pyproject.toml nor setup.py",
            )
        return SourceDirectory(full, extras, name)
    if not stat.S_ISREG(mode):
        raise TargetError(f"not a regular file: {shown}", advice="give a file or a directory")
    if suffix == ".whl":
        return WheelFile(full, extras, name)
    if suffix:
        return SourceArchive(full, extras, name)
    advice = "a wheel ends in .whl, an sdist in .tar.gz"
    if full.endswith((".txt", ".in")):
        advice = f"if it is a requirements file, say -r {shown}"
    raise TargetError(f"neither a wheel nor an sdist: {shown}", advice=advice)


def _from_url(url: str, extras: frozenset[str], name: str) -> Target:
    scheme = url.partition(":")[0].lower()
    if scheme.split("+")[0] in _VERSION_CONTROL:
        raise UsageError(
            f"cannot install from version control: {url}",
            advice="check it out and give the directory",
        )
    if scheme != "file":
        raise UsageError(
            f"cannot install from the network: {url}",
            advice="download it and give the file, or give NAME and --index-url",
        )
    body, _, fragment = url.partition("#")
    hashes: list[str] = []
    for item in filter(None, fragment.split("&")):
        key, _, value = item.partition("=")
        if key == "egg" and value.replace("-", "").replace("_", "").replace(".", "").isalnum():
            name = name or value
        elif key in ALGORITHMS:
            hashes.append(_stated_hash(f"{key}:{value}", url))
        else:
            raise UsageError(
                f"not supported in a URL: #{item} in {url}",
                advice="write NAME[EXTRA] @ file:///PATH, of the project's own directory",
            )
    target = _from_path(path_from_file_url(body), url, extras, name)
    if not hashes or isinstance(target, NamedRequirement):
        return target
    if isinstance(target, SourceDirectory):
        raise UsageError(f"a directory has no hash: {url}", advice="give an sdist or a wheel of it")
    return replace(target, hashes=frozenset(hashes))


def _stated_hash(text: str, url: str) -> str:
    try:
        return parse_hash(text)
    except ValueError as error:
        raise UsageError(f"{error} in {url}", advice="write #sha256=DIGEST") from error


def _from_requirement(requirement: Requirement) -> Target:
    if requirement.url:
        if not _is_url(requirement.url):
            raise UsageError(
                f"not a URL behind @: {requirement}", advice="write NAME @ file:///PATH"
            )
        return _from_url(requirement.url, frozenset(requirement.extras), requirement.name)
    return NamedRequirement(str(requirement))


def _requirement(text: str) -> Requirement:
    # pip takes "NAME @ URL; MARKER" too; the standard wants a blank before the semicolon.
    spaced = text.replace("; ", " ; ", 1) if "@" in text else text
    try:
        return parse_requirement(spaced)
    except BadRequirement as error:
        advice = "write NAME==VERSION, a path with a slash, or NAME @ file:///PATH"
        if "=" in text and not any(op in text for op in ("==", "<=", ">=", "~=", "!=")):
            advice = "= is no operator: did you mean ==?"
        raise UsageError(f"not a requirement: {shortened(text)}: {error}", advice=advice) from error


def _split_marker(text: str, separator: str) -> tuple[str, Marker | None]:
    body, _, marker = text.partition(separator)
    if not marker.strip():
        return body.strip(), None
    try:
        return body.strip(), parse_marker(marker.strip())
    except BadRequirement as error:
        raise UsageError(
            f"not a marker: {shortened(text)}: {error}",
            advice="write PATH ; python_version < '3.13'",
        ) from error


def _split_extras(text: str) -> tuple[str, frozenset[str]]:
    if not text.endswith("]") or "[" not in text or _mode(text) is not None:
        return text, frozenset()
    path, _, inner = text[:-1].rpartition("[")
    return path.rstrip(), frozenset(_requirement(f"extras[{inner}]").extras)


def _is_url(text: str) -> bool:
    scheme, colon, _ = text.partition(":")
    known = (*_VERSION_CONTROL, *_NETWORK, "file")
    return bool(colon) and scheme.lower().split("+")[0] in known


def _like_path(text: str) -> bool:
    """Whether it is meant as a path; pip's rule, and archives need no slash."""
    bare = text.partition(";")[0].strip().partition("[")[0]
    return os.sep in bare or bare.startswith(".") or bool(_suffix(bare))


def _suffix(path: str) -> str:
    lower = path.lower()
    return next((s for s in (".whl", *ARCHIVE_SUFFIXES) if lower.endswith(s)), "")


def _mode(path: str) -> int | None:
    try:
        return os.stat(path).st_mode
    except (OSError, ValueError):  # ValueError: a NUL byte
        return None
