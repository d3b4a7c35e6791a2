"""A quick look for some projects finds what a look at every name finds."""

from __future__ import annotations

import csv
import io
import os
import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st

from sagepip.ground.project_names import canonical_name
from sagepip.transaction.installed import find_installed, list_installed
from sagepip.transaction.record import BadRecord, parse_record
from tests.property.test_records import EXAMPLES

STEMS = st.text("aAbK-_.1\u017f\u00e9", min_size=1, max_size=6)
ENTRIES = st.tuples(
    STEMS, st.sampled_from([".dist-info", ".egg-info", ".egg-link", "-py3.egg-info"])
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(ENTRIES, max_size=6), st.lists(STEMS, max_size=3))
def test_like_a_look_at_every_name(entries: list[tuple[str, str]], names: list[str]) -> None:
    """However names are spelt, the same distributions are found, in the same order."""
    with tempfile.TemporaryDirectory() as site:
        for stem, extension in entries:
            os.makedirs(os.path.join(site, stem + extension), exist_ok=True)
        # Also the very names that are there.
        for asked in (names, [stem.partition("-")[0] for stem, _ in entries]):
            wanted = {canonical_name(name) for name in asked}
            every = [one for one in list_installed([site]) if one.name in wanted]
            assert find_installed([site], asked) == every


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.text('a/,\n\r"1é ', max_size=30))
def test_rows_without_quotes_are_read_as_csv(text: str) -> None:
    """What is split at commas is what csv makes of it."""
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    try:
        found = [
            [one.path, one.digest, "" if one.size is None else str(one.size)]
            for one in parse_record(text)
        ]
    except BadRecord:
        assert any(len(row) != 3 or not row[0] or not row[2].isdecimal() for row in rows)
    else:
        assert found == [[*row[:2], row[2].lstrip("0") or row[2][:1]] for row in rows]
