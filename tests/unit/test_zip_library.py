"""The code page of names in zip files, whose table is loaded when it is used."""

from __future__ import annotations

import subprocess
import sys

SHOW = """
import sys
from sagepip.staging import zip_library
def loaded():
    return "encodings.cp437" in sys.modules
print(loaded(), b"abc/d.py".decode("cp437"), loaded())
every = bytes(range(256))
text = every.decode("cp437")
print(loaded(), text.encode("IBM437") == every, b"\\x81a".decode("437"))
from encodings import cp437
print(text == cp437.decoding_table, every.decode("cp437", "ignore") == text)
import codecs, io
print(codecs.getincrementaldecoder("cp437")().decode(every) == text)
print(codecs.getincrementalencoder("cp437")().encode(text) == every)
print(io.TextIOWrapper(io.BytesIO(every), "cp437", newline="").read() == text)
print(codecs.getreader("cp437")(io.BytesIO(every)).read() == text, codecs.lookup("cp437").name)
try:
    "\\u4e00".encode("cp437")
except UnicodeEncodeError as error:
    print(error.encoding)
"""


def test_the_code_page() -> None:
    """ASCII needs no table; everything else is as ever."""
    done = subprocess.run(
        [sys.executable, "-c", SHOW], capture_output=True, text=True, check=True, encoding="utf-8"
    )
    assert done.stdout.splitlines() == [
        "False abc/d.py False",
        "True True üa",
        "True True",
        "True",
        "True",
        "True",
        "True cp437",
        "charmap",
    ]
