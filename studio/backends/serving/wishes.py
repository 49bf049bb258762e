"""Which hosts are wished for, how far each is, and when one that ended is due again."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from studio.backends.serving.port import HostPhase, HostState, Wish

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 60.0
SETTLED_S = 10.0  # a host that lived so long is not failing at its start
SOON = 3  # starts in a row that come so soon after each other that whoever asks may wait for them


@dataclass
class _Life:
    """Starts of one host.

    Attributes:
        starts: Since it last lived for a while.
        started_at: The latest, in seconds of the monotonic clock.
        ready_at: When it was seen ready after that; None while it was not.
    """

    starts: int = 0
    started_at: float = float("-inf")
    ready_at: float | None = None

    @property
    def due_at(self) -> float:
        """When it may be started again: later each time, so that a model that ends its host keeps nobody busy."""
        if self.starts == 0:
            return float("-inf")
        return float(self.started_at + min(FIRST_PAUSE_S * 2.0**self.starts, LONGEST_PAUSE_S))


class Wishes:
    """The wishes of a supervisor; its thread alone calls what is here, but for ``replace`` and ``states``."""

    def __init__(self) -> None:
        self._wishes: Mapping[str, Wish] = {}
        self._lives: dict[str, _Life] = {}
        self._asleep: set[str] = set()
        self._waking: set[str] = set()
        self.states: Mapping[str, HostState] = {}

    def replace(self, wishes: Iterable[Wish]) -> None:
        """Wish for these hosts, and no others."""
        self._wishes = {wish.key: wish for wish in wishes}

    def find(self, key: str) -> Wish | None:
        """The wish for a host."""
        return self._wishes.get(key)

    def each_due(self, now: float) -> Iterator[Wish]:
        """Those that are to be started if they are not there."""
        for key, wish in self._wishes.items():
            if key not in self._asleep and self._life(key).due_at <= now:
                yield wish

    def refusal(self, key: str, now: float) -> dict[str, Any] | None:
        """Why a host that is asked for cannot be started now; None where it can."""
        if key not in self._wishes:
            return {"error": "unknown", "message": "no deployment needs this model host"}
        life = self._life(key)
        if life.due_at <= now or life.starts < SOON:
            return None
        told = self.states.get(key)
        reason = told.message if told is not None and told.message else "it ended"
        return {"error": "resting", "message": f"it is started again in a while, as {reason}"}

    def started(self, key: str, now: float) -> None:
        """Note a start."""
        life = self._life(key)
        life.starts, life.started_at, life.ready_at = life.starts + 1, now, None
        if key in self._asleep:
            self._asleep.remove(key)
            self._waking.add(key)

    def put_to_sleep(self, key: str) -> None:
        """Let a host wait until it is asked."""
        self._asleep.add(key)
        self._lives.pop(key, None)

    def settle(self, ready: set[str], failures: Mapping[str, str], now: float) -> None:
        """Take up how far the hosts are, and forget what is not wished for any more.

        Args:
            ready: Keys of the hosts that answer.
            failures: Why a host could not be started, by key.
            now: Seconds of the monotonic clock.
        """
        wishes = self._wishes
        self._asleep &= wishes.keys()
        self._waking &= wishes.keys() - ready - failures.keys()
        self._lives = {key: life for key, life in self._lives.items() if key in wishes}
        for key in ready & wishes.keys():
            life = self._life(key)
            life.ready_at = now if life.ready_at is None else life.ready_at
            if now - life.ready_at > SETTLED_S:
                life.starts = 0
        self.states = {key: self._state(key, ready, failures) for key in wishes}

    def _state(self, key: str, ready: set[str], failures: Mapping[str, str]) -> HostState:
        if key in ready:
            return HostState(HostPhase.READY)
        if key in failures:
            return HostState(HostPhase.FAILED, failures[key])
        if key in self._asleep or key in self._waking:
            return HostState(HostPhase.ASLEEP)
        before = self.states.get(key)
        if before is None or before.phase is HostPhase.ASLEEP or not (before.message or before.is_usable):
            return HostState(HostPhase.STARTING)
        return HostState(HostPhase.STARTING, "its process ended and is being started again")

    def _life(self, key: str) -> _Life:
        return self._lives.setdefault(key, _Life())
