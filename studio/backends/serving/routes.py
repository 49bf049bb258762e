"""Which deployments of a model answer, as one process knows them: no call reads the database while that is fresh."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from studio.backends.serving.copies import Copies
from studio.backends.serving.tally import Count, Tally

KEPT_S = 1.0
MOST_MODELS = 10_000


@dataclass(frozen=True)
class Route:
    """One active deployment.

    Attributes:
        version_id: The version it serves.
        strategy: ``direct``, ``canary`` or ``shadow``.
        traffic_percent: Share of the traffic it answers, or of which a shadow gets a copy.
        keys: Its hosts, one per replica.
        is_serving: False while it has never been ready.
    """

    deployment_id: str
    model_id: str
    version_id: str
    strategy: str
    traffic_percent: int
    keys: tuple[str, ...]
    is_serving: bool


@dataclass
class _Known:
    """What was read of one model, at a time of the monotonic clock."""

    routes: Sequence[Route] = ()
    read_at: float = float("-inf")
    lock: threading.Lock = field(default_factory=threading.Lock)


class Routes:
    """The routes of all models that this process is asked for. Safe to share between threads, and after a fork.

    Attributes:
        tally: How requests ended.
        copies: What is sent to shadows beside.
    """

    def __init__(
        self,
        read: Callable[[str], Sequence[Route]],
        write_counts: Callable[[Sequence[Count]], None],
        *,
        kept_s: float = KEPT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            read: Reads the routes of a model, by its id, from the database.
            write_counts: Adds to what is kept of how requests ended.
            kept_s: Seconds for which what was read holds.
            clock: Monotonic seconds.
        """
        self._read, self._kept_s, self._clock = read, kept_s, clock
        self._known: dict[str, _Known] = {}
        self.tally, self.copies = Tally(write_counts), Copies()

    def of_model(self, model_id: str, *, newer_than: float = float("-inf")) -> Sequence[Route]:
        """The active deployments of a model.

        Args:
            model_id: Id of the model.
            newer_than: What was read before this time of the monotonic clock is known to be out of date.

        Raises:
            BackendDown: The database does not answer.
        """
        known = self._known.get(model_id)
        if known is None:
            if len(self._known) >= MOST_MODELS:
                self._known.clear()
            known = self._known.setdefault(model_id, _Known())
        if self._is_fresh(known, newer_than):
            return known.routes
        with known.lock:  # one thread reads for all that wait
            if not self._is_fresh(known, newer_than):
                now = self._clock()
                known.routes, known.read_at = self._read(model_id), now
            return known.routes

    def _is_fresh(self, known: _Known, newer_than: float) -> bool:
        return known.read_at > newer_than and self._clock() - known.read_at < self._kept_s
