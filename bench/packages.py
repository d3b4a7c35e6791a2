"""The packages of the demo: what is built from source, and the wheels to build with."""

from __future__ import annotations

from dataclasses import dataclass

from bench.environment import Pin


@dataclass(frozen=True)
class Source:
    """A project that is built from its source archive.

    Attributes:
        pin: which version.
        backend: what builds it, for the table.
        modules: what must be importable afterwards.
    """

    pin: Pin
    backend: str
    modules: tuple[str, ...]


def _source(pin: str, backend: str, *modules: str) -> Source:
    return Source(Pin.parse(pin), backend, modules)


SOURCES = (
    # The slowest first, as a good make would.
    _source("msgpack==1.2.4", "setuptools, C", "msgpack", "msgpack._cmsgpack"),
    _source("wrapt==2.5.2", "setuptools, C", "wrapt", "wrapt._wrappers"),
    _source("markupsafe==3.0.4", "setuptools, C", "markupsafe", "markupsafe._speedups"),
    _source("pytest==9.2.0", "setuptools_scm", "pytest", "_pytest.pathlib"),
    _source("pygments==2.21.0", "hatchling", "pygments", "pygments.lexers"),
    _source("attrs==26.1.0", "hatchling, 2 plugins", "attr", "attrs"),
    _source("urllib3==2.8.0", "hatchling, hatch-vcs", "urllib3"),
    _source("charset-normalizer==3.5.2", "its own, setuptools", "charset_normalizer"),
    _source("rich==15.0.0", "poetry-core", "rich.console", "rich.markdown"),
    _source("tomlkit==0.15.2", "poetry-core", "tomlkit"),
    _source("poetry-core==2.5.0", "itself", "poetry.core.masonry.api"),
    _source("iniconfig==2.3.1", "setuptools_scm", "iniconfig"),
    _source("pluggy==1.7.0", "setuptools_scm", "pluggy"),
    _source("six==1.17.0", "setuptools", "six"),
    _source("jinja2==3.1.6", "flit_core 3", "jinja2", "jinja2.ext"),
    _source("markdown-it-py==4.3.0", "flit_core 4", "markdown_it"),
    _source("mdurl==0.1.2", "flit_core 3", "mdurl"),
    _source("packaging==26.3", "flit_core 4", "packaging.version"),
)
"""Their runtime requirements are all among them, so that ``pip check`` has nothing to say."""

BUILD_REQUIREMENTS = tuple(
    map(
        Pin.parse,
        (
            # Two versions of some: charset-normalizer and the older flit projects set limits.
            "setuptools==84.2.1",
            "setuptools==84.0.0",
            "flit_core==4.2.0",
            "flit_core==3.12.0",
            "wheel==0.48.0",
            "setuptools_scm==10.3.4",
            "vcs_versioning==2.6.0",
            "packaging==26.3",
            "hatchling==1.33.0",
            "hatch_vcs==0.5.0",
            "hatch_fancy_pypi_readme==25.1.0",
            "pluggy==1.7.0",
            "pathspec==1.1.1",
            "trove_classifiers==2026.9.21.13",
            "poetry_core==2.5.0",
            "tomlkit==0.15.2",
            "typing_extensions==4.16.0",
        ),
    )
)
