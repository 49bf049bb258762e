"""The local sockets of model hosts: where they lie, and who may reach them."""

import os
import stat
from pathlib import Path

from studio.config import BadConfig

MAX_PATH_BYTES = 107  # what Linux takes as the path of a local socket
CONTROL = "control.sock"
LONGEST_NAME = "h-00000000.sock"


def address_of(folder: Path, name: str) -> str:
    """ZeroMQ address of a socket in the runtime folder."""
    return f"ipc://{folder / name}"


def check_length(folder: Path) -> None:
    """Refuse a runtime folder whose sockets would have paths the kernel does not take.

    Raises:
        BadConfig: It is too long.
    """
    length = len(os.fsencode(folder / LONGEST_NAME))
    if length > MAX_PATH_BYTES:
        raise BadConfig(
            f"STUDIO_RUNTIME_FOLDER {folder} is too long: its sockets would have paths of {length} bytes,"
            f" {MAX_PATH_BYTES} are possible; choose a folder nearer to the root"
        )


def check_privacy(folder: Path) -> None:
    """Make the runtime folder where it is missing, and see to it that nobody else can enter.

    Whoever can write to a control socket can have code run.

    Raises:
        BadConfig: It is someone else's, or no folder.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise BadConfig(f"STUDIO_RUNTIME_FOLDER {folder} must be a folder of this user's own")
    if found.st_mode & 0o077:
        folder.chmod(0o700)
