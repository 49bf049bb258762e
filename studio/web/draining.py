"""Going down: from the moment a process is told to end, it is not ready, though it still answers what it took."""

import threading

_told = threading.Event()


def begin_draining() -> None:
    """Say that this process was told to end; safe to repeat, and to call from a signal handler."""
    _told.set()


def is_draining() -> bool:
    """True once it was told to end."""
    return _told.is_set()
