"""What a deployed host has predicted, written down before it answers.

A line of JSON per request: ``{"at": s, "ids": [...], "rows": [...], "predictions": [...], "probabilities": [...]|null,
"ms": ...}``, ``at`` in seconds since 1970 and ``ms`` from the request's coming to its answer. The first line of a
segment says what is the same for all. The lines of all requests that are answered together are handed to the kernel in
one call, so that they outlive whatever ends this process from then on. A line that its writer did not finish is none:
nobody was answered.

A segment is a file that one host writes and nobody else while it holds the lock on it. It is left for a new one after
a while, or when it is long enough; whoever gets the lock, or finds it under its second name, may take it away.
"""

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from studio.backends.serving.wire import to_json

logger = logging.getLogger(__name__)

MAX_SEGMENT_BYTES: Final = 32 << 20
MAX_SEGMENT_S: Final = 10.0
OPEN, CLOSED = ".open", ".closed"
LOCKED_WITHIN_S: Final = 60.0
COMPLAIN_EVERY_S: Final = 60.0


class PredictionLog:
    """Writes the segments of one host; from one thread."""

    def __init__(
        self, folder: Path, name: str, about: Mapping[str, Any], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Nothing is opened before the first prediction.

        Args:
            folder: Where segments lie; made where it is missing.
            name: Begins the names of this host's segments; no other host has it.
            about: What the first line of each segment says; JSON-ready.
            clock: Monotonic seconds.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder, self._name, self._clock = folder, name, clock
        self._head = to_json(about) + b"\n"
        self._count = 0
        self._descriptor: int | None = None
        self._path = folder
        self._size = 0
        self._opened_at = 0.0
        self._complained_at = float("-inf")
        self.dropped = 0

    def append(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Write lines; once this returns, they are safe from the end of this process.

        Where they cannot be written, as on a full disk, they are dropped and counted in ``dropped``: a model that no
        longer answers would be the greater harm.
        """
        content = b"".join(to_json(line) + b"\n" for line in lines)
        try:
            self._write(content)
        except OSError as error:
            self.dropped += sum(len(line["ids"]) for line in lines)
            if self._clock() - self._complained_at > COMPLAIN_EVERY_S:
                self._complained_at = self._clock()
                logger.error("predictions are not logged, %d so far: %s", self.dropped, error)

    def close_if_old(self) -> None:
        """Leave the segment where it is old enough, so that what is in it is taken up."""
        if self._descriptor is not None and self._clock() - self._opened_at > MAX_SEGMENT_S:
            self.close()

    def close(self) -> None:
        """Leave the segment."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                if self._size:
                    self._path.rename(self._path.with_suffix(CLOSED))
                else:
                    self._path.unlink()
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self, content: bytes) -> None:
        if self._descriptor is None:
            self._open()
        assert self._descriptor is not None
        if not self._size:
            content = self._head + content
        written = os.write(self._descriptor, content)
        if written < len(content):  # the disk is full: half a line must not be the beginning of the next
            os.ftruncate(self._descriptor, self._size)
            raise OSError(f"only {written} of {len(content)} bytes could be written")
        self._size += written
        if self._size > MAX_SEGMENT_BYTES:
            self.close()
        else:
            self.close_if_old()

    def _open(self) -> None:
        self._count += 1
        self._path = self._folder / f"{self._name}-{self._count:06}{OPEN}"
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._descriptor, self._size, self._opened_at = descriptor, 0, self._clock()


def finished_segments(folder: Path) -> Iterator[Path]:
    """Segments that nobody writes any more, the oldest first: those left, and those whose host has ended."""
    found = []
    for path in folder.iterdir() if folder.exists() else ():
        with contextlib.suppress(FileNotFoundError):  # it has just got its second name
            if path.suffix in (OPEN, CLOSED):
                found.append((path, path.stat()))
    for path, stat in sorted(found, key=lambda each: (each[1].st_mtime_ns, each[0].name)):
        if path.suffix == CLOSED or _is_left(path, stat):
            yield path


def read_segment(path: Path) -> tuple[dict[str, Any] | None, Iterator[dict[str, Any]]]:
    """What a finished segment is about, None where it holds nothing, and its lines.

    A last line that was not finished is left out.
    """
    lines = _lines_of(path)
    return next(lines, None), lines


def _lines_of(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield orjson.loads(line)


def _is_left(path: Path, found: os.stat_result) -> bool:
    """Whether the host that wrote an open segment has ended."""
    if not found.st_size and time.time() - found.st_mtime < LOCKED_WITHIN_S:
        return False  # perhaps its host has not got the lock yet
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # it has just got its second name
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
