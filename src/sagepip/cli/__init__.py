"""Parsers, messages and exit statuses: a thin shell over the operations."""
