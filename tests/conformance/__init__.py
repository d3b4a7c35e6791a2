"""Tests of one kind; see docs/testing.md."""
