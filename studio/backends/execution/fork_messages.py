"""What the fork server and its owner say to each other."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Greeting:
    """First message of the owner: what to load before the first fork."""

    sys_path: list[str]
    preload: tuple[str, ...]


@dataclass(frozen=True)
class Work:
    """One process to fork; the arguments stay pickled until they are in it."""

    number: int
    name: str
    target: str
    pickled_args: bytes
    output: Path | None


@dataclass(frozen=True)
class Kill:
    """End a process and all below it."""

    number: int


@dataclass(frozen=True)
class Started:
    """A process runs."""

    number: int
    pid: int


@dataclass(frozen=True)
class Exited:
    """A process has ended; below 0: by that signal."""

    number: int
    exit_code: int
