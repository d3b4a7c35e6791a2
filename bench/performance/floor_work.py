"""The least work there is to do, by an interpreter that imports nothing else.

Run as a file: ``python -I -S floor_work.py unpack|compile|link|remove ...``.
"""

import os
import sys


def unpack(wheel: str, site: str) -> None:
    """Read, inflate, hash and write every member of a wheel."""
    import hashlib
    import zipfile

    made = set()
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            if member.filename.endswith("/"):
                continue
            path = f"{site}/{member.filename}"
            parent = path.rpartition("/")[0]
            if parent not in made:
                os.makedirs(parent, exist_ok=True)
                made.add(parent)
            content = archive.read(member)
            hashlib.sha256(content).digest()
            with open(path, "wb", buffering=0) as stream:
                stream.write(content)


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


def main() -> None:
    """Do what the words say; ``unpack-compile`` does both in one process."""
    work, *paths = sys.argv[1:]
    if work.startswith("unpack"):
        unpack(*paths)
    if work.endswith("compile"):
        compile_all(paths[-1])
    if work == "link":
        link(*paths)
    if work == "remove":
        remove(*paths)


if __name__ == "__main__":
    main()
