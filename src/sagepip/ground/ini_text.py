"""Sections of options, as ``entry_points.txt`` has them (entry points specification)."""

from __future__ import annotations

Sections = dict[str, dict[str, str]]


def read_sections(text: str) -> Sections:
    """Return the options of each section, as ``configparser`` understands them with ``=`` alone.

    That library takes as long to load as the interpreter takes to start; so what leaves no room for
    doubt is read without it.

    Args:
        text: the whole file.

    Raises:
        ValueError: it is not of that form.
    """
    found = _plain_sections(text)
    if found is not None:
        return found
    from configparser import ConfigParser, Error

    parser = ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except Error as error:
        raise ValueError(str(error)) from error
    return {section: dict(parser.items(section)) for section in parser.sections()}


def _plain_sections(text: str) -> Sections | None:
    """Return the sections, or None where there is anything but headings, options and comments."""
    found: Sections = {}
    options: dict[str, str] | None = None
    for whole in text.split("\n"):
        line = whole.strip()
        if not line or line[0] in "#;":
            continue
        if whole[0].isspace():  # it goes on with the line before
            return None
        if line[0] == "[":
            heading = line[1:-1]
            odd = not line.endswith("]") or not heading or "[" in heading or "]" in heading
            if odd or heading in found or heading == "DEFAULT":
                return None
            options = found[heading] = {}
            continue
        name, equals, value = line.partition("=")
        name, value = name.rstrip(), value.lstrip()
        if options is None or not (name and equals and value) or name in options:
            return None
        options[name] = value
    return found
