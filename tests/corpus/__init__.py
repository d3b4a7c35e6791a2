"""Hostile and odd wheels, built by code, each with its source and what must become of it.

``cases.py`` says what a case is; the modules ``wheels_*.py`` hold the cases, by what is odd about
them; ``arena.py`` makes the tree around a target that no case may change, and tells what changed.
``tests/conformance/test_wheel_corpus.py`` runs them in-process; ``bench/input_table.py`` runs them
through other installers too, and writes ``docs/input.md``.
"""
