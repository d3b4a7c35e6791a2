"""Builders and pruners of one cache at once, all of them processes."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sagepip.build.cache import Cache
from sagepip.build.tree_stamps import find_change
from sagepip.operations.cache import PruneRequest, cache_info, prune_cache
from tests.e2e.cache_fixtures import (
    WISHES,
    entries,
    flaws,
    make_house,
    unfinished,
    use_cache,
    using,
)

_BUILDERS = 6
_BUILDS_EACH = 8
_PRUNERS = 2


def _build(cache: Cache, house: Path, first: int, results: Any) -> None:
    counts: Counter[str] = Counter()
    problems = []
    try:
        for number in range(first, first + _BUILDS_EACH):
            wish = WISHES[number % len(WISHES)]
            with using(cache, house, *wish) as environment:
                problems += flaws(environment.path, house, *wish)
                time.sleep(0.01 * (number % 3))
                # Nothing of it goes while it is used.
                problems += flaws(environment.path, house, *wish)
                if changed := find_change(environment.path):
                    problems.append(f"{environment.path}: {changed} has changed")
            shared = environment.path.startswith(cache.path)
            counts["shared" if shared else "private"] += 1
    except BaseException:
        problems.append(traceback.format_exc())
    results.put((problems, counts))


def _prune(first: int, end: Any, results: Any) -> None:
    counts: Counter[str] = Counter()
    problems = []
    try:
        for number in itertools.count(first):
            if end.is_set():
                break
            if number % 5 == 0:
                cache_info(os.environ)
            report = prune_cache(os.environ, PruneRequest(everything=True))
            problems += [str(one) for one in report.failed]
            counts["removed"] += len(report.removed)
            counts["in use"] += len(report.in_use)
    except BaseException:
        problems.append(traceback.format_exc())
    results.put((problems, counts))


def test_builders_and_pruners_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """No build fails or sees half an environment, whatever is removed meanwhile."""
    cache = use_cache(tmp_path / "cache", monkeypatch)
    house = make_house(tmp_path / "house")
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    end = context.Event()
    builders = [
        context.Process(target=_build, args=(cache, house, number, results))
        for number in range(_BUILDERS)
    ]
    pruners = [
        context.Process(target=_prune, args=(number, end, results)) for number in range(_PRUNERS)
    ]
    for process in (*builders, *pruners):
        process.start()
    for process in builders:
        process.join()
    end.set()
    total: Counter[str] = Counter()
    problems = []
    for _ in (*builders, *pruners):
        found, counts = results.get()
        problems += found
        total += counts
    for process in pruners:
        process.join()
    assert problems == []
    assert [process.exitcode for process in (*builders, *pruners)] == [0] * len(builders + pruners)
    assert "WARNING" not in capfd.readouterr().err
    # Both sides must have had something to do.
    assert total["shared"] + total["private"] == _BUILDERS * _BUILDS_EACH
    assert total["shared"] > 0
    assert total["removed"] > 0
    prune_cache(os.environ, PruneRequest(everything=True))
    assert entries(cache) == unfinished(cache) == []
