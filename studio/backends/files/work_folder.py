"""Folders for work in progress on this machine, which go even when their process is killed."""

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def work_folder(root: Path) -> Iterator[Path]:
    """A new, empty folder, removed with everything in it when the block ends; those of killed processes go too.

    Args:
        root: Where it is made; holds nothing but such folders, and may be shared by processes of this machine.
    """
    sweep_work_folders(root)
    with _locked(root):
        folder = root / secrets.token_hex(8)
        folder.mkdir(mode=0o700)
        mark = _lock(folder)
    assert mark is not None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(mark)


def sweep_work_folders(root: Path) -> int:
    """Remove the folders whose process has ended, and return how many there were; safe to do from many at once."""
    root.mkdir(parents=True, exist_ok=True)
    gone = 0
    with _locked(root):
        for folder in root.iterdir():
            mark = _lock(folder)
            if mark is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(mark)
                gone += 1
    return gone


@contextlib.contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Nobody else makes or sweeps folders: one that was made and is not yet marked would be swept."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _lock(folder: Path) -> int | None:
    """Descriptor whose lock the kernel drops with the process; None when another process has it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
