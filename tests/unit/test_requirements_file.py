"""Requirement files."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagepip.ground.errors import SagepipError, TargetError, UsageError
from sagepip.operations.requirements_file import RequirementsFile, read_requirements


def read(path: Path, text: str | bytes, **environ: str) -> RequirementsFile:
    """Write a requirement file and read it."""
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_requirements(str(path), environ)


def texts(found: RequirementsFile) -> list[str]:
    """Return the requirements of a file."""
    return [line.text for line in found.requirements]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the requirement file goes."""
    return tmp_path / "reqs.txt"


def test_comments_and_blank_lines(path: Path) -> None:
    """Comments and blank lines say nothing; a # inside a word is no comment."""
    found = read(path, "# all\n\n  a  # b\n\t\nc @ file:///x#egg=c\n   #\nd")
    assert texts(found) == ["a", "c @ file:///x#egg=c", "d"]


def test_line_numbers(path: Path) -> None:
    """Each requirement knows its line; a continued one that of its first line."""
    found = read(path, "a\n\nb \\\n  >=1\nc")
    assert [f"{path}, line {n}" for n in (1, 3, 5)] == [r.origin for r in found.requirements]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a \\\n>=1\n", ["a >=1"]),
        ("a\\\n==\\\n1\n", ["a==1"]),
        ("a \\\n# comment\nb", ["a", "b"]),
        ("# comment \\\na", ["a"]),
        ("a\\", ["a"]),
        ("a\r\nb \\\r\n>=2\r\n", ["a", "b >=2"]),
    ],
)
def test_continuation(path: Path, text: str, expected: list[str]) -> None:
    """A backslash at the end joins lines, except in a comment, which ends the joining."""
    assert expected == texts(read(path, text))


def test_markers_keep_their_quotes(path: Path) -> None:
    """The requirement's own quotes are not taken for a shell's."""
    line = "a ; python_version<'3' and sys_platform != \"x\""
    assert [line] == texts(read(path, line))


def test_variables(path: Path) -> None:
    """${NAME} is replaced where it is set; other uses of $ and unset names stay."""
    found = read(path, "${DIR}/a.whl\n$DIR/b\n${UNSET}/c\n${dir}/d", DIR="/w", dir="/no")
    assert texts(found) == ["/w/a.whl", "$DIR/b", "${UNSET}/c", "${dir}/d"]


@pytest.mark.parametrize(
    "data",
    [
        "é-1".encode("utf-8-sig"),
        "é-1".encode("utf-16"),
        "\ufeffé-1".encode("utf-16-be"),
        "é-1".encode("utf-32"),
        "é-1".encode(),
        "# -*- coding: latin-1 -*-\né-1".encode("latin-1"),
    ],
)
def test_encodings(path: Path, data: bytes) -> None:
    """A byte-order mark or a declaration gives the encoding; otherwise it is UTF-8."""
    assert texts(read(path, data)) == ["é-1"]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"a\nb\xff\n", "line 2: not utf-8: byte 0xff"),
        (b"a\nb\n-r \0", "line 3: a NUL"),
        (b"# coding: no-such\na", "unknown encoding: no-such"),
    ],
)
def test_bad_encodings(path: Path, data: bytes, says: str) -> None:
    """Bytes that cannot be decoded are an error with the line, not a guess."""
    with pytest.raises(TargetError, match=says):
        read(path, data)


def test_options_of_the_whole_call(path: Path) -> None:
    """Option lines are collected, in any spelling, several on a line too."""
    found = read(
        path,
        "--no-index --prefer-binary\n-f /w\n--find-links=/x\n-i URL1\n--index-url URL2\n"
        "--no-binary :all:\n--only-binary=a,b\n",
    )
    assert found.no_index
    assert found.prefer_binary
    assert [place for place, _ in found.find_links] == ["/w", "/x"]
    assert found.index_url == "URL2"
    assert found.formats == [("--no-binary", ":all:"), ("--only-binary", "a,b")]


def test_find_links_relative_to_the_file(path: Path) -> None:
    """A wheelhouse beside the file is meant, if there is one; otherwise as it stands."""
    (path.parent / "wheels").mkdir()
    found = read(path, "-f wheels\n-f elsewhere")
    assert [str(path.parent / "wheels"), "elsewhere"] == [place for place, _ in found.find_links]


def test_own_settings(path: Path) -> None:
    """Settings behind a requirement are its own; a repeated key becomes a list."""
    found = read(
        path,
        "a --config-settings x=1 -C x=2 --config-setting=y=p=q\n"
        'b --config-settings "--global-option=--use"\n'
        "c -C 'k=two words'\nd",
    )
    assert [line.config_settings for line in found.requirements] == [
        {"x": ["1", "2"], "y": "p=q"},
        {"--global-option": "--use"},
        {"k": "two words"},
        {},
    ]


@pytest.mark.parametrize(
    ("line", "text", "settings"),
    [
        ("-e .", ".", {}),
        ("--editable=./a[b]", "./a[b]", {}),
        ("-e./a", "./a", {}),
        ("-e 'a b'", "a b", {}),
        ("-e ./a -C x=1 --config-settings x=2 # why", "./a", {"x": ["1", "2"]}),
        ("-C x=1 -e ./a", "./a", {"x": "1"}),
        (
            "-e ./a ; python_version > '3' and os_name != \"x\"",
            "./a ; python_version > '3' and os_name != \"x\"",
            {},
        ),
        ("-e './a b' ; os_name == 'x' -C k='v w'", "./a b ; os_name == 'x'", {"k": "v w"}),
        ("-e \"a @ file:///a ; os_name > 'x'\"", "a @ file:///a ; os_name > 'x'", {}),
        ("-e ./a; os_name", "./a ; os_name", {}),
        ("-e ./a ;os_name", "./a ; os_name", {}),
        ("-e ./a;", "./a", {}),
        ("-e ';a'", ";a", {}),
        ("-e file:///a#egg=a", "file:///a#egg=a", {}),
    ],
)
def test_editables(path: Path, line: str, text: str, settings: dict[str, object]) -> None:
    """-e is a requirement with settings of its own; its marker keeps its quotes."""
    found = read(path, f"first\n{line}\nlast").requirements
    assert [one.editable for one in found] == [False, True, False]
    assert (found[1].text, found[1].config_settings) == (text, settings)
    assert found[1].origin == f"{path}, line 2"


def test_nested_files_are_relative_to_the_including_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """-r and -c inside a file start from its directory, wherever the command runs."""
    (path.parent / "sub").mkdir()
    (path.parent / "sub" / "more.txt").write_text("b\n-r last.txt\n-c ../limits.txt\n")
    (path.parent / "sub" / "last.txt").write_text("c")
    path.write_text("a\n-r sub/more.txt\nd\n--constraint=mine.txt")
    monkeypatch.chdir(path.parent.parent)
    found = read_requirements(f"{path.parent.name}/reqs.txt", {})
    assert texts(found) == ["a", "b", "c", "d"]
    base = path.parent.name
    assert [f"{base}/sub/../limits.txt", f"{base}/mine.txt"] == [p for p, _ in found.constraints]


def test_the_same_file_twice_is_no_circle(path: Path) -> None:
    """Two files may include the same third one."""
    (path.parent / "common.txt").write_text("x")
    found = read(path, "-r common.txt\n-r common.txt")
    assert texts(found) == ["x", "x"]


def test_a_circle_is_an_error(path: Path) -> None:
    """Files that include each other, under whatever name, stop with the chain of lines."""
    (path.parent / "other.txt").write_text("# go back\n-r link.txt")
    (path.parent / "link.txt").symlink_to("reqs.txt")
    with pytest.raises(UsageError) as caught:
        read(path, "-r other.txt")
    message = str(caught.value)
    assert f"{path}, line 1: {path.parent}/other.txt, line 2: includes itself" in message


def test_file_urls(path: Path) -> None:
    """A file may be given, and include another, by its file URL."""
    (path.parent / "other.txt").write_text("x")
    path.write_text(f"-r {(path.parent / 'other.txt').as_uri()}")
    assert texts(read_requirements(path.as_uri(), {})) == ["x"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("-r nowhere.txt", "cannot read the requirement file"),
        ("-r https://example.org/x.txt", "on the network"),
        ("-r pylock.toml", "lock files"),
        ("-e", "-e needs a value"),
        ("-e a -e b", "--editable does not belong behind a requirement"),
        ("a -e b", "--editable does not belong behind a requirement"),
        ("-e a b", "not understood: b"),
        ("-e a --no-index", "a line of its own"),
        ("-e 'a", "No closing quotation"),
        ("-e 'a ; b", "No closing quotation"),
        ("-e ; python_version", "-e needs a value"),
        ("a --hash=md5:00", "Allowed hash algorithms for --hash are sha256, sha384, sha512"),
        ("a --hash=sha256", "Arguments to --hash must be a hash name followed by a value"),
        ("a --hash='sha256:00 --index-url x'", "not a digest in hexadecimal"),
        ("a --hash=sha256:", "not a digest in hexadecimal"),
        ("--extra-index-url x", "PIP_EXTRA_INDEX_URL"),
        ("--no-such", "unknown option: --no-such"),
        ("--find-link /w", "unknown option: --find-link"),
        ("-r", "-r needs a value"),
        ("--no-index=1", "takes no value"),
        ("a --find-links /w", "a line of its own"),
        ("a -C x", "KEY=VALUE"),
        ("-C x=y", "without a requirement"),
        ("-f 'x", "No closing quotation"),
        ("-f x y", "not understood: y"),
    ],
)
def test_what_is_refused(path: Path, line: str, says: str) -> None:
    """A line that cannot be taken is one line of error, with file and line number."""
    with pytest.raises(SagepipError) as caught:
        read(path, f"# first\n{line}\n")
    message = str(caught.value)
    assert message.startswith(f"{path}, line 2: ")
    assert says in message
    assert "\n" not in message


@pytest.mark.parametrize("name", ["nowhere.txt", ".", "reqs.txt/x"])
def test_a_file_that_cannot_be_read(path: Path, name: str) -> None:
    """A missing file, or a directory, is one error that names it."""
    path.touch()
    with pytest.raises(TargetError, match="cannot read the requirement file"):
        read_requirements(str(path.parent / name), {})


def test_hashes(path: Path) -> None:
    """Hashes belong to their line, and are the same in any spelling."""
    found = read(
        path,
        "a==1 --hash=sha256:0A \\\n --hash sha512:ff\nb\n--require-hashes\n-e c --hash=sha384:1",
    )
    hashes = [line.hashes for line in found.requirements]
    assert hashes == [("sha256:0a", "sha512:ff"), (), ("sha384:1",)]
    assert found.require_hashes
    assert not found.no_require_hashes


def test_a_hash_of_nothing(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As in pip, a line with nothing but a hash is ignored with a warning."""
    assert read(path, "--hash=sha256:00").requirements == []
    assert f"{path}, line 1 has --hash but no requirement" in capsys.readouterr().err
