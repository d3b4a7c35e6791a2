"""A reader that takes no lock, while one distribution is upgraded and downgraded all the time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from bench.observer import observe
from bench.observing import sizes_of

from sagepip.ground.destination import find_destination
from sagepip.ground.target_python import TargetPython
from tests.crash.strace import clean_environment
from tests.wheels import make_wheel

UPGRADES = int(os.environ.get("READER_UPGRADES", "150"))
CHANGER = """
import sys
from sagepip.ground.destination import find_destination
from sagepip.ground.target_python import TargetPython
from sagepip.operations.install import install
from sagepip.operations.request import InstallRequest
from sagepip.operations.targets import WheelFile
prefix, count, *wheels = sys.argv[1:]
destination = find_destination(TargetPython.running(), prefix=prefix)
for number in range(int(count)):
    target = WheelFile(wheels[number % len(wheels)])
    install(InstallRequest((target,), destination, no_deps=True, force_reinstall=True))
"""


def test_reader_never_sees_it_torn_or_absent(tmp_path: Path) -> None:
    """Whatever changes between two versions, each instant has one that is whole (G1, G2)."""
    shared = {"pkg/same.py": "S = 1\n", "pkg/deep/er/x.py": "", "space/pkg.py": ""}
    one = make_wheel(
        tmp_path,
        "pkg",
        "1",
        {**shared, "pkg/__init__.py": "V = 1\n", "pkg/only_one.py": "", "one.py": ""},
        entry_points="[console_scripts]\npkg = pkg:main\nonly-one = pkg.only_one:main\n",
    )
    two = make_wheel(
        tmp_path,
        "pkg",
        "2",
        {**shared, "pkg/__init__.py": "V = 22\n", "pkg/new/only_two.py": "", "two.py": ""},
        entry_points="[console_scripts]\npkg = pkg:main\nonly-two = pkg.new.only_two:main\n",
    )
    neighbour = make_wheel(tmp_path, "beside", "1", {"space/beside.py": ""})
    prefix = str(tmp_path / "prefix")
    command = [sys.executable, "-c", CHANGER, prefix]
    environment = clean_environment()
    for words in (["1", str(neighbour)], ["1", str(one)]):
        subprocess.run([*command, *words], env=environment, check=True)
    site = Path(find_destination(TargetPython.running(), prefix=prefix).site)
    sizes, names = sizes_of([one, two])
    torn: Counter[str] = Counter()
    looks = 0
    words = [str(UPGRADES), str(two), str(one)]
    with subprocess.Popen([*command, *words], env=environment) as changer:
        while changer.poll() is None:
            looks += 1
            for one_torn in observe(site, "pkg", sizes=sizes, known=names).torn:
                torn[f"{one_torn.kind}: {one_torn.detail}"] += 1
        assert changer.returncode == 0
    assert torn == Counter()
    assert looks > UPGRADES
