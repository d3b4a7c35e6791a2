"""Hashes in requirement files: what pip takes and refuses, sagepip takes and refuses."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from bench.environment import console_script, tool_environment

from tests.wheels import make_wheel

MISSING = "Hashes are required in --require-hashes mode"
UNPINNED = "all requirements must have their versions pinned with =="
MISMATCH = "THESE PACKAGES DO NOT MATCH THE HASHES"
DIRECTORY = "because they point to directories"
EDITABLE = "cannot be installed when requiring hashes, because there is no single file to hash"
ALGORITHMS = "Allowed hash algorithms for --hash are sha256, sha384, sha512"


@dataclass(frozen=True)
class Try:
    """A requirement file, and what is said of it.

    Attributes:
        text: of the file; names in braces stand for paths and digests.
        refusal: words of pip's message; empty where the file is installed.
        words: more of the command line.
        variables: more of the environment.
        installed: the projects that are there afterwards.
    """

    text: str
    refusal: str = ""
    words: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    installed: frozenset[str] = frozenset({"alone"})


TRIES = {
    "right": Try("alone==1.0 --hash=sha256:{alone}"),
    "one of several, continued": Try(
        "alone==1.0 \\\n  --hash=sha256:{zeros} \\\n  --hash sha256:{alone}  # right"
    ),
    "sha512 in capitals": Try("alone==1.0 --hash=sha512:{ALONE512}"),
    "a marker before it": Try("alone==1.0 ; python_version >= '3' --hash=sha256:{alone}"),
    "wrong": Try("alone==1.0 --hash=sha256:{zeros}", MISMATCH),
    "not pinned, with its hash": Try("alone>=0.1 --hash=sha256:{alone}"),
    "not pinned, without": Try("--require-hashes\nalone", UNPINNED),
    "pinned loosely beside one with": Try("alone==1.0 --hash=sha256:{alone}\nlib>=1.0", UNPINNED),
    "one without": Try("alone==1.0 --hash=sha256:{alone}\nlib==1.0", MISSING),
    "one on the command line without": Try(
        "alone==1.0 --hash=sha256:{alone}", MISSING, words=("lib==1.0",)
    ),
    "others not required": Try(
        "alone==1.0 --hash=sha256:{alone}\nlib",
        words=("--no-require-hashes",),
        installed=frozenset({"alone", "lib"}),
    ),
    "others not required, wrong": Try(
        "--no-require-hashes\nalone==1.0 --hash=sha256:{zeros}\nlib", MISMATCH
    ),
    "a dependency without": Try("user==1.0 --hash=sha256:{user}", UNPINNED),
    "a dependency with": Try(
        "user==1.0 --hash=sha256:{user}\nlib==1.0 --hash=sha256:{lib}",
        installed=frozenset({"user", "lib"}),
    ),
    "required by option": Try("alone==1.0", MISSING, words=("--require-hashes",)),
    "required by variable": Try("alone==1.0", MISSING, variables=(("PIP_REQUIRE_HASHES", "1"),)),
    "required by a line": Try("--require-hashes\nalone==1.0", MISSING),
    "a path": Try("{wheels}/alone-1.0-py3-none-any.whl --hash=sha256:{alone}"),
    "a path, wrong": Try("{wheels}/alone-1.0-py3-none-any.whl --hash=sha256:{zeros}", MISMATCH),
    "a path without": Try("--require-hashes\n{wheels}/alone-1.0-py3-none-any.whl", MISSING),
    "a reference": Try("alone @ file://{wheels}/alone-1.0-py3-none-any.whl --hash=sha256:{alone}"),
    "in the URL": Try(
        "--require-hashes\nalone @ file://{wheels}/alone-1.0-py3-none-any.whl#sha256={alone}"
    ),
    "in the URL, wrong": Try(
        "alone @ file://{wheels}/alone-1.0-py3-none-any.whl#sha256={zeros}", MISMATCH
    ),
    "an sdist that is another": Try("{project}.tar.gz --hash=sha256:{zeros}", MISMATCH),
    "a directory": Try("--require-hashes\n{project}", DIRECTORY),
    "an editable directory": Try("--require-hashes\n-e {project}", EDITABLE),
    "md5": Try("alone==1.0 --hash=md5:{zeros}", ALGORITHMS),
    "twice, agreeing": Try(
        "alone==1.0 --hash=sha256:{alone} --hash=sha256:{zeros}\nalone==1.0 --hash=sha256:{alone}"
    ),
    "in a constraint": Try("alone", words=("-c", "{constraints}")),
    "in a constraint, for all": Try("alone\nlib==1.0", MISSING, words=("-c", "{constraints}")),
    "in a constraint, wrong": Try("alone", MISMATCH, words=("-c", "{wrong}")),
    "in a constraint that a constraint includes": Try("alone", words=("-c", "{including}")),
    "in a constraint that a constraint includes, for all": Try(
        "alone\nlib==1.0", MISSING, words=("-c", "{including}")
    ),
    "in an included constraint, for a path": Try(
        "{wheels}/lib-1.0-py3-none-any.whl", MISSING, words=("-c", "{including}")
    ),
    "in a constraint, for a path": Try(
        "{wheels}/alone-1.0-py3-none-any.whl", MISSING, words=("-c", "{constraints}")
    ),
    "in a constraint that the file includes": Try("-c {constraints}\nalone"),
    "in a constraint that the file includes, for all": Try(
        "-c {including}\nalone\nlib==1.0", MISSING
    ),
    "in a constraint by its URL": Try("-c file://{including}\nalone\nlib==1.0", MISSING),
    "not asked for by an included constraint": Try(
        "alone\nlib==1.0",
        words=("-c", "{including}", "--no-require-hashes"),
        installed=frozenset({"alone", "lib"}),
    ),
    "a constraint of something else": Try("lib==1.0", MISSING, words=("-c", "{including}")),
}


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Make wheels, an sdist and a directory; return what stands for the names in braces."""
    home = tmp_path_factory.mktemp("hashes")
    wheels = home / "wheels"
    alone = make_wheel(wheels, "alone", "1.0", {"alone.py": "x = 1\n"})
    lib = make_wheel(wheels, "lib", "1.0", {"lib.py": "x = 1\n"})
    user = make_wheel(wheels, "user", "1.0", {"user.py": "x = 1\n"}, requires=("lib>=1.0",))
    project = home / "project-1.0"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'built'\nbackend-path = ['.']\n"
    )
    (project / "built.py").write_text(
        "import os\nopen(os.environ['WAS_BUILT'], 'w')\ndef build_editable(*_): raise SystemExit\n"
    )
    with tarfile.open(f"{project}.tar.gz", "w:gz") as archive:
        archive.add(project, "project-1.0")
    found = {one.name.partition("-")[0]: hash_of(one, "sha256") for one in (alone, lib, user)}
    constraints = home / "constraints.txt"
    constraints.write_text(f"alone==1.0 --hash=sha256:{found['alone']}\n")
    (home / "wrong.txt").write_text(f"alone==1.0 --hash=sha256:{'0' * 64}\n")
    (home / "sub").mkdir()
    (home / "sub/first.txt").write_text("# nothing but\n--constraint=second.txt\n")
    (home / "sub/second.txt").write_text(f"other>1\n-c file://{constraints}\n")
    return {
        **found,
        "wrong": str(home / "wrong.txt"),
        "including": str(home / "sub/first.txt"),
        "ALONE512": hash_of(alone, "sha512").upper(),
        "zeros": "0" * 64,
        "wheels": str(wheels),
        "project": str(project),
        "constraints": str(constraints),
    }


def hash_of(path: Path, algorithm: str) -> str:
    """Return the digest of a file."""
    return hashlib.new(algorithm, path.read_bytes()).hexdigest()


@pytest.mark.parametrize("program", ["pip", "sagepip"])
@pytest.mark.parametrize("one", TRIES.values(), ids=TRIES)
def test_hashes(names: dict[str, str], tmp_path: Path, one: Try, program: str) -> None:
    """Both install the same, or say the same and leave the target alone."""
    requirements, target = tmp_path / "reqs.txt", tmp_path / "target"
    requirements.write_text(one.text.format(**names) + "\n")
    command = [sys.executable, "-m", "pip", "install", "--quiet"]
    if program == "sagepip":
        command = [str(console_script("sagepip")), "install"]
    command += ["--target", str(target), "--no-index", "--find-links", names["wheels"]]
    command += ["-r", str(requirements), *(word.format(**names) for word in one.words)]
    built = tmp_path / "was-built"
    environ = {**tool_environment(tmp_path / "home"), "WAS_BUILT": str(built)}
    environ.update(one.variables)
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    said = f"{done.stdout}\n{done.stderr}"
    assert bool(done.returncode) is bool(one.refusal), said
    assert one.refusal in said, said
    found = {path.name.partition("-")[0] for path in target.glob("*.dist-info")}
    assert found == (frozenset() if one.refusal else one.installed)
    if program == "sagepip" and one.refusal:
        lines = [line for line in done.stderr.splitlines() if not line.startswith("WARNING")]
        assert len(lines) == 1 and lines[0].startswith("Error: "), said
        assert not built.exists()
