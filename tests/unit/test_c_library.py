"""Functions of the C library."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

from sagepip.ground.c_library import Int, byref, find_function, get_errno


def test_calls() -> None:
    """Whole numbers and bytes go in, a signed number comes out, and ``errno`` is kept."""
    number = find_function("getpid")
    assert number is not None
    assert number() == os.getpid()
    length = find_function("strcmp")
    assert length is not None
    assert length(b"same", b"same") == 0
    closing = find_function("close")
    assert closing is not None
    assert closing(-1) == -1
    assert get_errno() == errno.EBADF


def test_what_is_not_there() -> None:
    """None stands for a function that no library has."""
    assert find_function("sagepip_has_no_such_function") is None


def test_beside_ctypes() -> None:
    """Whoever loads ``ctypes`` afterwards finds it as it always is."""
    program = (
        "import sys; from sagepip.ground.c_library import find_function\n"
        "assert 'ctypes' not in sys.modules\n"
        "import ctypes; libc = ctypes.CDLL(None, use_errno=True)\n"
        "assert libc.close(-1) == -1 and ctypes.get_errno() == 9\n"
        "assert find_function('getppid')() == libc.getppid() > 0\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_place_to_write_to() -> None:
    """A function may write a number to a place that it is given."""
    if sys.platform != "linux":
        return
    prctl = find_function("prctl")
    assert prctl is not None
    got = Int(-1)
    assert prctl(37, byref(got), 0, 0, 0) == 0  # PR_GET_CHILD_SUBREAPER
    assert got.value in (0, 1)
