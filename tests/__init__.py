"""Tests of sagepip."""
