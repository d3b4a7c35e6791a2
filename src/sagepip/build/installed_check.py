"""Whether build requirements are installed for the target interpreter (no isolation)."""

from __future__ import annotations

import os
from collections.abc import Iterable

from sagepip.ground.errors import BuildError, TargetError
from sagepip.ground.target_python import TargetPython

_MARK = "sagepip-missing-requirements:"

# Runs in the target interpreter, Python 3.8 and up. packaging is sagepip's own; the path to it
# goes before importlib.metadata looks around, or sagepip's packages would count as the target's.
_SCRIPT = """
import importlib.metadata, json, sys
mark, packaging_parent, requirements = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
sys.path.insert(0, packaging_parent)
from packaging.requirements import InvalidRequirement, Requirement
sys.path.remove(packaging_parent)
missing, seen = [], set()
def check(text, extras, origin):
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        if not origin:
            missing.append("%s (not a valid requirement)" % text)
        return
    if requirement.marker and not any(
        requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)
    ):
        return
    key = (str(requirement), tuple(sorted(extras)))
    if key in seen:
        return
    seen.add(key)
    suffix = " (needed by %s)" % origin if origin else ""
    wanted = requirement.name + str(requirement.specifier)
    try:
        found = importlib.metadata.distribution(requirement.name)
        version = found.version
    except importlib.metadata.PackageNotFoundError:
        missing.append(wanted + suffix)
        return
    if not version or not requirement.specifier.contains(version, prereleases=True):
        missing.append("%s%s (installed: %s)" % (wanted, suffix, version))
        return
    for other in found.requires or ():
        check(other, requirement.extras, requirement.name)
for requirement in requirements:
    check(requirement, (), "")
sys.stdout.write("\\n" + mark + json.dumps(missing) + "\\n")
"""


def check_installed(requirements: Iterable[str], python: TargetPython, project: str) -> None:
    """Refuse a build without isolation whose requirements are not installed.

    Args:
        requirements: as in ``build-system.requires``.
        python: the interpreter that the backend is going to run in.
        project: the path of the source, for messages.

    Raises:
        BuildError: with all that is missing or of the wrong version, dependencies included.
        TargetError: the interpreter does not answer.
    """
    wanted = sorted(requirements)
    if not wanted:
        return
    missing = _ask(wanted, python)
    if missing:
        raise BuildError(
            f"build requirements of {project} are not installed for {python.executable}: "
            + ", ".join(missing),
            advice="install them, or leave out --no-build-isolation",
        )


def _ask(requirements: list[str], python: TargetPython) -> list[str]:
    import json
    import subprocess

    import packaging

    from sagepip.build.child_environ import hook_environ

    packaging_parent = os.path.dirname(os.path.dirname(os.path.abspath(packaging.__file__)))
    arguments = [_MARK, packaging_parent, json.dumps(requirements)]
    done = subprocess.run(
        [python.executable, "-I", "-c", _SCRIPT, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=hook_environ(None),
        check=False,
    )
    for line in reversed(done.stdout.decode("utf-8", "replace").splitlines()):
        if line.startswith(_MARK):
            return [str(one) for one in json.loads(line[len(_MARK) :])]
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    raise TargetError(
        f"{python.executable} does not say what is installed for it"
        + (f": {said[-1]}" if said else ""),
        advice="is it a Python 3.8 or newer?",
    )
