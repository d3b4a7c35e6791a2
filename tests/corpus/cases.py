"""What a case of the corpus is: a wheel, where the case comes from, and what must become of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.corpus.raw_zip import Entry, write_zip
from tests.wheels import digest

Content = bytes | str
Rows = list[tuple[str, str, str]]

MODULE: Mapping[str, Content] = {"bad.py": "x = 1\n"}
GOOD_WHEEL = "Wheel-Version: 1.0\nGenerator: corpus\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@dataclass(frozen=True)
class Wheel:
    """A wheel to be written.

    ``{info}`` and ``{data}`` in names stand for its dist-info and ``.data`` directory, ``{around}``
    for the directory that holds the target, ``{xy}`` for the version of Python.

    Attributes:
        files: the members besides the dist-info.
        name: the project's name in the file name.
        version: the version there.
        tag: the tags there.
        file_name: the whole file name, if it is another.
        metadata: METADATA; None leaves it out.
        more_metadata: fields that are added to a good METADATA.
        wheel: WHEEL; None leaves it out.
        entry_points: entry_points.txt; empty leaves it out.
        info: the dist-info directory.
        data: the ``.data`` directory.
        modes: the modes of members that are not plain files, or scripts that may be run.
        record: makes the text of RECORD of the right rows; its answer None leaves it out.
        entries: changes the entries of the zip file.
        archive: writes the zip file.
    """

    files: Mapping[str, Content] = field(default_factory=lambda: MODULE)
    name: str = "bad"
    version: str = "1"
    tag: str = "py3-none-any"
    file_name: str = ""
    metadata: Content | None = ""
    more_metadata: str = ""
    wheel: Content | None = GOOD_WHEEL
    entry_points: Content = ""
    info: str = "bad-1.dist-info"
    data: str = "bad-1.data"
    modes: Mapping[str, int] = field(default_factory=dict)
    record: Callable[[Rows], Content | None] = field(default_factory=lambda: record_text)
    entries: Callable[[list[Entry]], list[Entry]] = field(default_factory=lambda: list)
    archive: Callable[[list[Entry]], bytes] = field(default_factory=lambda: write_zip)

    def members(self, around: str, xy: str) -> dict[str, bytes]:
        """Return name and content of all members but RECORD."""

        def filled(name: str) -> str:
            values = {"info": self.info, "data": self.data, "around": around, "xy": xy}
            return re.sub(r"\{(info|data|around|xy)\}", lambda found: values[found[1]], name)

        members = {filled(name): _bytes(text) for name, text in self.files.items()}
        members = {
            name: filled(text.decode()).encode() if b"{around}" in text else text
            for name, text in members.items()
        }
        good = f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n"
        if self.metadata is not None:
            text = _bytes(self.metadata) or (good + self.more_metadata).encode()
            members[f"{self.info}/METADATA"] = text
        if self.wheel is not None:
            members[f"{self.info}/WHEEL"] = _bytes(self.wheel)
        if self.entry_points:
            members[f"{self.info}/entry_points.txt"] = _bytes(self.entry_points)
        return members

    def _mode(self, name: str) -> int:
        usual = 0o100755 if name.startswith(f"{self.data}/scripts/") else 0o100644
        return self.modes.get(name.replace(self.data, "{data}"), usual)

    def write(self, directory: Path, around: Path, xy: str) -> Path:
        """Write the wheel into a directory and return its path."""
        members = self.members(str(around), xy)
        listed = {name: text for name, text in members.items() if not name.endswith("/")}
        rows = [(name, digest(text), str(len(text))) for name, text in listed.items()]
        record = self.record([*rows, (f"{self.info}/RECORD", "", "")])
        if record is not None:
            members[f"{self.info}/RECORD"] = _bytes(record)
        entries = [Entry(name, text, mode=self._mode(name)) for name, text in members.items()]
        directory.mkdir(parents=True, exist_ok=True)
        name = self.file_name or f"{self.name}-{self.version}-{self.tag}.whl"
        path = directory / name
        path.write_bytes(self.archive(self.entries(entries)))
        return path


@dataclass(frozen=True)
class Installed:
    """A file that an installation must have made.

    Attributes:
        content: of it; None for any.
        tail: only the end counts: the first line was to be replaced.
        executable: whether it must be executable.
    """

    content: bytes | None
    tail: bool = False
    executable: bool = False

    def matches(self, content: bytes, mode: int) -> bool:
        """Whether a file is as it must be; setuid, setgid and sticky bits never are."""
        if mode & 0o7000 or (self.executable and not mode & 0o100):
            return False
        if self.content is None:
            return True
        if self.tail:
            return content.endswith(b"\n" + self.content) and b"#!python" not in content
        return content == self.content


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        name: what is odd about it.
        source: the section of a specification, the CVE, or the issue that it comes from.
        wheel: the wheel.
        refused: what the refusal says (a regular expression); empty if it must be installed.
        choice: the refusal is sagepip's choice; another tool may install it.
        scripts: the names of scripts that its entry points become, if it is installed.
        absent: members that are not installed.
        make: makes something else than a file of the wheel's (a directory, a pipe).
        dependencies: look at its dependencies too.
        slow: too slow for the test suite; ``make input-table`` runs it.
    """

    name: str
    source: str
    wheel: Wheel
    refused: str = ""
    choice: bool = False
    scripts: Sequence[str] = ()
    absent: Sequence[str] = ()
    make: Callable[[Path], None] | None = None
    dependencies: bool = False
    slow: bool = False

    def write(self, directory: Path, around: Path, xy: str) -> Path:
        """Write the wheel and return its path."""
        path = self.wheel.write(directory, around, xy)
        if self.make is not None:
            self.make(path)
        return path

    def expected(self, around: Path, xy: str) -> dict[str, Installed]:
        """Return what an installation makes, by path below the prefix (see :func:`place`)."""
        wheel = self.wheel
        site = f"lib/python{xy}/site-packages"
        found: dict[str, Installed] = {}
        for name, text in wheel.members(str(around), xy).items():
            parts = name.split("/")
            if name.endswith("/") or "__pycache__" in parts[:-1] or name in self.absent:
                continue
            if parts[-1] in ("INSTALLER", "REQUESTED", "direct_url.json") and len(parts) == 2:
                continue
            if parts[0] != wheel.data:
                found[f"{site}/{name}"] = Installed(text)
                continue
            inner = "/".join(parts[2:])
            if parts[1] == "scripts":
                first, _, rest = text.partition(b"\n")
                rewritten = first.startswith(b"#!python")
                found[f"bin/{inner}"] = Installed(rest if rewritten else text, rewritten, True)
            elif parts[1] == "headers":
                found[f"include/{wheel.name}/{inner}"] = Installed(text)
            elif parts[1] == "data":
                found[inner] = Installed(text)
            else:
                found[f"{site}/{inner}"] = Installed(text)
        found.update({f"bin/{name}": Installed(None, executable=True) for name in self.scripts})
        return found


def place(path: str) -> str:
    """Return a path below the prefix with what tools do differently taken out: where headers go."""
    if path.startswith("include/") and "/bad/" in path:
        return "include/bad/" + path.split("/bad/", 1)[1]
    return path


def record_text(rows: Rows) -> str:
    """Write rows as a RECORD."""
    import csv
    import io

    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()


def altered(change: Callable[[Entry], Entry], name: str = "bad.py") -> Callable[..., list[Entry]]:
    """Return what changes the one entry of a name."""

    def entries(found: list[Entry]) -> list[Entry]:
        assert any(one.name == name for one in found)
        return [change(one) if one.name == name else one for one in found]

    return entries


def entry_with(name: str = "bad.py", **values: object) -> Callable[..., list[Entry]]:
    """Return what sets attributes of the one entry of a name."""
    return altered(lambda one: replace(one, **values), name)  # type: ignore[arg-type]


def _bytes(value: Content) -> bytes:
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
