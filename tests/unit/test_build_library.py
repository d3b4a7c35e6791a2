"""What ``build`` brings in is there once it is used, though it is not imported with it."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
before = set(sys.modules)
import sagepip.build.build_library
left_out = {"collections", "datetime", "enum", "functools", "json", "locale", "re", "selectors"}
left_out |= {"contextlib", "signal", "string", "typing"}
assert not left_out & (set(sys.modules) - before)
from build import _builder
from sagepip.build.toml_once import parsed
text = b"a = 1979-05-27T07:32:00Z\\nb = 1979-05-27\\nc = 07:32:00.5\\n"
text += b"d = 1979-05-27T00:32:00-07:00\\n"
text += b"e = [0x1f, -1_000, 1.5e3, inf, true, 'x', [], {y = {z = 1}}]\\n[a-b.'c.d']\\nx = 1\\n"
assert _builder.tomllib.load.__module__ == parsed.__module__
found = parsed(text)
import datetime
zone = datetime.timezone(datetime.timedelta(hours=-7))
assert found == {
    "a": datetime.datetime(1979, 5, 27, 7, 32, tzinfo=datetime.timezone.utc),
    "b": datetime.date(1979, 5, 27),
    "c": datetime.time(7, 32, 0, 500000),
    "d": datetime.datetime(1979, 5, 27, 0, 32, tzinfo=zone),
    "e": [31, -1000, 1500.0, float("inf"), True, "x", [], {"y": {"z": 1}}],
    "a-b": {"c.d": {"x": 1}},
}
for bad in (b"a = 1\\na = 2\\n", b"\\xff"):
    try:
        parsed(bad)
    except ValueError as error:
        assert isinstance(error, (_builder.tomllib.TOMLDecodeError, UnicodeDecodeError))
    else:
        raise AssertionError(bad)
import subprocess
ends = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
process = subprocess.Popen([sys.executable, "-c", "print(input())"], text=True, **ends)
assert process.communicate("x\\n") == ("x\\n", "")
assert "SIGSEGV" in str(subprocess.CalledProcessError(-11, "x"))
import concurrent.futures, signal, typing
with concurrent.futures.ThreadPoolExecutor() as pool:
    assert list(pool.map(len, ["a", "bc"])) == [1, 2]
assert isinstance(signal.SIGTERM, signal.Signals) and typing.NamedTuple
from build.env import DefaultIsolatedEnv
assert DefaultIsolatedEnv(installer="uv").installer == "uv"
"""


def test_what_is_left_out_is_there_when_it_is_used() -> None:
    """Dates in TOML, its errors, and programs that are talked to in text."""
    command = [sys.executable, "-I", "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
