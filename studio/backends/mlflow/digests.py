"""Whether a model folder is still what was written: one hash over the names and contents of everything in it."""

import hashlib
from pathlib import Path

from studio.errors import ModelFilesChanged


def digest_of(folder: Path) -> str:
    """SHA-256 over the lines that ``sha256sum`` would print for its files, sorted by path.

    Raises:
        ModelFilesChanged: It holds a symbolic link, whose target nobody vouches for.
    """
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        if path.is_symlink():
            raise ModelFilesChanged(f"The model folder holds a symbolic link: {path.relative_to(folder)}.")
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            whole.update(f"{digest}  {path.relative_to(folder).as_posix()}\n".encode())
    return whole.hexdigest()


def check_digest(folder: Path, expected: str) -> None:
    """Refuse a folder that has changed since its digest was taken.

    Raises:
        ModelFilesChanged: It has.
    """
    if digest_of(folder) != expected:
        raise ModelFilesChanged("The files of this version are not those that were registered; train it again.")
