"""Waiting for what a descriptor tells."""

import select


def is_readable(descriptor: int, timeout_s: float) -> bool:
    """Whether a descriptor has something to tell within so many seconds.

    select() takes none beyond 1023, which a long session reaches.
    """
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))
