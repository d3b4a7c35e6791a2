"""JSON, read and written as by ``json``, without the regular expressions that come with that.

What does the work there is in C, and is asked here without them.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes a while to load
if TYPE_CHECKING:
    from json import dumps, loads
else:
    _BLANKS = " \t\n\r"

    class _Rules:
        """How the standard library reads if nobody says anything else."""

        strict = True
        object_hook = object_pairs_hook = None
        parse_float = float
        parse_int = int
        parse_constant = {
            "-Infinity": float("-inf"),
            "Infinity": float("inf"),
            "NaN": float("nan"),
        }.__getitem__
        memo = {}  # noqa: RUF012

    def _refuse(value):
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")

    try:
        from _json import encode_basestring_ascii, make_encoder, make_scanner

        _scan = make_scanner(_Rules)

        def _encoder():
            return make_encoder(
                {}, _refuse, encode_basestring_ascii, None, ": ", ", ", False, False, True
            )

        _works = _scan("[1]", 0) == ([1], 3) and "".join(_encoder()([1], 0)) == "[1]"
    except (ImportError, AttributeError, TypeError):
        _works = False  # an interpreter that has them not, or other ones

    if _works:

        def dumps(value):
            """Return a value as text: see :func:`json.dumps`."""
            if isinstance(value, str):
                return encode_basestring_ascii(value)
            return "".join(_encoder()(value, 0))

        def loads(text):
            """Return what a text stands for: see :func:`json.loads`."""
            given = text
            if isinstance(text, bytes) and text[:1] in b"{[" and text[1:2] != b"\0":
                text = text.decode("utf-8", "surrogatepass")
            if isinstance(text, str):
                start = len(text) - len(text.lstrip(_BLANKS))
                try:
                    value, end = _scan(text, start)
                    if not text[end:].strip(_BLANKS):
                        return value
                except (StopIteration, SystemError, ValueError):
                    pass  # what is wrong says json; where that is not loaded, Python 3.11 does not
            from json import loads as read

            return read(given)

    else:
        from json import dumps, loads


__all__ = ["dumps", "loads"]
