"""METADATA, WHEEL, file names, tags and Requires-Python: missing, wrong, or merely odd."""

from __future__ import annotations

from tests.corpus.cases import GOOD_WHEEL, MODULE, Case, Wheel

FORMAT = "binary distribution format"
NAMES = "binary distribution format: file name convention"
ONE = "binary distribution format: one .dist-info; pip #7487, uv #19987"
CORE = "core metadata specification"
VERSIONS = "core metadata: Metadata-Version; installers must refuse an unknown major version"
WHEEL_VERSION = "binary distribution format: check Wheel-Version"
RENAMED = "a wheel that was renamed"
GOOD = "Metadata-Version: 2.1\nName: bad\nVersion: 1\n"


def _says(text: str | bytes | None) -> Wheel:
    return Wheel(metadata=text)


def _needs(python: str) -> Wheel:
    return Wheel(more_metadata=f"Requires-Python: {python}\n")


def _replaced(field: str, value: str) -> Wheel:
    lines = [line for line in GOOD.splitlines() if not line.startswith(field + ":")]
    return Wheel(metadata="\n".join([*lines, value, ""]))


_METADATA_REFUSED = (
    Case("no METADATA", CORE, _says(None), "holds no .*METADATA"),
    Case("METADATA is not UTF-8", CORE, _says(b"\xff\xfe"), "METADATA is not UTF-8"),
    Case("METADATA without fields", CORE, _says("nothing\n"), "METADATA is of version unknown"),
    Case("no Metadata-Version", VERSIONS, _replaced("Metadata-Version", ""), "version unknown"),
    Case(
        "Metadata-Version 9.0",
        VERSIONS,
        _replaced("Metadata-Version", "Metadata-Version: 9.0"),
        "version 9.0",
    ),
    Case("no Name", CORE, _replaced("Name", ""), "METADATA is of no project"),
    Case("another name", RENAMED, _replaced("Name", "Name: good"), "METADATA is of good"),
    Case(
        "a name with a path",
        "CWE-22",
        _replaced("Name", "Name: ../bad"),
        r"METADATA is of \.\./bad",
    ),
    Case("two names", CORE, Wheel(more_metadata="Name: good\n"), "Name twice"),
    Case("no Version", CORE, _replaced("Version", ""), "METADATA says version"),
    Case("another version", RENAMED, _replaced("Version", "Version: 2"), "METADATA says version 2"),
    Case("two versions", CORE, Wheel(more_metadata="Version: 2\n"), "Version twice"),
    Case(
        "a version that is none",
        "version specifiers",
        Wheel(version="banana", info="bad-banana.dist-info", data="bad-banana.data"),
        "banana",
    ),
    Case(
        "a dependency that is none",
        "dependency specifiers",
        Wheel(more_metadata="Requires-Dist: !!\n"),
        "Requires-Dist|!!",
        dependencies=True,
    ),
    Case(
        "a dependency that nests 2,000 deep",
        "CWE-674",
        Wheel(more_metadata=f"Requires-Dist: x; {'(' * 2000}os_name == 'x'{')' * 2000}\n"),
        "Requires-Dist",
        dependencies=True,
    ),
    Case("Requires-Python leaves it out", CORE, _needs("<3"), "requires Python <3"),
    Case("Requires-Python of the future", CORE, _needs(">=4"), "requires Python >=4"),
    Case("Requires-Python that is none", CORE, _needs("three"), "bad Requires-Python", choice=True),
)

_LAYOUT_REFUSED = (
    Case("no WHEEL", FORMAT, Wheel(wheel=None), "holds no .*WHEEL"),
    Case("WHEEL is not UTF-8", FORMAT, Wheel(wheel=b"\xff\xfe"), "WHEEL is not UTF-8"),
    Case("WHEEL without fields", FORMAT, Wheel(wheel="nothing\n"), "Wheel-Version unknown"),
    Case("Wheel-Version 2.0", WHEEL_VERSION, Wheel(wheel="Wheel-Version: 2.0\n"), "Version 2.0"),
    Case("Wheel-Version 1", WHEEL_VERSION, Wheel(wheel="Wheel-Version: 1.x\n"), "Version 1.x"),
    Case("no dist-info", ONE, Wheel(info="bad-1.info"), r"no \.dist-info"),
    Case(
        "two dist-infos",
        ONE,
        Wheel({**MODULE, "other-2.dist-info/METADATA": "x"}),
        r"2 \.dist-info directories",
    ),
    Case(
        "a second dist-info in capitals",
        "importlib.metadata finds OTHER-2.DIST-INFO too",
        Wheel({**MODULE, "OTHER-2.DIST-INFO/METADATA": "Name: other\n"}),
        "metadata of another distribution|dist-info",
    ),
    Case("dist-info of another project", ONE, Wheel(info="good-1.dist-info"), "good-1.dist-info"),
    Case("dist-info of another version", ONE, Wheel(info="bad-2.dist-info"), "bad-2.dist-info"),
    Case("dist-info without a version", ONE, Wheel(info="bad.dist-info"), "bad.dist-info"),
    Case(
        "an egg-info of another project",
        "importlib.metadata finds it",
        Wheel({**MODULE, "other.egg-info/PKG-INFO": "Name: other\n"}),
        "metadata of another distribution",
    ),
    Case(
        "an egg-info that is a file",
        "importlib.metadata finds it",
        Wheel({**MODULE, "other.egg-info": "Name: other\n"}),
        "metadata of another distribution",
    ),
    Case("no tags in the file name", NAMES, Wheel(file_name="bad-1.whl"), "not the file name"),
    Case("two tags in it", NAMES, Wheel(file_name="bad-1-py3-none.whl"), "not the file name"),
    Case("seven parts", NAMES, Wheel(file_name="a-bad-1-1-py3-none-any.whl"), "not the file name"),
    Case(
        "a build tag that begins with a letter",
        NAMES,
        Wheel(file_name="bad-1-x1-py3-none-any.whl"),
        "not the file name",
    ),
    Case(
        "a name that is none",
        NAMES,
        Wheel(name="b@d", info="b@d-1.dist-info"),
        "not the file name",
    ),
    Case(
        "another name in the file name", RENAMED, Wheel(file_name="good-1-py3-none-any.whl"), "good"
    ),
    Case(
        "another version in it", RENAMED, Wheel(file_name="bad-2-py3-none-any.whl"), "bad-1|bad-2"
    ),
    Case("tags of another system", FORMAT, Wheel(tag="cp27-cp27m-win32"), "it is for cp27"),
    Case("tags of another processor", FORMAT, Wheel(tag="py3-none-linux_mips"), "it is for py3"),
    Case("a tag that does not exist", FORMAT, Wheel(tag="zz9-none-any"), "it is for zz9"),
)

_INSTALLED = (
    Case("Metadata-Version 1.0", VERSIONS, _replaced("Metadata-Version", "Metadata-Version: 1.0")),
    Case(
        "Metadata-Version 2.99", VERSIONS, _replaced("Metadata-Version", "Metadata-Version: 2.99")
    ),
    Case(
        "Wheel-Version 1.9",
        "binary distribution format: warn if the minor version is greater",
        Wheel(wheel=GOOD_WHEEL.replace("1.0", "1.9")),
    ),
    Case("WHEEL without tags", FORMAT, Wheel(wheel="Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")),
    Case("Root-Is-Purelib False", FORMAT, Wheel(wheel=GOOD_WHEEL.replace("true", "False"))),
    Case("Root-Is-Purelib True", FORMAT, Wheel(wheel=GOOD_WHEEL.replace("true", "True"))),
    Case("no Root-Is-Purelib", FORMAT, Wheel(wheel="Wheel-Version: 1.0\nTag: py3-none-any\n")),
    Case("METADATA with CRLF", CORE, _says(GOOD.replace("\n", "\r\n"))),
    Case("fields in lower case", CORE, _says(GOOD.lower())),
    Case("a description that looks like fields", CORE, _says(GOOD + "\nName: good\nVersion: 2\n")),
    Case("a name in another spelling", CORE, _replaced("Name", "Name: BAD")),
    Case(
        "names that are not normalised",
        NAMES,
        Wheel(
            metadata="Metadata-Version: 2.1\nName: Od.D-Name\nVersion: 1\n",
            name="Od.D_Name",
            info="Od.D_Name-1.dist-info",
            data="Od.D_Name-1.data",
        ),
    ),
    Case(
        "dist-info spelt otherwise than the file name",
        NAMES,
        Wheel(name="BAD", metadata=GOOD, data="BAD-1.data"),
    ),
    Case(
        "version not normalised",
        NAMES,
        Wheel(version="1.0", metadata=GOOD, info="bad-1.0.dist-info", data="bad-1.0.data"),
    ),
    Case(
        "epoch and local version",
        "version specifiers",
        Wheel(version="1!2+x.3", info="bad-1!2+x.3.dist-info", data="bad-1!2+x.3.data"),
    ),
    Case("build tag", NAMES, Wheel(file_name="bad-1-7foo-py3-none-any.whl")),
    Case("many tags", NAMES, Wheel(tag="py2.py3-none-any.win32")),
    Case("tags of WHEEL that disagree", FORMAT, Wheel(wheel=GOOD_WHEEL.replace("py3", "cp27"))),
    Case("empty Requires-Python", CORE, _needs("")),
    Case("METADATA with a byte order mark behind it", CORE, _says(GOOD + "\n\ufeffx\n")),
    Case("a description of 1 MB", CORE, _says(GOOD + "\n" + "x\n" * (1 << 19))),
    Case(
        "metadata of others in a package",
        "pip #7519: vendored metadata",
        Wheel({**MODULE, "pkg/_vendor/other-2.dist-info/METADATA": "Name: other\n"}),
    ),
    Case(
        "licences in the dist-info", "PEP 639", Wheel({**MODULE, "{info}/licenses/a/LICENSE": "x"})
    ),
    Case(
        "INSTALLER and direct_url.json of its own",
        "recording installed projects: installers write these",
        Wheel({**MODULE, "{info}/INSTALLER": "evil", "{info}/direct_url.json": "{}"}),
    ),
)

CASES = _METADATA_REFUSED + _LAYOUT_REFUSED + _INSTALLED
