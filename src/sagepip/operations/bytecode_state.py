"""Bytecode whose module has gone."""

from __future__ import annotations

import os
import re

_BYTECODE = re.compile(r".+\.pyc(\.\d+)?")


def is_bytecode(name: str) -> bool:
    """Whether the name of a file in ``__pycache__`` is that of bytecode, temporary or not."""
    return _BYTECODE.fullmatch(name) is not None


def has_source(path: str) -> bool:
    """Whether the module that a file in ``__pycache__`` was compiled from is there.

    Others put dots into the tag (``test_x.cpython-311-pytest-8.3.4.pyc``), so each dot may be
    the end of the module's name.

    Args:
        path: the bytecode.
    """
    cache, name = os.path.split(path)
    parent = os.path.dirname(cache)
    parts = name.split(".")
    return any(
        os.path.lexists(os.path.join(parent, ".".join(parts[:end]) + ".py"))
        for end in range(1, len(parts))
    )
