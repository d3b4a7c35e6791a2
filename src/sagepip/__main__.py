"""``python -m sagepip``: the same as the ``sagepip`` command."""

import sys

from sagepip.cli.main import sagepip

sys.exit(sagepip())
