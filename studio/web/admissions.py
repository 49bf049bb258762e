"""Who was let through to what a moment ago, so that a caller of a thousand predictions a second is looked up once."""

import time

KEPT_S = 1.0  # as long as a token that was revoked, or a role that was taken away, may go on
AT_MOST = 4096


class Admissions:
    """Remembers for a second, in this process, that a caller with a token was let through to an operation on a model.

    What it remembers was true when it was looked up. Refusals are not remembered. A token's own end is looked at with
    every call, before this.
    """

    def __init__(self) -> None:
        self._let_through: dict[tuple[str, ...], float] = {}

    def is_known(self, *key: str) -> bool:
        """Whether this was noted less than a second ago."""
        return time.monotonic() - self._let_through.get(key, float("-inf")) < KEPT_S

    def note(self, *key: str) -> None:
        """Remember it."""
        if len(self._let_through) >= AT_MOST:
            self._let_through.clear()
        self._let_through[key] = time.monotonic()
