"""Whether a model folder is still what was written: one hash over the names and contents of everything in it."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from studio.errors import ModelFilesChanged


def digest_of(folder: Path) -> str:
    """SHA-256 over the lines that ``sha256sum`` would print for its files, sorted by path.

    Raises:
        ModelFilesChanged: It holds a symbolic link, whose target nobody vouches for.
    """
    found = []
    for path in folder.rglob("*"):
        if path.is_symlink():
            raise ModelFilesChanged(f"The model folder holds a symbolic link: {path.relative_to(folder)}.")
        if path.is_file():
            found.append((path.relative_to(folder).as_posix(), sha256_of(path)))
    return digest_of_files(found)


def sha256_of(file: Path) -> str:
    """SHA-256 of one file, in hex."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def digest_of_files(files: Iterable[tuple[str, str]]) -> str:
    """The same as ``digest_of`` of the folder that holds these files: path below it, and SHA-256 in hex."""
    lines = [f"{sha256}  {path}\n" for path, sha256 in sorted(files)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def check_digest(folder: Path, expected: str) -> None:
    """Refuse a folder that has changed since its digest was taken.

    Raises:
        ModelFilesChanged: It has.
    """
    if digest_of(folder) != expected:
        raise ModelFilesChanged(
            "The files of this version are not those that were registered; train or register it again."
        )
