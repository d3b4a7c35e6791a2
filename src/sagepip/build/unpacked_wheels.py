"""Wheels unpacked once, for all build environments that hold them.

A wheel lies as it will in an environment, scripts excepted: these begin with a placeholder for the
environment's interpreter.
"""

from __future__ import annotations

import os

from sagepip.build.cache_notes import mark_used
from sagepip.build.hashes import file_digest
from sagepip.build.members import ChangedMember, describe
from sagepip.build.tree_stamps import find_change, seal
from sagepip.build.virtual_environment import destination_inside
from sagepip.ground.errors import BuildError
from sagepip.ground.filesystem import is_real_directory
from sagepip.ground.light_dataclass import dataclass
from sagepip.ground.target_python import TargetPython

# No interpreter has this path; short, or the shell would be asked to start it.
PLACEHOLDER = "/@sagepip-environment@/bin/python"


@dataclass(frozen=True)
class WheelMember:
    """A wheel whose distribution a build environment holds.

    Attributes:
        name: of the project.
        version: of it.
        sha256: the digest of the wheel, in hexadecimal.
        wheel: the path of the wheel.
    """

    name: str
    version: str
    sha256: str
    wheel: str

    @property
    def key(self) -> str:
        """What tells its contents from others'."""
        return self.sha256

    def unpack(self, tree: str, python: TargetPython) -> None:
        """Unpack the wheel, and write down what its tree consists of.

        Args:
            tree: the directory to make.
            python: the interpreter that it is for.

        Raises:
            ChangedMember: its digest is another: another wheel has come under its name.
            BuildError: it cannot be written.
            TargetError: the wheel is damaged, hostile, or not for the interpreter.
        """
        from sagepip.staging.unpack import unpack_wheel

        try:
            os.mkdir(tree)
            unpack_wheel(self.wheel, destination_inside(tree, PLACEHOLDER, python))
            # Every member was compared with the wheel's RECORD; now that it is the right RECORD.
            if file_digest(self.wheel) != self.sha256:
                raise ChangedMember(self.wheel)
            seal(tree, describe([self]))
        except FileNotFoundError as error:
            if error.filename == self.wheel:
                raise ChangedMember(self.wheel) from error
            raise self._cannot_unpack(error) from error
        except OSError as error:
            raise self._cannot_unpack(error) from error

    def _cannot_unpack(self, error: OSError) -> BuildError:
        return BuildError(
            f"cannot unpack {self.wheel} for builds: {error.strerror}: {error.filename}",
            advice="is there space in the cache (SAGEPIP_CACHE_DIR) and where TMPDIR says?",
        )


def is_sound(tree: str) -> bool:
    """Whether an unpacked member is there and as it was made; notes that it was used."""
    if not is_real_directory(tree) or find_change(tree):
        return False
    mark_used(tree)
    return True
