"""The least work there is to do, by an interpreter that imports nothing else.

Run as a file: ``python -I -S floor_work.py unpack|compile|link|remove|ask|nothing ...``; with
``limit`` before that it imports ``installer`` first, as whoever installs through it must, in the
way that takes sagepip least.
"""

import os
import sys


def unpack(wheel: str, site: str) -> None:
    """Read, inflate, hash and write every member of a wheel, by as few calls as it takes."""
    import hashlib
    import struct
    import zipfile
    import zlib

    made = set()
    with zipfile.ZipFile(wheel) as archive, open(wheel, "rb", buffering=0) as stream:
        read = stream.fileno()
        for member in archive.infolist():
            name = member.filename
            if name.endswith("/"):
                continue
            path = f"{site}/{name}"
            parent = path.rpartition("/")[0]
            if parent not in made:
                os.makedirs(parent, exist_ok=True)
                made.add(parent)
            # The local header has a length of its own for what stands before the content.
            most = 30 + 2 * len(member.orig_filename) + len(member.extra) + 64
            data = os.pread(read, most + member.compress_size, member.header_offset)
            start = 30 + sum(struct.unpack("<HH", data[26:30]))
            content: bytes | memoryview = memoryview(data)[start : start + member.compress_size]
            if len(content) != member.compress_size:
                raise ValueError(name)
            if member.compress_type:
                content = zlib.decompress(content, -15, member.file_size)
            hashlib.sha256(content).digest()
            zlib.crc32(content)
            write = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            os.write(write, content)
            os.close(write)


def compile_all(site: str) -> None:
    """Compile all modules in this process."""
    import compileall

    compileall.compile_dir(site, quiet=2, maxlevels=50)


def link(source: str, destination: str) -> None:
    """Make a tree of hard links."""
    for base, _, names in os.walk(source):
        place = destination + base[len(source) :]
        os.makedirs(place, exist_ok=True)
        for name in names:
            os.link(f"{base}/{name}", f"{place}/{name}")


def remove(site: str) -> None:
    """Remove a tree."""
    for base, directories, names in os.walk(site, topdown=False):
        for name in names:
            os.unlink(f"{base}/{name}")
        for name in directories:
            os.rmdir(f"{base}/{name}")


def ask(site: str) -> None:
    """List a site, and look whether any RECORD has changed, as if all of them were known."""
    directory = os.open(site, os.O_RDONLY | os.O_DIRECTORY)
    for name in os.listdir(directory):
        if name[-10:] == ".dist-info":
            os.stat(name + "/RECORD", dir_fd=directory)


def take_bytecode(ready: str, site: str) -> None:
    """Copy the bytecode of all modules from a tree that is ready."""
    for base, _, names in os.walk(ready):
        place = site + base[len(ready) :]
        for name in names:
            if name.endswith(".pyc"):
                os.makedirs(place, exist_ok=True)
                with open(f"{base}/{name}", "rb", buffering=0) as stream:
                    content = stream.read()
                source = f"{os.path.dirname(place)}/{name.partition('.')[0]}.py"
                time = int(os.stat(source).st_mtime).to_bytes(4, "little")
                with open(f"{place}/{name}", "wb", buffering=0) as stream:
                    stream.write(content[:8] + time + content[12:])


def compare(site: str) -> None:
    """Read and hash every file of a tree, but no bytecode."""
    import hashlib

    for base, _, names in os.walk(site):
        for name in names:
            if not name.endswith(".pyc"):
                with open(f"{base}/{name}", "rb", buffering=0) as stream:
                    hashlib.sha256(stream.read()).digest()


def main() -> None:
    """Do what the words say; ``unpack-compile`` does both in one process."""
    words = sys.argv[1:]
    if words[0] == "limit":
        del words[0]
        import sagepip.staging.installer_library  # noqa: F401
    work, *paths = words
    if work == "compare":
        compare(*paths)
    if work.startswith("unpack"):
        unpack(*paths[:2])
    if work == "unpack-take":
        take_bytecode(paths[2], paths[1])
    if work.endswith("compile"):
        compile_all(paths[-1])
    if work == "link":
        link(*paths)
    if work == "ask":
        ask(*paths)
    if work == "remove":
        remove(*paths)


if __name__ == "__main__":
    main()
