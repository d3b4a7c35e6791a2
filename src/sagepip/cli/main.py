"""The entry points of the console scripts.

This module imports nothing but what is there already, not even ``__future__``: until ``PYTHONPATH``
is off the import path, every import could be answered by a stranger; and ``--version`` is to be
quick.
"""

import os
import sys


def sagepip() -> int:
    """Run ``sagepip SUBCOMMAND``."""
    return _enter("sagepip", "")


def sage_pip_install() -> int:
    """Run ``sage-pip-install``."""
    return _enter("sage-pip-install", "install")


def sage_pip_uninstall() -> int:
    """Run ``sage-pip-uninstall``."""
    return _enter("sage-pip-uninstall", "uninstall")


def sage_staged_copy() -> int:
    """Run ``sage-staged-copy``."""
    return _enter("sage-staged-copy", "copy")


def sage_pip_lock() -> int:
    """Run ``sage-pip-lock``."""
    return _enter("sage-pip-lock", "lock")


def _enter(program: str, command: str) -> int:
    from sagepip.cli import startup

    if sys.argv[1:2] in (["--version"], ["-V"]):
        sys.stdout.write(startup.version_line())
        return 0
    startup.collect_rarely()
    startup.open_standard_streams()
    startup.clean_import_path()
    startup.import_quickly()
    from sagepip.cli import dispatch

    status = dispatch.run(program, command, sys.argv[1:])
    startup.flush()
    os._exit(status)  # taking all modules and objects apart takes longer than many a command
