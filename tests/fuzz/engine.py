"""One target under the coverage-guided fuzzer: ``python -m tests.fuzz.engine NAME [FLAGS…]``."""

from __future__ import annotations

import sys
from importlib import import_module


def main() -> None:
    """Fuzz one target; the flags are libFuzzer's. The process ends by itself."""
    atheris = import_module("atheris")
    with atheris.instrument_imports(
        include=["sagepip", "packaging", "configparser", "csv", "zipfile", "tarfile", "shlex"]
    ):
        targets = import_module("tests.fuzz.targets")
    check = targets.TARGETS[sys.argv.pop(1)].check
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
