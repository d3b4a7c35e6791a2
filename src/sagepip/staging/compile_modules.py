"""Compile modules in the interpreter that runs this file; standard library only.

The source of this module is also sent to another interpreter (``python -I -c SOURCE run``).
"""

import json
import py_compile
import sys
import warnings

MARK = "sagepip-compiled:"


def compile_all(jobs):  # type: (list[tuple[str, str, str]]) -> list[str]
    """Compile each (source, bytecode, path to embed); return the sources that compiled.

    With SOURCE_DATE_EPOCH set, the bytecode holds the hash of its source instead of its time
    (PEP 552), as py_compile decides by itself.
    """
    compiled = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for source, bytecode, embedded in jobs:
            try:
                py_compile.compile(source, bytecode, embedded, doraise=True)
            except NotADirectoryError:  # a file named __pycache__
                continue
            except OSError:
                raise  # a full disk is no matter of syntax
            except Exception:  # whatever a module makes the compiler say, it is left as source
                continue
            compiled.append(source)
    return compiled


if __name__ == "__main__" and sys.argv[1:] == ["run"]:
    print("\n" + MARK + json.dumps(compile_all(json.load(sys.stdin))))  # noqa: T201
