"""What tests of whole commands share: a way to run them, and a virtual environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.environment import VirtualEnvironment

from sagepip.ground.destination import Destination, find_destination
from sagepip.ground.target_python import TargetPython
from tests.e2e.backend_projects import fetch_backends
from tests.e2e.commands import Terminal


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
