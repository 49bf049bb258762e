"""Counts how requests of deployments end and how long they take, in one process, and hands the counts on."""

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

logger = logging.getLogger(__name__)

BUCKET_S = 10
FLUSH_EVERY_S = 1.0
MOST_KEPT = 20_000  # counts that wait while they cannot be handed on
FIRST_BOUND_MS, GROWTH, CLASSES = 0.1, 1.1, 160  # up to some seven minutes, told within a tenth


@dataclass(frozen=True)
class Count:
    """Requests of one deployment, version, ten seconds and class of latency.

    Attributes:
        bucket: Seconds since 1970, in tens.
        latency_class: See ``latency_class_of``.
        requests: All of them.
        errors: Those that the service or the model failed.
    """

    deployment_id: str
    version_id: str
    bucket: int
    latency_class: int
    requests: int
    errors: int


def latency_class_of(took_ms: float) -> int:
    """Number of the narrow range a latency lies in, from 0."""
    if took_ms <= FIRST_BOUND_MS:
        return 0
    return min(math.ceil(math.log(took_ms / FIRST_BOUND_MS, GROWTH)), CLASSES - 1)


def upper_bound_ms(latency_class: int) -> float:
    """The largest latency of a class."""
    return float(FIRST_BOUND_MS * GROWTH**latency_class)


class Tally:
    """The counts of one process. Safe to share between threads; a process that was forked begins its own."""

    def __init__(self, write: Callable[[Sequence[Count]], None], *, clock: Callable[[], float] = time.time) -> None:
        """
        Args:
            write: Adds counts to those that are kept; called by a thread of its own, every second there are any.
            clock: Seconds since 1970.
        """
        self._write, self._clock = write, clock
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str, int, int], list[int]] = {}
        self._pid: int | None = None

    def add(self, deployment_id: str, version_id: str, took_ms: float, *, failed: bool) -> None:
        """Count one request."""
        key = (deployment_id, version_id, int(self._clock()) // BUCKET_S, latency_class_of(took_ms))
        with self._lock:
            if self._pid != os.getpid():
                self._begin()
            count = self._counts.setdefault(key, [0, 0])
            count[0] += 1
            count[1] += failed

    def flush(self) -> None:
        """Hand on what was counted; what cannot be is kept for the next time."""
        with self._lock:
            taken, self._counts = self._counts, {}
        if not taken:
            return
        try:
            self._write([Count(*key, *count) for key, count in taken.items()])
        except Exception:
            logger.warning("counts of requests are kept until they can be written", exc_info=True)
            with self._lock:
                for key, count in list(taken.items())[-MOST_KEPT:]:
                    held = self._counts.setdefault(key, [0, 0])
                    held[0] += count[0]
                    held[1] += count[1]

    def _begin(self) -> None:
        self._pid, self._counts = os.getpid(), {}
        threading.Thread(target=self._go_on, name="deployment-counts", daemon=True).start()

    def _go_on(self) -> None:
        while True:
            time.sleep(FLUSH_EVERY_S)
            self.flush()
