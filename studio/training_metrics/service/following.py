"""Follows runs for all sockets of a process: each run is read once, however many listen to it.

A followed run keeps its newest messages in memory, encoded once. Every listener has its own place in the sequence
and takes what comes after it, from memory or, further back, from the table; so nothing can be missed or told twice,
and a listener that does not come for its messages costs the others nothing.
"""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Any

import orjson

from studio.backends.stores import OpenFor
from studio.clock import format_time
from studio.domain.actors import system_actor
from studio.errors import BackendDown
from studio.training import service as training
from studio.training.service import RunEvent

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.1
TRY_AGAIN_AFTER_S = 1.0
PAGE = 500
KEPT = 2000  # more than a listener may be behind

HUB = "studio_run_hub"


@dataclass(frozen=True, slots=True)
class Told:
    """One message of a run as sockets send it, ``json`` in UTF-8."""

    seq: int
    json: bytes
    is_terminal: bool


@dataclass(eq=False)
class FollowedRun:
    """A run that somebody listens to; the hub's lock guards what changes.

    Attributes:
        newest: Sequence number of the newest message known.
        has_ended: That message was the terminal one.
        kept: The newest messages, without a gap up to ``newest``.
        listeners: What to call for each listener when there is something new.
    """

    organization: str
    run_id: str
    newest: int
    has_ended: bool
    kept: deque[Told] = field(default_factory=lambda: deque(maxlen=KEPT))
    listeners: dict[object, Callable[[], None]] = field(default_factory=dict)


class RunHub:
    """Reads new messages of followed runs on one thread, which lives while somebody listens."""

    def __init__(self, open_stores: OpenFor) -> None:
        """
        Args:
            open_stores: Opens stores for an actor; give ``write``.
        """
        self._open_stores = open_stores
        self._process = -1
        self._is_looking = False
        self._begin()

    def join(self, start: FollowedRun, listener: object, wake: Callable[[], None]) -> FollowedRun:
        """Listen to a run.

        Args:
            start: The run as it was just read; used unless it is followed already.
            listener: Who listens.
            wake: Called from the hub's thread when there is something new; must not block.
        """
        if self._process != os.getpid():
            self._begin()  # a fork took the listeners along but not the thread
        with self._lock:
            followed = self._runs.setdefault(start.run_id, start)
            followed.listeners[listener] = wake
            if not self._is_looking:
                self._is_looking = True
                self._thread = threading.Thread(target=self._look_until_alone, name="run-hub", daemon=True)
                self._thread.start()
        return followed

    def leave(self, followed: FollowedRun, listener: object) -> None:
        """Listen no longer; safe to repeat."""
        with self._lock:
            followed.listeners.pop(listener, None)
            if not followed.listeners and self._runs.get(followed.run_id) is followed:
                del self._runs[followed.run_id]

    def read_after(self, followed: FollowedRun, seq: int, limit: int) -> list[Told]:
        """Messages after a sequence number, oldest first; none when there is nothing newer yet.

        Raises:
            BackendDown: They lie in the table and the database does not answer.
        """
        kept = self.read_kept(followed, seq, limit)
        if kept is not None:
            return kept
        return [encode(event) for event in self._read(followed.organization, [(followed.run_id, seq)], limit)]

    def read_kept(self, followed: FollowedRun, seq: int, limit: int) -> list[Told] | None:
        """As ``read_after`` but from memory alone; None when they lie in the table."""
        with self._lock:
            first = followed.kept[0].seq if followed.kept else followed.newest + 1
            if seq + 1 < first:
                return None
            return list(islice(followed.kept, seq + 1 - first, seq + 1 - first + limit))

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[str, FollowedRun] = {}
        self._is_looking = False
        self._process = os.getpid()

    def _look_until_alone(self) -> None:
        while True:
            with self._lock:
                if not self._runs:
                    self._is_looking = False
                    return
                places = [
                    (run.organization, run.run_id, run.newest) for run in self._runs.values() if not run.has_ended
                ]
            time.sleep(self._look(places))

    def _look(self, places: Iterable[tuple[str, str, int]]) -> float:
        """Read what is new; returns the seconds to wait before the next look."""
        try:
            is_full = False
            for organization, runs in groupby(sorted(places), key=lambda place: place[0]):
                events = self._read(organization, [(run_id, newest) for _, run_id, newest in runs], PAGE)
                is_full |= len(events) >= PAGE
                self._tell(events)
        except BackendDown:
            logger.warning("the database does not answer; listeners wait", exc_info=True)
            return TRY_AGAIN_AFTER_S
        except Exception:
            logger.exception("following runs failed; trying again")
            return TRY_AGAIN_AFTER_S
        return 0.0 if is_full else LOOK_EVERY_S

    def _read(self, organization: str, places: Iterable[tuple[str, int]], limit: int) -> list[RunEvent]:
        with self._open_stores(system_actor(organization), write=False) as stores:
            return [
                event
                for run_id, seq in places
                for event in training.read_events(stores.db, run_id, after=seq, limit=limit)
            ]

    def _tell(self, events: Iterable[RunEvent]) -> None:
        for run_id, of_run in groupby(events, key=lambda event: event.run_id):
            messages = [encode(event) for event in of_run]
            with self._lock:
                followed = self._runs.get(run_id)
                if followed is None or followed.newest + 1 != messages[0].seq:
                    continue  # left meanwhile, and perhaps followed anew from further on
                followed.kept.extend(messages)
                followed.newest, followed.has_ended = messages[-1].seq, messages[-1].is_terminal
                for wake in followed.listeners.values():
                    wake()


def shared_hub(extensions: MutableMapping[str, Any], open_stores: OpenFor) -> RunHub:
    """The one that follows runs for all sockets of an application in this process, made at the first call.

    Args:
        extensions: The application's.
        open_stores: As of RunHub.
    """
    hub: RunHub | None = extensions.get(HUB)
    return hub or extensions.setdefault(HUB, RunHub(open_stores))


def encode(event: RunEvent) -> Told:
    """A message as sockets send it."""
    fields = {"type": event.type, "run_id": event.run_id, "seq": event.seq, "timestamp": format_time(event.timestamp)}
    return Told(event.seq, orjson.dumps({**fields, **event.payload, **fields}), event.type.is_terminal)
