"""The target interpreter, schemes, destinations, file-system primitives and errors."""
