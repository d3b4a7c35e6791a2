"""``sagepip cache``."""

from __future__ import annotations

import time
from collections import Counter

from sagepip.cli import messages
from sagepip.cli.cache_options import CACHE, PRUNE_OPTIONS
from sagepip.cli.commands import Invocation
from sagepip.cli.settings import Settings
from sagepip.cli.site_command import print_json, print_lines, read_command_line
from sagepip.ground import console
from sagepip.ground.errors import UsageError
from sagepip.ground.timing import phase

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from sagepip.operations.cache import CacheInfo, EntryInfo, PruneReport, PruneRequest


def run(invocation: Invocation) -> int:
    """Run the command.

    Args:
        invocation: the words and the environment.

    Returns:
        The exit status.

    Raises:
        SagepipError: see :mod:`sagepip.ground.errors`.
    """
    line = read_command_line(invocation, CACHE)
    if line is None:
        return 0
    if len(line.words) != 1 or line.words[0] not in ("dir", "info", "prune"):
        words = " ".join(line.words) or "nothing"
        raise UsageError(f"one of dir, info and prune is needed, not {words}", advice="see --help")
    (action,) = line.words
    _check(action, line.settings)
    if action == "prune":
        return _prune(line.settings, invocation.environ)

    from sagepip.operations.cache import cache_directory, cache_info

    if action == "dir":
        print_lines([cache_directory(invocation.environ)])
        return 0
    info = cache_info(invocation.environ)
    if line.settings.flag("json"):
        print_json(_info_json(info))
    else:
        print_lines(_info_lines(info))
    return 0


def _check(action: str, settings: Settings) -> None:
    """Refuse options that the action does not have, and such as contradict each other."""
    given = [option for option in settings.options if option.dest in PRUNE_OPTIONS]
    if action != "prune" and given:
        raise UsageError(f"{given[0].name} is for prune, not for {action}", advice="see --help")
    if action == "dir" and settings.flag("json"):
        raise UsageError("--json is not for dir", advice="it prints one line, the path")
    others = [option for option in given if option.dest in ("max_size", "older_than")]
    if settings.flag("all") and others:
        raise UsageError(
            f"--all and {others[0].name} exclude each other", advice="give one of them"
        )


def _prune(settings: Settings, environ: Mapping[str, str]) -> int:
    from sagepip.operations.cache import prune_cache

    request = _request(settings)
    with phase("clean"):
        report = prune_cache(environ, request)
    if settings.flag("json"):
        print_json(_report_json(report))
    else:
        print_lines(_report_lines(report))
    if report.failed:
        path, problem = report.failed[0]
        more = f", nor {len(report.failed) - 1} others" if len(report.failed) > 1 else ""
        messages.print_problem(f"cannot remove {path}: {problem}{more}", debug=False)
    return 1 if report.failed else 0


def _request(settings: Settings) -> PruneRequest:
    from sagepip.build.cache_bound import parse_size
    from sagepip.operations.cache import PruneRequest

    max_size = older_than = None
    for text in settings.items("max_size"):
        max_size = parse_size(text)
        if max_size is None:
            raise UsageError(
                f"no size: --max-size {text}", advice="a number of bytes, 500M or 1.5G; 0: no bound"
            )
    for text in settings.items("older_than"):
        older_than = _days(text)
    return PruneRequest(max_size, older_than, settings.flag("all"), settings.flag("dry_run"))


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not 0 <= days < float("inf"):
        raise UsageError(f"not a number of days: --older-than {text}", advice="0.5 is half a day")
    return days


def _info_lines(info: CacheInfo) -> list[str]:
    from sagepip.build.cache_contents import Kind

    of = f" of {_size(info.bound)}" if info.bound else ", no bound"
    lines = [f"cache: {info.path}"]
    if info.problem:
        lines.append(f"not used by builds: {info.problem}")
    lines.append(f"size: {_size(info.size)}{of}")
    for kind in Kind:
        found = info.of_kind(kind)
        used = sum(one.in_use for one in found)
        lines.append(f"{kind.value}s: {len(found)}" + (f", {used} in use" if used else ""))
    lines.append(f"unfinished: {_unfinished(info)}")
    lines.append(f"last pruned: {_date(info.last_pruned or 0)}")
    if info.others:
        lines.append(f"of other versions of sagepip, left alone: {', '.join(info.others)}")
    lines += [_entry_line(one) for one in info.of_kind(Kind.ENVIRONMENT)]
    if console.verbosity > 0:
        lines += [_entry_line(one) for one in info.entries if one.kind is not Kind.ENVIRONMENT]
        for one in info.unfinished:
            state = "under way" if one.in_use else "abandoned"
            lines.append(f"unfinished {one.path}: {_size(one.size)}, {state}")
    return lines


def _unfinished(info: CacheInfo) -> str:
    if not info.unfinished:
        return "none"
    under_way = sum(one.in_use for one in info.unfinished)
    abandoned = len(info.unfinished) - under_way
    return ", ".join(
        f"{count} {text}"
        for count, text in (
            (under_way, "under way"),
            (abandoned, "left by processes that were killed; sagepip cache prune removes it"),
        )
        if count
    )


def _entry_line(one: EntryInfo) -> str:
    text = f"{one.kind.value} {one.path}: {_size(one.size)}, last used {_date(one.last_used)}"
    if one.in_use:
        text += ", in use"
    return f"{text}: {', '.join(one.members)}" if one.members else text


def _report_lines(report: PruneReport) -> list[str]:
    lines = []
    if console.verbosity > 0:
        verb = "would remove" if report.dry_run else "removed"
        lines += [
            f"{verb} {one.kind.value if one.kind else 'unfinished'} {one.path}: "
            f"{_size(one.size)}, {one.reason}"
            for one in report.removed
        ]
    lines += [f"left, as it is in use: {path}" for path in report.in_use]
    if console.verbosity < 0:
        return lines
    counts = Counter(one.kind.value if one.kind else "unfinished" for one in report.removed)
    what = ", ".join(
        f"{number} {name}{'s' * (number != 1 and name != 'unfinished')}"
        for name, number in counts.items()
    )
    freed = _size(report.size_before - report.size_after)
    done = "would free" if report.dry_run else "freed"
    of = f" of {_size(report.bound)}" if report.bound else ""
    lines.append(
        f"{report.path}: {done} {freed} ({what or 'nothing to remove'}); "
        f"{_size(report.size_after)}{of} in the cache"
    )
    return lines


def _info_json(info: CacheInfo) -> dict[str, Any]:
    found = {**vars(info), "unfinished": [vars(one) for one in info.unfinished]}
    found["entries"] = [{**vars(one), "kind": one.kind.value} for one in info.entries]
    return found


def _report_json(report: PruneReport) -> dict[str, Any]:
    found = {**vars(report), "freed": report.size_before - report.size_after}
    found["removed"] = [
        {**vars(one), "kind": one.kind.value if one.kind else "unfinished"}
        for one in report.removed
    ]
    found["failed"] = [{"path": path, "problem": problem} for path, problem in report.failed]
    return found


def _size(number: float) -> str:
    for unit in ("", "K", "M", "G"):
        if number < 1024:
            return f"{number:.1f}{unit}" if unit else f"{number} bytes"
        number /= 1024
    return f"{number:.1f}T"


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds)) if seconds else "never"
