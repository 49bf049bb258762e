"""How many calls one caller may make in a minute."""

import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from studio.errors import TooMany


class CallLimiter:
    """Counts calls per caller over a moving minute.

    The count is kept per API process: a service with several lets through at most that many times the limit. Counting
    in the database would cost every call a write.
    """

    def __init__(self, calls_per_minute: int) -> None:
        self._limit = RateLimitItemPerMinute(calls_per_minute)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def count(self, caller: str) -> None:
        """Count one call.

        Raises:
            TooMany: The caller has used up its minute; says in how many seconds to come back.
        """
        if not self._limiter.hit(self._limit, caller):
            ends_at = self._limiter.get_window_stats(self._limit, caller).reset_time
            wait_s = max(1, round(ends_at - time.time()))
            raise TooMany(f"More than {self._limit.amount} calls in a minute; slow down.", retry_after_s=wait_s)
