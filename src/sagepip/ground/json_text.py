"""JSON as the standard library writes it, without loading all of that.

``json`` brings in what reads JSON, and regular expressions, which a small change has no use for.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from json.encoder import encode_basestring_ascii as _quoted
else:

    def _quoted(text):
        if str.isascii(text) and text.isprintable() and '"' not in text and "\\" not in text:
            return f'"{text}"'
        from json.encoder import encode_basestring_ascii

        return encode_basestring_ascii(text)


_WORDS = {True: "true", False: "false", None: "null"}


def json_text(value: object) -> str:
    """Return a value as ``json.dumps`` would.

    Args:
        value: made of dictionaries with text for keys, lists, tuples, text, integers, truth values
            and None.

    Raises:
        TypeError: there is something else in it.
    """
    if isinstance(value, str):
        return _quoted(value)
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(json_text, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_quoted(key)}: {json_text(one)}' for key, one in value.items())}}}"
    raise TypeError(f"{type(value).__name__} is not written as JSON here")
