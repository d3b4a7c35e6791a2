"""The cloner: what ``cp -Rp`` keeps, with and without the kernel's help."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from sagepip.ground import cloning, filesystem
from sagepip.ground.cloning import Cloner, shares_blocks

CONTENT = bytes(range(256)) * 5000
needs_range = pytest.mark.skipif(not hasattr(os, "copy_file_range"), reason="needs copy_file_range")


def _refused(number: int, after: int) -> Callable[[int, int, int], int]:
    """Return a ``copy_file_range`` that copies some bytes, then fails."""
    really, calls = os.copy_file_range, [0]

    def copy_file_range(source: int, target: int, count: int) -> int:
        calls[0] += 1
        if calls[0] > 1 or not after:
            raise OSError(number, os.strerror(number))
        return really(source, target, min(count, after))

    return copy_file_range


@needs_range
@pytest.mark.parametrize("after", [0, 1000])
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EXDEV, errno.EOPNOTSUPP])
def test_without_the_call(
    number: int, after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is copied all the same, also if the call fails in the middle."""
    (tmp_path / "a").write_bytes(CONTENT)
    monkeypatch.setattr(os, "copy_file_range", _refused(number, after))
    Cloner().clone(str(tmp_path / "a"), str(tmp_path / "b"))
    assert (tmp_path / "b").read_bytes() == CONTENT


@needs_range
def test_no_space_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(CONTENT)
    monkeypatch.setattr(os, "copy_file_range", _refused(errno.ENOSPC, 1000))
    with pytest.raises(OSError, match="No space"):
        Cloner().clone(str(tmp_path / "a"), str(tmp_path / "b"))


@needs_range
def test_nobody_else_reads_it_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret is none if it is readable until its mode is set."""
    seen: list[int] = []
    really = os.copy_file_range

    def copy_file_range(source: int, target: int, count: int) -> int:
        seen.append(stat.S_IMODE(os.fstat(target).st_mode))
        return really(source, target, count)

    (tmp_path / "a").write_bytes(CONTENT)
    (tmp_path / "a").chmod(0o640)
    monkeypatch.setattr(os, "copy_file_range", copy_file_range)
    Cloner().clone(str(tmp_path / "a"), str(tmp_path / "b"))
    assert {mode & 0o077 for mode in seen} == {0}
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o640


def test_it_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(CONTENT)
    (tmp_path / "b").write_text("b")
    with pytest.raises(FileExistsError):
        Cloner().clone(str(tmp_path / "a"), str(tmp_path / "b"))
    assert (tmp_path / "b").read_text() == "b"


@pytest.mark.parametrize("size", [0, 1, 1 << 16, (1 << 16) + 1])
def test_sizes(size: int, tmp_path: Path) -> None:
    """Small files are read at once, others are left to the kernel."""
    (tmp_path / "a").write_bytes(CONTENT[:size])
    Cloner().clone(str(tmp_path / "a"), str(tmp_path / "b"))
    assert (tmp_path / "b").read_bytes() == CONTENT[:size]


def test_a_file_that_grows_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read is not what was announced: all of it is copied."""
    really = os.read
    (tmp_path / "a").write_bytes(b"small")

    def read(descriptor: int, count: int) -> bytes:
        monkeypatch.setattr(os, "read", really)
        with (tmp_path / "a").open("ab") as stream:
            stream.write(CONTENT)
        return really(descriptor, count)

    monkeypatch.setattr(os, "read", read)
    Cloner().clone(str(tmp_path / "a"), str(tmp_path / "b"))
    assert (tmp_path / "b").read_bytes() == b"small" + CONTENT


def test_several_of_a_directory(tmp_path: Path) -> None:
    """An error names the whole path."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / "a").write_bytes(CONTENT)
    (source / "a").chmod(0o4751)
    os.utime(source / "a", ns=(7, 1_234_567_891))
    os.link(source / "a", source / "b")
    (source / "c").symlink_to("a")
    Cloner().clone_into(str(source), ["a", "b"], ["c"], str(target))
    made = (target / "a").stat()
    assert (target / "a").read_bytes() == CONTENT
    assert (stat.S_IMODE(made.st_mode), made.st_mtime_ns) == (0o4751, 1_234_567_891)
    assert (target / "b").samefile(target / "a")
    assert os.readlink(target / "c") == "a"
    with pytest.raises(FileExistsError) as caught:
        Cloner().clone_into(str(source), ["b"], [], str(target))
    assert caught.value.filename == str(source / "b")


def _what_it_is(path: Path) -> tuple[object, ...]:
    found = path.lstat()
    extended = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    owner = found.st_uid, found.st_gid
    return path.read_bytes(), found.st_mode, owner, found.st_mtime_ns, extended


# What files inherit, as the kernel has it: less than most modes, and more for one user.
_FEW_RIGHTS = bytes.fromhex("02000000 01000600ffffffff 04000500ffffffff 20000000ffffffff")
_NAMED_READER = bytes.fromhex(
    "02000000 01000700ffffffff 0200070001000000 04000500ffffffff 10000700ffffffff 20000100ffffffff"
)


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="needs extended attributes")
@pytest.mark.parametrize("rights", [b"", _FEW_RIGHTS, _NAMED_READER])
@pytest.mark.parametrize("umask", [0, 0o022, 0o027, 0o077])
def test_one_after_the_other_is_like_each_alone(umask: int, rights: bytes, tmp_path: Path) -> None:
    """What is known of a first file holds for the others, or is not made use of."""
    source, alone, together = (tmp_path / name for name in ("source", "alone", "together"))
    source.mkdir(0o700)
    modes = [0o644, 0o644, 0o755, 0o640, 0o664, 0o664, 0o666, 0o600, 0o4755, 0o2755, 0o1644]
    names = []
    for number, mode in enumerate([*modes, 0o400, 0o400, 0, 0o644, *modes]):
        path = source / f"f{number:02}"
        names.append(path.name)
        path.write_bytes(CONTENT[: number % 4 * 40_000])
        path.chmod(mode)
        if number == 3:
            os.setxattr(path, "user.mark", b"value")
        if os.geteuid() == 0 and number % 5 == 4:
            os.chown(path, 1, number % 2)
            path.chmod(mode)
        os.utime(path, ns=(number, 1_234_567_891 + number))
    if os.geteuid():
        names.remove("f13")  # nobody reads it
    before = os.umask(umask)
    try:
        for directory in (alone, together):
            directory.mkdir(0o755)
            if rights:
                try:
                    os.setxattr(directory, "system.posix_acl_default", rights)
                except OSError as error:
                    pytest.skip(f"no such rights here: {error}")
        for name in names:
            Cloner().clone(str(source / name), str(alone / name))
        Cloner().clone_into(str(source), names, [], str(together))
    finally:
        os.umask(before)
    for name in names:
        assert _what_it_is(together / name) == _what_it_is(alone / name), name
        if not rights:
            assert _what_it_is(together / name) == _what_it_is(source / name), name


def test_the_mode_that_a_file_is_made_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is its own at once if all may read it, or nobody else; what a group may read is secret."""
    made: dict[str, list[int]] = {}
    really = os.open

    def open_it(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & os.O_CREAT:
            made.setdefault(path, []).append(mode)
        return really(path, flags, mode, dir_fd=dir_fd)

    source, target = tmp_path / "source", tmp_path / "target"
    for number, mode in enumerate([0o644, 0o755, 0o600, 0o640, 0o4755] * 2):
        source.mkdir(exist_ok=True)
        (source / f"f{number}").touch()
        (source / f"f{number}").chmod(mode)
    target.mkdir()
    monkeypatch.setattr(os, "open", open_it)
    Cloner().clone_into(str(source), [f"f{number}" for number in range(10)], [], str(target))
    expected = [0o644, 0o755, 0o600, 0o600, 0o600] * 2
    assert made == {f"f{number}": [mode] for number, mode in enumerate(expected)}


@pytest.mark.parametrize("content", [b"", b"x" * 10, CONTENT])
def test_others_that_change_meanwhile(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with the first of a directory, all that is there by then is copied, and no more."""
    source, target = tmp_path / "source", tmp_path / "target"
    for directory in (source, target):
        directory.mkdir()
    (source / "a").write_bytes(b"first")
    (source / "b").write_bytes(b"small")
    really = os.read

    def read(descriptor: int, count: int) -> bytes:
        if os.fstat(descriptor).st_size == 5 and (target / "b").exists():
            monkeypatch.setattr(os, "read", really)
            (source / "b").write_bytes(content)
        return really(descriptor, count)

    monkeypatch.setattr(os, "read", read)
    Cloner().clone_into(str(source), ["a", "b"], [], str(target))
    assert (target / "b").read_bytes() == content
    assert os.read is really


def _two_that_are_the_same(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Make a large file, the same once more, and a directory to copy it to."""
    source, present, target = (tmp_path / name for name in ("source", "present", "target"))
    for directory in (source, present, target):
        directory.mkdir()
    for path in (source / "a", present / "a"):
        path.write_bytes(CONTENT)
        os.utime(path, ns=(7, 1_234_567_891))
    return source / "a", present / "a", target / "a"


def _changed(path: Path, content: bytes) -> None:
    times = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _replaced(path: Path, make: Callable[[Path], None]) -> None:
    path.unlink()
    make(path)


_OTHERS: dict[str, Callable[[Path], None]] = {
    "first byte": lambda path: _changed(path, b"x" + CONTENT[1:]),
    "last byte": lambda path: _changed(path, CONTENT[:-1] + b"x"),
    "size": lambda path: _changed(path, CONTENT + b"x"),
    "time": lambda path: os.utime(path, ns=(7, 1_234_567_892)),
    "mode": lambda path: path.chmod(0o600),
    "attribute": lambda path: os.setxattr(path, "user.mark", b"x"),
    "second name": lambda path: os.link(path, path.with_name("b")),
    "link": lambda path: _replaced(path, lambda one: one.symlink_to("b")),
    "directory": lambda path: _replaced(path, Path.mkdir),
    "pipe": lambda path: _replaced(path, os.mkfifo),
    "absent": Path.unlink,
}
_NO_FILES = ("link", "directory", "pipe", "absent")
if os.geteuid() == 0:
    _OTHERS["owner"] = lambda path: os.chown(path, 1, -1)
    _OTHERS["group"] = lambda path: os.chown(path, -1, 1)
needs_extended = pytest.mark.skipif(not hasattr(os, "setxattr"), reason="needs their calls")


@needs_extended
def test_what_is_there_gets_another_name(tmp_path: Path) -> None:
    """A large file that is the same in all that is kept is not copied."""
    source, present, target = _two_that_are_the_same(tmp_path)
    Cloner().clone_into(str(source.parent), ["a"], [], str(target.parent), str(present.parent))
    assert target.samefile(present)
    assert _what_it_is(target) == _what_it_is(source)


@needs_extended
@pytest.mark.parametrize(
    ("difference", "which"),
    [
        *((one, "present") for one in _OTHERS),
        *((one, "source") for one in _OTHERS if one not in _NO_FILES),
    ],
)
def test_what_is_not_the_same_is_copied(difference: str, which: str, tmp_path: Path) -> None:
    source, present, target = _two_that_are_the_same(tmp_path)
    changed = source if which == "source" else present
    _OTHERS[difference](changed)
    before = present.is_file() and _what_it_is(present)
    Cloner().clone_into(str(source.parent), ["a"], [], str(target.parent), str(present.parent))
    assert not present.is_file() or not target.samefile(present)
    assert _what_it_is(target) == _what_it_is(source)
    assert (present.is_file() and _what_it_is(present)) == before


@needs_extended
@pytest.mark.parametrize("content", [CONTENT, CONTENT + b"x", None])
def test_what_is_not_there_any_more_when_it_is_linked(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else has put another in its place, or none, after the two were compared."""
    source, present, target = _two_that_are_the_same(tmp_path)
    really = filesystem.hard_link

    def hard_link(path: str, name: str) -> bool:
        Path(path).unlink()
        if content is not None:
            Path(path).write_bytes(content)
        return really(path, name)

    monkeypatch.setattr(cloning, "hard_link", hard_link)
    Cloner().clone_into(str(source.parent), ["a"], [], str(target.parent), str(present.parent))
    assert _what_it_is(target) == _what_it_is(source)
    assert (present.read_bytes() if present.exists() else None) == content
    assert target.stat().st_nlink == 1


@needs_extended
def test_what_is_there_and_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is damaged there is no reason not to replace the file."""
    source, present, target = _two_that_are_the_same(tmp_path)

    def damaged(*_: int) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "pread", damaged)
    Cloner().clone_into(str(source.parent), ["a"], [], str(target.parent), str(present.parent))
    assert not target.samefile(present)
    assert _what_it_is(target) == _what_it_is(source)


@needs_extended
def test_where_files_have_one_name_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system without hard links, a file is copied."""
    source, present, target = _two_that_are_the_same(tmp_path)
    monkeypatch.setattr(cloning, "hard_link", lambda *_: False)
    Cloner().clone_into(str(source.parent), ["a"], [], str(target.parent), str(present.parent))
    assert not target.samefile(present)
    assert _what_it_is(target) == _what_it_is(source)


def test_tree(tmp_path: Path) -> None:
    """Directories keep their times, hard links are within the tree alone."""
    tree = tmp_path / "tree"
    (tree / "d/e").mkdir(parents=True)
    (tree / "d/a").write_bytes(CONTENT)
    os.link(tree / "d/a", tree / "d/e/b")
    os.link(tree / "d/a", tmp_path / "outside")
    (tree / "d/link").symlink_to("nowhere")
    for path in (tree / "d/e", tree / "d", tree):
        os.utime(path, ns=(5, 1_234_567_891))
    Cloner().clone_tree(str(tree), str(tmp_path / "copy"))
    copy = tmp_path / "copy"
    assert (copy / "d/a").stat().st_nlink == 2
    assert (copy / "d/a").samefile(copy / "d/e/b")
    assert os.readlink(copy / "d/link") == "nowhere"
    for path in (copy, copy / "d", copy / "d/e"):
        assert path.stat().st_mtime_ns == 1_234_567_891


def test_asking_for_shared_blocks_leaves_nothing(tmp_path: Path) -> None:
    """It is asked with a file that has no name; where it cannot be asked the answer is no."""
    (tmp_path / "a").write_bytes(b"x" * 10_000)
    answer = shares_blocks(str(tmp_path / "a"), str(tmp_path))
    assert answer is shares_blocks(str(tmp_path / "a"), str(tmp_path))
    assert [one.name for one in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"x" * 10_000
    assert not shares_blocks(str(tmp_path / "absent"), str(tmp_path))
    assert not shares_blocks(str(tmp_path / "a"), "/proc")
