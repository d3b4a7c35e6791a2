"""What tests of whole commands share: a way to run them, and a virtual environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.environment import VirtualEnvironment
from bench.pyz import make as make_pyz

from sagepip.ground.destination import Destination, find_destination
from sagepip.ground.target_python import TargetPython
from tests.e2e.backend_projects import fetch_backends
from tests.e2e.commands import Terminal
from tests.e2e.sage_trees import SageTree, adopt, unpack_sage_root


@pytest.fixture(scope="session")
def venv(tmp_path_factory: pytest.TempPathFactory) -> VirtualEnvironment:
    """A virtual environment without pip; tests that share it use projects of their own."""
    return VirtualEnvironment.create(tmp_path_factory.mktemp("shared") / "venv")


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """A terminal whose settings do not depend on the machine's."""
    return Terminal(tmp_path)


@pytest.fixture
def bare_site(tmp_path: Path) -> Destination:
    """A prefix of its own for the running interpreter; nothing is there yet."""
    return find_destination(TargetPython.running(), prefix=str(tmp_path / "prefix"))


@pytest.fixture(scope="session")
def backend_wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheelhouse with what :mod:`tests.e2e.backend_projects` needs; from the package index."""
    return fetch_backends(tmp_path_factory.mktemp("backend-wheels"))


@pytest.fixture(scope="session")
def pyz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip application."""
    path = tmp_path_factory.mktemp("pyz") / "sagepip.pyz"
    make_pyz(path)
    return path


@pytest.fixture(scope="session")
def adopted(tmp_path_factory: pytest.TempPathFactory, pyz: Path) -> Path:
    """An adopted tree of Sage that tests share; what they add to it has names of its own."""
    return adopt(unpack_sage_root(tmp_path_factory.mktemp("adopted")), pyz)


@pytest.fixture
def tree(adopted: Path, terminal: Terminal) -> SageTree:
    """The adopted tree, with an installation of the test's own."""
    return SageTree(adopted, terminal)
