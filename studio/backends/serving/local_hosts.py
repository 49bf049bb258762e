"""Asking the model hosts of this machine. Runs in the API, and wherever else models are asked."""

import contextlib
import os
import random
import select
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, LifoQueue
from typing import TYPE_CHECKING, Any

import orjson
import zmq

from studio.backends.serving.frames import connect, exchange
from studio.backends.serving.port import Answer, ExplainedRow, Explanations
from studio.backends.serving.sockets import CONTROL, address_of, check_length
from studio.backends.serving.wire import to_json
from studio.errors import (
    BackendDown,
    HostGone,
    HostUnknown,
    InvalidInputs,
    NotApplicable,
    Overloaded,
    PredictionFailed,
    UnknownClass,
)

if TYPE_CHECKING:
    from studio.backends.serving.port import ModelHosts

CONTROL_TIMEOUT_S = 5.0  # within which the supervisor says at least that it is at work
_REFUSALS = {"not_applicable": NotApplicable, "unknown_class": UnknownClass}
QUICK_LOOK_S = 0.25  # for another replica, while one is there that answers
LOOK_AGAIN_S = 2.0
LOADING_SLICE_S = 5.0  # the worker that promised to tell of a host may be gone by then
MIN_WAIT_S = 0.001
NO_ANSWER = "The model did not answer within {:g} s."


class _KnownHost:
    """A host that was ready once, and idle connections to it.

    Attributes:
        pid: Its process id.
        life: Descriptor that becomes readable when it ends, whatever becomes of its process id.
        outstanding: Requests of this process that it has not answered.
    """

    def __init__(self, address: str, pid: int) -> None:
        self._address = address
        self._idle: LifoQueue[socket.socket] = LifoQueue()
        self.pid = pid
        self.life = os.pidfd_open(pid)
        self.outstanding = 0

    def __del__(self) -> None:
        """Close what is open when the last thread that watched the host has let go."""
        if hasattr(self, "life"):
            os.close(self.life)
            self.close_idle()

    def connect(self, timeout_s: float) -> socket.socket:
        """A connection nobody else uses; give it back, or close it. Raises OSError where the host has ended."""
        with contextlib.suppress(Empty):
            return self._idle.get_nowait()
        return connect(self._address, timeout_s)

    def give_back(self, connection: socket.socket) -> None:
        """Keep a connection on which nothing is due any more."""
        self._idle.put(connection)

    def is_alive(self) -> bool:
        """False when the process has ended."""
        poller = select.poll()
        poller.register(self.life, select.POLLIN)
        return not poller.poll(0)

    def close_idle(self) -> None:
        """Close the connections that nobody uses."""
        with contextlib.suppress(Empty):
            while True:
                self._idle.get_nowait().close()


class _Links:
    """What one process holds open; a process that was forked makes its own."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.context.set(zmq.MAX_SOCKETS, 8192)
        self.hosts: dict[str, _KnownHost] = {}
        self.lock = threading.Lock()
        self.gone: dict[str, int] = {}  # by key the process id of a replica that was seen to have ended
        self.looked_at: dict[str, float] = {}  # by key of a replica that was not there

    def remember(self, key: str, address: str, pid: int) -> _KnownHost:
        """Keep a host that is ready. Raises ProcessLookupError when it has ended."""
        with self.lock:
            known = self.hosts.get(key)
            if known is None or known.pid != pid:
                known = self.hosts[key] = _KnownHost(address, pid)
                for other in [name for name, host in self.hosts.items() if host is not known and not host.is_alive()]:
                    del self.hosts[other]
            return known

    def forget(self, key: str, host: _KnownHost) -> None:
        """Drop a host that has ended."""
        with self.lock:
            if self.hosts.get(key) is host:
                del self.hosts[key]
        host.close_idle()

    def count(self, host: _KnownHost, change: int) -> None:
        """Note a request that was sent to a host, 1, or is over, -1."""
        with self.lock:
            host.outstanding += change


@dataclass
class _Wanted:
    """A model to be served, as the supervisor is asked for it; gone: process id of a host seen to have ended."""

    key: str
    loader: str
    args: Mapping[str, Any]
    gone: int | None = None


class LocalHosts:
    """Model hosts that the worker of this machine starts; see ModelHosts.

    Finds the worker by its control socket in the runtime folder, and notices the end of a host at once, by its
    process, so that no call waits for one that is gone: both must share this machine and its process ids.
    """

    def __init__(self, runtime_folder: Path) -> None:
        """Nothing is connected yet.

        Args:
            runtime_folder: Where the sockets lie, the worker's own.

        Raises:
            BadConfig: Its path is too long for sockets.
        """
        check_length(runtime_folder)
        self._control_address = address_of(runtime_folder, CONTROL)
        self._lock = threading.Lock()
        self._links_of: _Links | None = None

    def predict(
        self,
        key: str,
        loader: str,
        args: Mapping[str, Any],
        rows: Sequence[dict[str, Any]],
        *,
        timeout_s: float,
    ) -> Answer:
        """Have a model predict; see ModelHosts."""
        said = self._ask(_Wanted(key, loader, args), {"op": "predict", "rows": list(rows)}, timeout_s)
        return Answer(said["predictions"], said["probabilities"], said["ms"])

    def explain(
        self,
        key: str,
        loader: str,
        args: Mapping[str, Any],
        rows: Sequence[dict[str, Any]],
        *,
        background: bytes,
        class_label: str | None,
        timeout_s: float,
    ) -> Explanations:
        """Have a model explain what it predicts; see ModelHosts."""
        request: dict[str, Any] = {"op": "explain", "rows": list(rows), "class_label": class_label}
        request["background"] = orjson.Fragment(background)
        said = self._ask(_Wanted(key, loader, args), request, timeout_s)
        return Explanations(said["explainer"], said["output"], [ExplainedRow(**row) for row in said["rows"]])

    def _ask(self, wanted: _Wanted, asked: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """Ask a host for an answer that is no error."""
        deadline = time.monotonic() + timeout_s
        request = _encode({**asked, "deadline": deadline})
        links = self._links()
        for _ in range(2):  # the second time in place of a host that ended on the way
            host = self._live_host(links, wanted, deadline)
            answer = self._exchange(host, request, deadline, timeout_s)
            if answer is not None:
                _check(answer)
                return answer
            links.forget(wanted.key, host)
            wanted.gone = host.pid
        raise BackendDown("The model host ended while it was asked.", retry_after_s=1)

    def ask(self, keys: Sequence[str], rows: Sequence[dict[str, Any]], *, deadline: float) -> Answer:
        """Have a replica predict; see ModelHosts."""
        request = _encode({"op": "predict", "rows": list(rows), "deadline": deadline})
        links = self._links()
        key, host = self._choose(links, keys, deadline)
        links.count(host, 1)
        try:
            said = self._exchange(host, request, deadline, max(0.0, deadline - time.monotonic()))
        finally:
            links.count(host, -1)
        if said is None:
            links.forget(key, host)
            links.gone[key] = host.pid
            raise HostGone("The model host ended while it was asked.", retry_after_s=1)
        _check(said)
        served = said.get("deployment_id"), said.get("version_id"), said.get("prediction_ids", [])
        return Answer(said["predictions"], said["probabilities"], said["ms"], *served)

    def close(self) -> None:
        """Close all connections of this process."""
        with self._lock:
            links, self._links_of = self._links_of, None
        if links is not None and links.pid == os.getpid():
            links.context.destroy(linger=0)

    def _links(self) -> _Links:
        with self._lock:
            if self._links_of is None or self._links_of.pid != os.getpid():
                self._links_of = _Links()
            return self._links_of

    def _exchange(self, host: _KnownHost, request: bytes, deadline: float, timeout_s: float) -> dict[str, Any] | None:
        """Ask a host; None when it ends before it answers."""
        connection = None
        try:
            left_s = max(MIN_WAIT_S, deadline - time.monotonic())
            connection = host.connect(left_s)
            answer: dict[str, Any] = orjson.loads(exchange(connection, request, left_s))
        except TimeoutError as error:
            raise Overloaded(NO_ANSWER.format(timeout_s), retry_after_s=1) from error
        except OSError:  # it has ended
            return None
        else:
            host.give_back(connection)
            connection = None
        finally:
            if connection is not None:
                connection.close()  # an answer that comes later must not be taken for another's
        return answer

    def _live_host(self, links: _Links, wanted: _Wanted, deadline: float) -> _KnownHost:
        host = links.hosts.get(wanted.key)
        if host is not None and host.is_alive():
            return host
        if host is not None:
            links.forget(wanted.key, host)
            wanted.gone = host.pid
        for _ in range(3):
            said = self._ensure(links, wanted, deadline)
            if said.get("error") != "gone":
                _check(said)
                try:
                    return links.remember(wanted.key, said["address"], said["pid"])
                except ProcessLookupError:  # ended, which the worker does not know yet
                    wanted.gone = said["pid"]
        raise BackendDown("The model host ends as soon as it is started.")

    def _choose(self, links: _Links, keys: Sequence[str], deadline: float) -> tuple[str, _KnownHost]:
        """The replica that has the least to do for this process; waits for one only while none is there."""
        live = {key: links.hosts[key] for key in keys if key in links.hosts}
        now = time.monotonic()
        for key in [key for key in keys if key not in live]:
            if live and now - links.looked_at.get(key, 0.0) < LOOK_AGAIN_S:
                continue
            links.looked_at[key] = now
            with contextlib.suppress(BackendDown, PredictionFailed):
                live[key] = self._find(links, key, min(deadline, now + QUICK_LOOK_S))
        if not live:
            key = random.choice(keys)  # noqa: S311 - guards nothing
            live[key] = self._find(links, key, deadline)
        return min(live.items(), key=lambda item: (item[1].outstanding, random.random()))  # noqa: S311

    def _find(self, links: _Links, key: str, deadline: float) -> _KnownHost:
        """The host of a replica, once it is ready."""
        until = min(deadline, time.monotonic() + LOADING_SLICE_S)
        said = self._tell_worker(links, {"op": "find", "key": key, "gone": links.gone.get(key)}, until)
        _check(said)
        try:
            host = links.remember(key, said["address"], said["pid"])
        except ProcessLookupError as error:  # ended, which the worker does not know yet
            links.gone[key] = said["pid"]
            raise HostUnknown("The model host has just ended.", retry_after_s=1) from error
        links.gone.pop(key, None)
        return host

    def _ensure(self, links: _Links, wanted: _Wanted, deadline: float) -> dict[str, Any]:
        """Have the worker say where the host is, or start it."""
        return self._tell_worker(links, {"op": "ensure", **vars(wanted)}, deadline)

    def _tell_worker(self, links: _Links, message: dict[str, Any], deadline: float) -> dict[str, Any]:
        """What the worker answers, the last word of it."""
        connection = _connection(links.context, self._control_address)
        try:
            connection.send(to_json(message))
            said = _hear(connection, min(deadline, time.monotonic() + CONTROL_TIMEOUT_S))
            if said is None:
                raise BackendDown("The worker that starts model hosts does not answer.")
            if said.get("status") == "starting":
                said = _hear(connection, deadline)
            if said is None:
                raise HostUnknown("The model is being loaded; ask again.", retry_after_s=2)
            return said
        finally:
            connection.close(linger=0)


def _connection(context: "zmq.Context[zmq.Socket[bytes]]", address: str) -> zmq.Socket[bytes]:
    connection = context.socket(zmq.DEALER)
    connection.linger = 0
    connection.connect(address)
    return connection


def _hear(connection: zmq.Socket[bytes], deadline: float) -> dict[str, Any] | None:
    """The next message; None when there is none by then."""
    if not connection.poll(max(0, int((deadline - time.monotonic()) * 1000))):
        return None
    message: dict[str, Any] = orjson.loads(connection.recv())
    return message


def _encode(asked: dict[str, Any]) -> bytes:
    try:
        return to_json(asked)
    except TypeError as error:  # an integer of more than 64 bits, half a character
        raise InvalidInputs(f"A value cannot be passed to the model: {error}.") from error


def _check(answer: dict[str, Any]) -> None:
    """Raise the error that an answer tells of."""
    error = answer.get("error")
    if error is None:
        return
    message = answer["message"]
    if error in _REFUSALS:
        raise _REFUSALS[error](message)
    if error in ("unknown", "gone"):
        raise HostUnknown(f"The model host is not there: {message}.", retry_after_s=1)
    if error == "resting":
        raise BackendDown(f"The model host is not there: {message}.", retry_after_s=5)
    if error == "overloaded":
        raise Overloaded(f"The model has too much to do: {message.rstrip('.')}.", retry_after_s=1)
    if error == "load_failed":
        raise PredictionFailed(f"The model could not be loaded: {message}")
    raise PredictionFailed(f"The model could not predict: {message}")


if TYPE_CHECKING:
    _: ModelHosts = LocalHosts(Path())
