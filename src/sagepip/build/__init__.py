"""Build environments, the wheelhouse and PEP 517 hooks."""
