"""Starts model hosts when they are asked for or wished for, and lets the least used ones go. Runs in the worker."""

import contextlib
import fcntl
import logging
import math
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import zmq

from studio.backends.execution.port import Executor, Handle
from studio.backends.serving.port import HostState, Wish
from studio.backends.serving.sockets import CONTROL, address_of, check_length, check_privacy
from studio.backends.serving.wire import to_json
from studio.backends.serving.wishes import Wishes
from studio.errors import BackendDown

log = logging.getLogger(__name__)
security = logging.getLogger("studio.security")

HOST = "studio.backends.serving.host:main"
TICK_S = 0.2
WEIGH_EVERY_S = 5.0  # reading the memory of a process costs some ten milliseconds
WEIGH_AGAIN_S = 30.0
WEIGHED_AT_ONCE = 40
STARTED_AT_ONCE = 4  # of those that are wished for: more only slow each other down
FAILURE_KEPT_S = 5.0
STOP_TIMEOUT_S = 10.0
WISHED_STOP_TIMEOUT_S = 30.0


@dataclass
class _Host:
    """One host process.

    Attributes:
        callers: Who waits for it to be ready; empty from then on.
        link: Its control connection, known once it is ready.
        pid: Its process id as it told it when it was ready.
        used_at: When it was last asked for or reported use, in seconds of the monotonic clock.
        is_wished: Whether it serves a deployment.
        memory_bytes: What it weighed when that was last looked at, at ``weighed_at``; None before.
    """

    key: str
    name: str
    handle: Handle
    started_at: float
    used_at: float
    callers: list[bytes] = field(default_factory=list)
    link: bytes | None = None
    pid: int | None = None
    is_wished: bool = False
    memory_bytes: int = 0
    weighed_at: float | None = None


class HostSupervisor:
    """Keeps one host per model key that was asked for or is wished for, as far as number and memory allow.

    One thread serves the control socket; it never waits for a host, so that a slow start holds up nobody else. A
    host that was asked for and ends is started again when it is next asked for, not before; one that is wished for
    is started again at once, unless memory is short: then it sleeps until it is asked.
    """

    def __init__(
        self,
        executor: Executor,
        runtime_folder: Path,
        *,
        log_folder: Path | None = None,
        max_hosts: int = 8,
        max_memory_bytes: int | None = None,
        idle_s: float = 600.0,
        start_timeout_s: float = 120.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the control socket of the runtime folder.

        Args:
            executor: Starts the hosts; made with one thread per process, its environment free of secrets.
            runtime_folder: Where the sockets lie; made private to this user.
            log_folder: Where deployed hosts write down what they predict; None: nowhere.
            max_hosts: Hosts alive at once that nobody wished for, at least 1; the least recently used goes for a new
                one.
            max_memory_bytes: Memory of all hosts together above which the least recently used goes, down to
                one; None: no limit.
            idle_s: Seconds without a request after which a host that nobody wished for ends by itself.
            start_timeout_s: Longest time to load a model, in seconds.
            clock: Monotonic seconds.

        Raises:
            BadConfig: The runtime folder is too long or someone else's.
            BackendDown: Another worker serves this runtime folder.
        """
        check_length(runtime_folder)
        check_privacy(runtime_folder)
        self._executor, self._folder, self._clock = executor, runtime_folder, clock
        self._max_hosts, self._max_memory_bytes = max_hosts, max_memory_bytes
        self._log_folder = None if log_folder is None else str(log_folder)
        self._idle_s, self._start_timeout_s = idle_s, start_timeout_s
        self._lock_file = _locked(runtime_folder / "control.lock")
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.linger = 0
        self._socket.bind(address_of(runtime_folder, CONTROL))  # replaces a file that a killed worker left
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._hosts: dict[str, _Host] = {}
        self._leaving: list[tuple[_Host, float]] = []
        self._failures: dict[str, tuple[float, str]] = {}
        self._wishes = Wishes()
        self._weighed_at = clock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Serve from a thread of its own until closed."""
        self._thread = threading.Thread(target=self._run, name="host-supervisor", daemon=True)
        self._thread.start()

    def want(self, wishes: Iterable[Wish]) -> None:
        """Say which hosts are to be there, all of them; the others that were wished for end. Safe from any thread.

        A host that is not wished for any more answers what waits, for 30 s at most.
        """
        self._wishes.replace(wishes)

    @property
    def states(self) -> Mapping[str, HostState]:
        """How far the wished hosts are, by key, as of the latest round. Safe from any thread."""
        return self._wishes.states

    def poll(self, timeout_s: float = TICK_S) -> None:
        """One round: hear what was said, look after every host. For those who do not call start.

        Args:
            timeout_s: Longest wait for something to hear, in seconds.
        """
        if self._poller.poll(int(timeout_s * 1000)):
            with contextlib.suppress(zmq.Again):
                for _ in range(100):  # then look after the hosts
                    sender, body = self._socket.recv_multipart(zmq.NOBLOCK)
                    self._hear(sender, orjson.loads(body))
        self._look_after_hosts()

    def close(self) -> None:
        """End all hosts and give the runtime folder back."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        for host in (*self._hosts.values(), *(host for host, _ in self._leaving)):
            host.handle.kill()
            self._forget_socket(host)
        self._context.destroy(linger=0)
        os.close(self._lock_file)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.poll()
            except Exception:  # one bad message must not end the service for all
                log.exception("the host supervisor could not do a round")

    def _hear(self, sender: bytes, message: dict[str, Any]) -> None:
        op = message["op"]
        if op in ("ensure", "find"):
            self._look_for(sender, message)
            return
        host = next((host for host in self._hosts.values() if self._address(host) == message.get("address")), None)
        if host is None and op == "used":
            host = next((host for host in self._hosts.values() if host.link == sender), None)
        if host is None:
            return  # one that was let go in the meantime
        if op == "ready":
            host.link, host.pid = sender, message["pid"]
            self._failures.pop(host.key, None)
            self._tell_callers(host, {"address": self._address(host), "pid": host.pid})
        elif op == "failed":
            if message.get("is_tampered"):
                security.error("model files changed", extra={"event": "model_files_changed", "model": host.key})
            self._fail(host, message["message"])
        elif op == "used":
            host.used_at = self._clock()

    def _look_for(self, sender: bytes, message: dict[str, Any]) -> None:
        """Tell where a host is, once there is one; start it where there is none."""
        key = message["key"]
        host = self._hosts.get(key)
        if host is not None and host.pid is not None and host.pid == message.get("gone"):
            self._lose(host)  # the caller saw its end before the executor told of it
        elif host is not None:
            self._look_after(host)
        host = self._hosts.get(key)
        if host is None:
            refusal = self._refusal(key) if message["op"] == "ensure" else self._wishes.refusal(key, self._clock())
            if refusal is not None:
                self._send(sender, refusal)
                return
            wish = self._wishes.find(key)
            host = self._start_wished(wish) if wish else self._start_host(key, message["loader"], message["args"])
        host.used_at = self._clock()
        if host.link is not None:
            self._send(sender, {"address": self._address(host), "pid": host.pid})
        else:
            host.callers.append(sender)
            self._send(sender, {"status": "starting"})

    def _refusal(self, key: str) -> dict[str, Any] | None:
        """Why no host can be started for a key now; makes room for one where it can."""
        oldest = self._clock() - FAILURE_KEPT_S
        self._failures = {
            kept: failure
            for kept, failure in self._failures.items()
            if failure[0] > oldest or self._wishes.find(kept) is not None
        }
        if key in self._failures:
            return {"error": "load_failed", "message": self._failures[key][1]}
        asked_for = [host for host in self._hosts.values() if not host.is_wished]
        if len(asked_for) >= self._max_hosts and not self._let_go_of_least_used(asked_for):
            return {"error": "overloaded", "message": "all model hosts are still being started"}
        return None

    def _start_wished(self, wish: Wish) -> _Host:
        self._wishes.started(wish.key, self._clock())
        given = {"about": dict(wish.about), "idle_s": math.inf, "log_folder": self._log_folder}
        host = self._start_host(wish.key, wish.loader, dict(wish.args), **given)
        host.is_wished = True
        return host

    def _start_host(self, key: str, loader: str, args: dict[str, Any], **more: Any) -> _Host:
        name, now = f"h-{secrets.token_hex(4)}.sock", self._clock()
        given = {
            "loader": loader,
            "args": args,
            "address": str(self._folder / name),
            "control_address": address_of(self._folder, CONTROL),
            "idle_s": self._idle_s,
            **more,
        }
        host = _Host(key, name, self._executor.start(f"host {key}", HOST, given), now, now)
        self._hosts[key] = host
        return host

    def _let_go_of_least_used(self, hosts: Iterable[_Host]) -> bool:
        """False when all of them are still being started."""
        ready = [host for host in hosts if host.link is not None]
        if not ready:
            return False
        host = min(ready, key=lambda host: host.used_at)
        if host.is_wished:
            self._wishes.put_to_sleep(host.key)
        self._let_go(host)
        return True

    def _let_go(self, host: _Host) -> None:
        """Have a host end once it has answered what waits; one that is still being started ends at once."""
        if host.link is None:
            self._lose(host)
            return
        del self._hosts[host.key]
        self._send(host.link, {"op": "stop"})
        patience_s = WISHED_STOP_TIMEOUT_S if host.is_wished else STOP_TIMEOUT_S
        self._leaving.append((host, self._clock() + patience_s))

    def _look_after_hosts(self) -> None:
        now = self._clock()
        for host in list(self._hosts.values()):
            self._look_after(host)
        for host, deadline in list(self._leaving):
            if host.handle.poll() is not None or now > deadline:
                self._leaving.remove((host, deadline))
                self._end(host)
        if self._max_memory_bytes is not None:
            self._keep_within_memory(self._max_memory_bytes, now)
        self._grant_wishes()

    def _grant_wishes(self) -> None:
        for host in [host for host in self._hosts.values() if host.is_wished and not self._wishes.find(host.key)]:
            self._let_go(host)
        starting = sum(host.link is None for host in self._hosts.values())
        for wish in self._wishes.each_due(self._clock()):
            if wish.key in self._hosts:
                continue
            if wish.may_sleep and self._is_memory_full():
                self._wishes.put_to_sleep(wish.key)
            elif starting < STARTED_AT_ONCE:
                self._start_wished(wish)
                starting += 1
        ready = {host.key for host in self._hosts.values() if host.is_wished and host.link is not None}
        self._wishes.settle(ready, {key: reason for key, (_, reason) in self._failures.items()}, self._clock())

    def _look_after(self, host: _Host) -> None:
        exit_code = host.handle.poll()
        if exit_code is not None and host.link is None:
            self._fail(host, f"the process ended with exit code {exit_code} while it loaded the model")
        elif exit_code is not None:
            self._lose(host)
        elif host.link is None and self._clock() - host.started_at > self._start_timeout_s:
            self._fail(host, f"it was not loaded within {self._start_timeout_s:g} s")

    def _keep_within_memory(self, limit_bytes: int, now: float) -> None:
        ready = [host for host in self._hosts.values() if host.link is not None]
        fresh = [host for host in ready if host.weighed_at is None]
        if not fresh and now - self._weighed_at <= WEIGH_EVERY_S:
            return
        self._weighed_at = now
        stale = [host for host in ready if host.weighed_at is not None and now - host.weighed_at > WEIGH_AGAIN_S]
        for host in (*fresh, *sorted(stale, key=lambda host: host.weighed_at or 0)[:WEIGHED_AT_ONCE]):
            host.memory_bytes, host.weighed_at = host.handle.memory_bytes(), now
        while self._is_memory_full() and len(self._hosts) > 1:
            if not self._let_go_of_least_used(self._hosts.values()):
                break

    def _is_memory_full(self) -> bool:
        used = sum(host.memory_bytes for host in self._hosts.values())
        return self._max_memory_bytes is not None and used > self._max_memory_bytes

    def _fail(self, host: _Host, reason: str) -> None:
        log.warning("the model %s could not be loaded: %s", host.key, reason)
        self._failures[host.key] = (self._clock(), reason)
        self._tell_callers(host, {"error": "load_failed", "message": reason})
        self._lose(host)

    def _lose(self, host: _Host) -> None:
        """Forget a host that is of no use any more; whoever waits for it is told to ask again."""
        if self._hosts.get(host.key) is host:
            del self._hosts[host.key]
        self._tell_callers(host, {"error": "gone", "message": "the model host ended"})
        self._end(host)

    def _end(self, host: _Host) -> None:
        if host.handle.poll() is None:  # a kill waits for the end, which must hold up nobody
            threading.Thread(target=host.handle.kill, daemon=True).start()
        self._forget_socket(host)

    def _forget_socket(self, host: _Host) -> None:
        with contextlib.suppress(OSError):
            (self._folder / host.name).unlink()

    def _address(self, host: _Host) -> str:
        return str(self._folder / host.name)

    def _tell_callers(self, host: _Host, answer: dict[str, Any]) -> None:
        for caller in host.callers:
            self._send(caller, answer)
        host.callers.clear()

    def _send(self, receiver: bytes, message: dict[str, Any]) -> None:
        self._socket.send_multipart([receiver, to_json(message)])  # dropped when the receiver is gone


def _locked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise BackendDown(f"Another worker serves the model hosts of {path.parent}.") from error
    return descriptor
