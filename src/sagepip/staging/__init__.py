"""A wheel becomes a staged distribution."""
