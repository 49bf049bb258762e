"""Files of fitted members and other results: whole or not there."""

import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from studio.automl.pipeline import Member


def part_path(path: Path) -> Path:
    """Where a file is written before it is whole."""
    return path.with_name(path.name + ".part")


def write_whole(path: Path, write: Callable[[Any], None]) -> None:
    """Write a file whole or not at all."""
    with open(part_path(path), "wb") as file:
        write(file)
    os.replace(part_path(path), path)


class MemberFile:
    """Fold models as they are fitted, so that no process holds all of them; gone at the end unless they are kept.

    Args:
        path: Where they are from then on; ``read_members`` reads them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> "MemberFile":
        self._file = open(part_path(self._path), "wb")
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
        part_path(self._path).unlink(missing_ok=True)

    def add(self, member: Member) -> int:
        """Write one more; the answer is its size in bytes."""
        before = self._file.tell()
        pickle.dump(member, self._file, protocol=5)
        return self._file.tell() - before

    def keep(self) -> None:
        """Put them in place; none is added after that."""
        self._file.close()
        os.replace(part_path(self._path), self._path)


def read_members(path: Path) -> Iterator[Member]:
    """The fitted members in a file."""
    with open(path, "rb") as file:
        while file.peek(1):
            yield pickle.load(file)  # noqa: S301 - written by this search a moment ago
