"""What is made of pip's words when it fails; the outputs are what pip 26.3 prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagepip.build.pip_messages import describe_sources, explain
from sagepip.build.sources import PackageSources

CONFLICT = """\
Looking in links: /wheels
INFO: pip is looking at multiple versions of b to determine which version is compatible
ERROR: Cannot install a==1 and b==1 because these package versions have conflicting dependencies.

The conflict is caused by:
    a 1 depends on x<2
    b 1 depends on x>=2

To fix this you could try to:
1. loosen the range of package versions you've specified

ERROR: ResolutionImpossible: for help visit https://somewhere.example/help/#conflicts
"""
CYCLE = """\
  │ exit code: 1
  ╰─> [3 lines of output]
      LookupError: file:///w/b-1.tar.gz is already being built: b from file:///w/b-1.tar.gz
      [end of output]
ERROR: Failed to build 'b' when installing build dependencies for b
"""
FAILED = """\
  error: subprocess-exited-with-error

  \N{MULTIPLICATION SIGN} Getting requirements to build wheel did not run successfully.
ERROR: Failed to build 'bad' when getting requirements to build wheel
"""
CRASH = """\
Looking in links: /w
Processing /w/eee-1.tar.gz
ERROR: Exception:
Traceback (most recent call last):
  File "x.py", line 1, in f
tarfile.ReadError: not a gzip file
"""


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (
            "ERROR: Could not find a version that satisfies the requirement hatchling<1 "
            "(from versions: 1.32.0, 1.33.0)\nERROR: No matching distribution found\n",
            "nothing satisfies hatchling<1 in {house}, which has only 1.32.0, 1.33.0",
        ),
        (
            "ERROR: Could not find a version that satisfies the requirement lib>=2 (from m) "
            "(from versions: none)\n",
            "nothing satisfies lib>=2 (needed by m) in {house}",
        ),
        (
            "ERROR: Could not find a version that satisfies the requirement old "
            "(from versions: none)\n",
            "nothing satisfies old in {house}, where old-1-cp27-cp27m-win32.whl cannot be used "
            "(another Python or platform?)",
        ),
        (
            "ERROR: Wheel 'six' located at /w/six-1.0-py3-none-any.whl is invalid.\n",
            "the wheel /w/six-1.0-py3-none-any.whl is corrupt: not a readable zip archive with "
            "metadata",
        ),
        (CONFLICT, "conflicting requirements: a 1 depends on x<2; b 1 depends on x>=2"),
        (
            CYCLE,
            "building b needs itself: b-1.tar.gz is among its own build requirements, "
            "or among theirs",
        ),
        (FAILED, "building bad from its source failed when getting requirements to build wheel"),
        (CRASH, "/w/eee-1.tar.gz cannot be used: tarfile.ReadError: not a gzip file"),
        (
            "ERROR: Package 'p' requires a different Python: 3.11.7 not in '>=4'\n",
            "Package 'p' requires a different Python: 3.11.7 not in '>=4'",
        ),
        ("ERROR: first\nsomething\nERROR: second\nERROR: first\n", "first; second"),
        ("no error line at all\n\n", "no error line at all"),
        ("", "pip said nothing"),
    ],
)
def test_failure_in_one_line(tmp_path: Path, output: str, expected: str) -> None:
    """Each kind of failure becomes one line with the requirement and the reason, no index host."""
    (tmp_path / "old-1-cp27-cp27m-win32.whl").write_text("")
    sources = PackageSources(find_links=(str(tmp_path),))
    explanation = explain(output, sources)
    assert explanation.problem == expected.format(house=tmp_path)
    assert "http" not in explanation.problem + explanation.advice
    assert explanation.is_build == (output in (CYCLE, FAILED))


def test_places_that_are_searched_are_named(tmp_path: Path) -> None:
    """A message tells where was looked, and that a wheelhouse is not there."""
    absent = str(tmp_path / "absent")
    assert describe_sources(PackageSources(find_links=(str(tmp_path),))) == str(tmp_path)
    assert (
        describe_sources(PackageSources(find_links=(absent,))) == f"{absent} (which is not there)"
    )
    assert describe_sources(PackageSources()) == "the package index"
    assert "no wheelhouse" in describe_sources(PackageSources(no_index=True))
    both = PackageSources(find_links=(str(tmp_path),), index_url="file:///x")
    assert describe_sources(both) == f"{tmp_path} or the package index"
