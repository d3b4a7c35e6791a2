"""Modules that a library imports and that are imported only when they are used."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from email.parser import Parser
from importlib import import_module
from pathlib import Path

import pytest

from sagepip.ground.deferred_modules import DeferredModules, deferred_call
from sagepip.staging.installer_library import _WheelReader

LIBRARY = """
import heavy
from heavy_package.part import Thing, work

def use():
    return work(2), Thing.name, heavy.value
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with modules that can be imported."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    (tmp_path / "heavy.py").write_text("value = 3\n")
    (tmp_path / "heavy_package").mkdir()
    (tmp_path / "heavy_package" / "__init__.py").write_text("")
    (tmp_path / "heavy_package" / "part.py").write_text(
        "class Thing:\n    name = 'thing'\n\ndef work(x):\n    return x + 1\n\nother = 5\n"
    )
    (tmp_path / "library.py").write_text(LIBRARY)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def loaded() -> set[str]:
    """Return which of the heavy modules are loaded."""
    return {"heavy", "heavy_package.part"} & set(sys.modules)


def deferred(library: str = "library") -> DeferredModules:
    return DeferredModules(
        library, {"heavy": {}, "heavy_package.part": {"Thing": None, "work": None}}
    )


def test_imported_when_used(modules: Path) -> None:
    """Nothing is imported before it is used, and then it does what it always does."""
    with deferred():
        library = import_module("library")
    assert loaded() == set()
    assert library.use() == (3, "thing", 3)
    assert loaded() == {"heavy", "heavy_package.part"}
    assert library.use() == (3, "thing", 3)


def test_others_get_the_module_itself(modules: Path) -> None:
    """Who imports a module afterwards gets it, and so does who goes by way of its package."""
    with deferred():
        import_module("library")
        package = import_module("heavy_package")
        assert package.part.other == 5
    heavy = import_module("heavy")
    assert heavy.__file__ == str(modules / "heavy.py")
    assert "Thing" in vars(import_module("heavy_package.part"))
    assert package.part is sys.modules["heavy_package.part"]


def test_what_was_loaded_stays(modules: Path) -> None:
    """A module that is there already is used as it is."""
    heavy = import_module("heavy")
    with deferred():
        assert import_module("library").heavy is heavy
    assert sys.modules["heavy"] is heavy


def test_a_name_that_was_not_expected(modules: Path) -> None:
    """A library that imports another name gets it, by importing the module at once."""
    (modules / "library.py").write_text("from heavy_package.part import other\n")
    with deferred():
        assert import_module("library").other == 5
    assert loaded() == {"heavy_package.part"}


def test_a_name_that_is_not_there(modules: Path) -> None:
    """It is missing as ever."""
    (modules / "library.py").write_text(
        "try:\n    from heavy import absent\nexcept ImportError as error:\n    text = str(error)\n"
    )
    with deferred():
        assert "absent" in import_module("library").text


def test_a_class_derived_from_what_is_deferred(modules: Path) -> None:
    """It is derived from the class itself."""
    (modules / "library.py").write_text(
        "from heavy_package.part import Thing\nclass Own(Thing):\n    pass\n"
    )
    with deferred():
        assert import_module("library").Own.name == "thing"


def test_a_library_for_which_that_is_no_way(modules: Path) -> None:
    """One that does more with a name is imported again, without anything in place of it."""
    (modules / "library.py").write_text(
        "from heavy_package.part import Thing\nfound = Thing | None\n"
    )
    with deferred():
        import_module("library")
    assert not {"library", *loaded()} & set(sys.modules)
    assert repr(import_module("library").found).endswith("Thing | None")


def test_an_interrupt_is_none_of_its_business(modules: Path) -> None:
    """What is no error goes on."""
    with pytest.raises(KeyboardInterrupt), deferred():
        raise KeyboardInterrupt
    assert loaded() == set()


INSTALLER = """
import sys
from sagepip.staging import installer_library
unused = {"email.message", "email.parser", "configparser", "csv", "inspect", "dataclasses"}
unused |= {"hashlib", "importlib.resources", "shutil", "bz2", "lzma", "tempfile", "base64"}
if sys.version_info < (3, 14):
    assert not unused & set(sys.modules), unused & set(sys.modules)
assert not [one for one in sys.modules.values() if type(one).__name__ == "_StandIn"]

import io
from installer import records, scripts, utils
FOO = "sha256=LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564"
row = records.RecordEntry.from_elements("a.py", FOO, "3")
assert row.validate_stream(io.BytesIO(b"foo")) and not row.validate_stream(io.BytesIO(b"fox"))
assert repr(row).startswith("RecordEntry(path='a.py', hash_=Hash(name='sha256', value='LCa0a2j")
assert row == records.RecordEntry("a.py", row.hash_, 3) != records.RecordEntry("a.py", None, 3)
try:
    records.RecordEntry.from_elements("", "", "x")
except records.InvalidRecordEntry as error:
    assert str(error) == "`path` cannot be empty, `size` cannot be non-integer"
stream = utils.construct_record_file([(utils.Scheme("purelib"), row)])
assert stream.read().startswith(b"a.py,sha256=LCa")
found = list(utils.parse_entrypoints("[console_scripts]\\nx = a.b:c.d"))
assert found == [("x", "a.b", "c.d", "console")]
assert b"from a.b import c" in scripts.Script(*found[0]).generate("/bin/python", "posix")[1]
assert scripts.Script(*found[0]).generate("/bin/python", "win-amd64")[1].startswith(b"MZ")
from email.parser import FeedParser
assert FeedParser.__module__ == "email.feedparser"
"""


def test_installer_is_whole() -> None:
    """It is loaded without what it does not need here, and does all that it can."""
    done = subprocess.run(
        [sys.executable, "-c", INSTALLER], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n",
        "Wheel-Version: 1.0\nRoot-Is-Purelib: false\n",
        "wheel-version:1.0\nROOT-IS-PURELIB: true\nTag: a\nTag: b\n\nbody\nRoot-Is-Purelib: no\n",
        "Wheel-Version: 1.0\n no field\nthis is none: \x00\nRoot-Is-Purelib: true\n",
        "",
    ],
)
def test_wheel_is_read_as_email_reads_it(text: str) -> None:
    """The fields are those that the parser of e-mail finds."""
    expected = Parser().parsestr(text)
    reader = _WheelReader(policy=None)
    for part in text.splitlines(keepends=True):
        reader.feed(part)
    found = reader.close()
    for name in ("Wheel-Version", "Root-Is-Purelib", "Tag", "absent"):
        assert found[name] == expected[name]


def test_a_call_that_need_not_be_made(modules: Path) -> None:
    """A function is called once something is asked of what it returns."""
    (modules / "heavy.py").write_text(
        "calls = []\ndef make(x):\n    calls.append(x)\n    return str"
    )
    (modules / "library.py").write_text("import heavy\nmade = heavy.make(3)\n")
    with DeferredModules("library", {"heavy": {"make": deferred_call("heavy", "make")}}):
        library = import_module("library")
    assert loaded() == set()
    assert library.made.upper("a") == "A"
    assert library.made(5) == "5"
    assert import_module("heavy").calls[0] == 3
