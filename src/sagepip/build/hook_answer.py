"""Check what a build hook answered, before the libraries that called it rely on it."""

from __future__ import annotations

import os
import stat

from sagepip.ground.light_json import loads

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from typing import Any

_ANSWER_BYTES = 16 << 20
_NAME_BYTES = 255
_REQUIREMENT_CHARACTERS = 10_000


def answer_problem(hook: str, path: str) -> str:
    """Return what is wrong with the answer of a hook.

    Args:
        hook: its name.
        path: the file that the script of ``pyproject_hooks`` writes: JSON with the value that the
            hook returned, or why it could not be called, and the warnings that it gave.

    Returns:
        The problem, to follow the name of the hook in a message; empty if there is none.
    """
    try:
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode):
            return "ended without an answer"
        if found.st_size > _ANSWER_BYTES:
            return f"gave an unreasonably large answer ({found.st_size} bytes)"
        with open(path, encoding="utf-8") as stream:
            answer = loads(stream.read())
    except OSError:
        return "ended without an answer"
    except (ValueError, RecursionError):
        return "gave an answer that cannot be read"
    if not _is_well_formed(answer):
        return "gave an answer that makes no sense"
    if any(answer.get(key) for key in ("no_backend", "hook_missing", "unsupported")):
        return ""
    return _value_problem(hook, answer["return_val"])


def shown(value: object) -> str:
    """Return a value as it is shown in a message, shortened."""
    import reprlib

    short = reprlib.Repr()
    short.maxstring = short.maxother = 80
    return short.repr(value)


def _is_well_formed(answer: Any) -> bool:
    """Whether an answer has the members that ``pyproject_hooks`` looks at, of the right types."""
    if not isinstance(answer, dict):
        return False
    if answer.get("no_backend"):
        texts = (answer.get("traceback"), answer.get("backend_error"))
        return all(isinstance(one, str | None) for one in texts)
    if answer.get("hook_missing"):
        return isinstance(answer.get("missing_hook_name"), str | None)
    if answer.get("unsupported"):
        return isinstance(answer.get("traceback"), str | None)
    warnings = answer.get("warnings", [])
    return (
        "return_val" in answer
        and isinstance(warnings, list)
        and all(
            isinstance(one, dict)
            and isinstance(one.get("message"), str)
            and isinstance(one.get("filename"), str)
            and isinstance(one.get("lineno"), int)
            for one in warnings
        )
    )


def _value_problem(hook: str, value: object) -> str:
    if hook.startswith(("build_", "prepare_metadata_")):
        kind = "directory" if hook.startswith("prepare_metadata_") else "file"
        if _is_plain_name(value):
            return ""
        return f"answered {shown(value)}, which is not the name of a {kind}"
    if hook.startswith("get_requires_"):
        if not isinstance(value, list):
            return f"answered {shown(value)}, which is not a list of requirements"
        bad = [one for one in value if not _is_requirement(one)]
        if bad:
            return f"answered {shown(bad[0])}, which is not a requirement"
    return ""


def _is_requirement(value: object) -> bool:
    from sagepip.ground.requirements import BadRequirement, parse_requirement, plain_spelling

    if not isinstance(value, str) or len(value) > _REQUIREMENT_CHARACTERS:
        return False
    if plain_spelling(value):
        return True
    try:
        parse_requirement(value)
    except BadRequirement:
        return False
    return True


def _is_plain_name(value: object) -> bool:
    if not isinstance(value, str) or value in ("", ".", "..") or "/" in value or "\0" in value:
        return False
    try:
        return len(value.encode()) <= _NAME_BYTES
    except UnicodeEncodeError:
        return False
