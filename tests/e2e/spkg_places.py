"""What the tests of ``sagepip spkg`` share: recipes of their own, a prefix, and the command."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tests.e2e.commands import Terminal
from tests.wheels import make_wheel

INSTALL = (
    "sdh_check_vars SAGE_LOCAL SAGE_DESTDIR PKG_NAME PKG_BASE PKG_VERSION\n"
    'mkdir -p "$SAGE_DESTDIR$SAGE_LOCAL/share/$PKG_BASE"\n'
    'echo "$PKG_VERSION" > "$SAGE_DESTDIR$SAGE_LOCAL/share/$PKG_BASE/$PKG_VERSION"\n'
)


def recipe(recipes: Path, name: str, *, version: str = "1", needs: str = "", script: str) -> Path:
    """Write the recipe of a script package."""
    directory = recipes / name
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "type").write_text("standard\n")
    (directory / "package-version.txt").write_text(f"{version}\n")
    (directory / "dependencies").write_text(f"{needs}\n\nignored: $(NOTHING) nonesuch\n")
    (directory / "spkg-install.in").write_text(script)
    return directory


class Place:
    """A prefix, recipes, and the command on them."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.prefix = terminal.where / "prefix"
        self.recipes = terminal.where / "recipes"
        self.upstream = terminal.where / "upstream"
        self.upstream.mkdir()

    def words(self, action: str, *words: str) -> list[str]:
        """Return the words of a command line."""
        where = ["--prefix", self.prefix, "--recipes", self.recipes, "--upstream", self.upstream]
        return ["spkg", action, *map(str, where), "--no-index", *words]

    def spkg(self, action: str, *words: str, status: int = 0) -> tuple[str, str]:
        """Run an action; return what it printed."""
        done = self.terminal.run("sagepip", *self.words(action, *words), status=status)
        return done.stdout, done.stderr

    def wheel(self, name: str, version: str, files: dict[str, str]) -> None:
        """Make a wheel and the recipe of a package that is this wheel and a file in ``share``."""
        wheel = make_wheel(self.upstream, name, version, files)
        script = "sage-pip-install dist/*.whl || sdh_die\n" + INSTALL
        directory = recipe(self.recipes, name, version=version, script=script)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        (directory / "checksums.ini").write_text(f"tarball={wheel.name}\nsha256={digest}\n")

    @property
    def records(self) -> Path:
        """The directory of the records."""
        return self.prefix / "var/lib/sage/installed"

    def record(self, name: str) -> Path:
        """Return the record of a package."""
        (record,) = self.records.glob(f"{name}-*")
        return record

    def untrue_claims(self) -> list[str]:
        """Return what records list and is not there."""
        return [
            f"{record.name}: {one}"
            for record in self.records.glob("[!.]*")
            for one in json.loads(record.read_text())["files"]
            if not (self.prefix / one).exists()
        ]
