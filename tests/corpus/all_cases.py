"""All cases, by what is odd about them."""

from __future__ import annotations

from collections.abc import Mapping

from tests.corpus import (
    wheels_archive,
    wheels_metadata,
    wheels_paths,
    wheels_record,
    wheels_schemes,
    wheels_scripts,
)
from tests.corpus.cases import Case

GROUPS: Mapping[str, tuple[Case, ...]] = {
    "paths": wheels_paths.CASES,
    "zip file": wheels_archive.CASES,
    "RECORD": wheels_record.CASES,
    "metadata": wheels_metadata.CASES,
    "schemes": wheels_schemes.CASES,
    "scripts": wheels_scripts.CASES,
}
CASES = {f"{group}: {case.name}": case for group, cases in GROUPS.items() for case in cases}
