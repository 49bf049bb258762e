"""One listener's way through the messages of a run."""

from collections.abc import Callable

import orjson

from studio.backends.stores import Stores
from studio.clock import Clock, format_time
from studio.training import service as training
from studio.training_metrics.service.figures import find_run
from studio.training_metrics.service.following import FollowedRun, RunHub, Told


class RunFeed:
    """What one socket tells of a run: everything after a sequence number, then what happens.

    Made by ``follow_run``. Used by one thread at a time. See Feed of ``studio/web/talk.py``.
    """

    model_id: str | None = None
    is_hearing = True
    is_patient = False

    def __init__(self, hub: RunHub, run: FollowedRun, after: int, clock: Clock) -> None:
        self._hub, self._run, self._place, self._clock = hub, run, after, clock
        self._is_live = False

    @property
    def is_over(self) -> bool:
        """True once the terminal message was taken, or lies before the place the listener began at."""
        return self._run.has_ended and self._place >= self._run.newest

    @property
    def backlog(self) -> int:
        """Messages that wait to be taken; 0 while old ones are being replayed."""
        return max(self._run.newest - self._place, 0) if self._is_live else 0

    def start(self, wake: Callable[[], None]) -> None:
        """Begin; ``wake`` is called from another thread when there is something to take."""
        self._run = self._hub.join(self._run, self, wake)

    def take(self, limit: int) -> list[bytes]:
        """The next messages, in order; none when there is nothing yet.

        Raises:
            BackendDown: The database does not answer.
        """
        return self._pass(self._hub.read_after(self._run, self._place, limit))

    def take_kept(self, limit: int) -> list[bytes] | None:
        """As ``take``, without ever waiting; None when only ``take`` can tell."""
        messages = self._hub.read_kept(self._run, self._place, limit)
        return None if messages is None else self._pass(messages)

    def _pass(self, messages: list[Told]) -> list[bytes]:
        if messages:
            self._place = messages[-1].seq
        self._is_live = self._is_live or self._place >= self._run.newest
        return [message.json for message in messages]

    def receive(self, piece: object) -> None:
        """Pass over what the client says."""

    def heartbeat(self) -> bytes:
        """A message that only shows that the socket is alive."""
        now = format_time(self._clock())
        return orjson.dumps({"type": "ping", "run_id": self._run.run_id, "timestamp": now})

    def close(self) -> None:
        """Listen no longer."""
        self._hub.leave(self._run, self)


def follow_run(stores: Stores, hub: RunHub, model_id: str, *, run_id: str | None, after: int) -> RunFeed:
    """Get ready to follow a run; the feed does not need these stores any more.

    Args:
        stores: Open stores.
        hub: Follows runs in this process.
        model_id: Id of the model.
        run_id: Id of the run, None for the newest.
        after: Sequence number of the last message known, 0 for none.

    Raises:
        RunNotFound: There is no such run.
    """
    run = find_run(stores, model_id, run_id)
    newest = training.find_newest_event(stores.db, run.run_id)
    known = FollowedRun(
        stores.organization,
        run.run_id,
        newest=newest.seq if newest else 0,
        has_ended=newest is not None and newest.type.is_terminal,
    )
    return RunFeed(hub, known, after, stores.clock)
