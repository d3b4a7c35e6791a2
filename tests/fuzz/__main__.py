"""``make fuzz``: every target for a while under the coverage-guided fuzzer."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.targets import TARGETS

_MEGABYTES = 1024
_SLOW = 20


def main() -> int:
    """Fuzz, print what was found, and return 1 if anything was."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--only", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--seed", type=int, default=0, help="0 takes another each time")
    parser.add_argument("--corpus", type=Path, help="keep inputs here and go on from them")
    options = parser.parse_args()
    found = 0
    for name in options.only:
        with tempfile.TemporaryDirectory() as temporary:
            corpus = (options.corpus or Path(temporary) / "corpus") / name
            found += _fuzz(name, corpus, Path(temporary), options.seconds, options.seed)
    return 1 if found else 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _fuzz(name: str, corpus: Path, temporary: Path, seconds: int, seed: int) -> bool:
    """Fuzz one target; return whether something was found."""
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(TARGETS[name].seeds):
        (corpus / f"seed-{number}").write_bytes(data)
    artifacts = temporary / "found"
    artifacts.mkdir()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.fuzz.engine", name, str(corpus)),
            *(f"-max_total_time={seconds}", f"-seed={seed}", f"-artifact_prefix={artifacts}/"),
            *(f"-timeout={_SLOW}", f"-rss_limit_mb={_MEGABYTES}", "-max_len=8192"),
            *("-print_final_stats=1", "-verbosity=1"),
        ],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="backslashreplace",
        check=False,
    )
    lines = done.stdout.splitlines()
    inputs = sorted(artifacts.iterdir())
    if done.returncode == 0 and not inputs:
        units = next((one.split()[-1] for one in lines if "number_of_executed_units" in one), "?")
        coverage = next((one for one in reversed(lines) if "cov:" in one), "").partition("cov:")[2]
        _say(f"{name}: {units} inputs, {coverage.split()[0] if coverage else '?'} branches, good")
        return False
    _say(f"{name}: FOUND (status {done.returncode})")
    _say("\n".join(one for one in lines if not one.startswith("#"))[-4000:])
    for one in inputs:
        _say(f"{one.name}: {one.read_bytes()!r}"[:2000])
    return True


if __name__ == "__main__":
    sys.exit(main())
