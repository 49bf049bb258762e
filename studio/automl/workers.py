"""Processes that may be killed: forked once, they serve many tasks, and the search survives the death of any.

The parent forks and must not have entered an OpenMP region in the forking thread with more than one core;
each child serves in a thread of its own, because libgomp keeps its pool per thread and a forked pool has no
threads in it.
"""

import contextlib
import ctypes
import os
import pickle
import resource
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any

import psutil

_PR_SET_PDEATHSIG = 1
_MEGABYTE = 1024 * 1024
_POLL_S = 0.1
TOO_LONG = "it took longer than the time that was left"

Serve = Callable[[Any, "Line"], Any]


class Line:
    """The child's end: a task may report on its way and hear an answer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def ask(self, report: Any) -> Any:
        """Send a report and wait for the answer."""
        self._connection.send(("report", report))
        return self._connection.recv()


@dataclass(frozen=True)
class Event:
    """What came from a worker.

    Attributes:
        kind: ``report`` (answer it), ``done``, or ``failed`` (``value`` is the reason in words).
    """

    worker: int
    kind: str
    value: Any


@dataclass
class _Worker:
    pid: int
    connection: Connection
    own_bytes_at_fork: int
    deadline: float | None = None
    is_busy: bool = False
    process: psutil.Process = field(init=False)

    def __post_init__(self) -> None:
        self.process = psutil.Process(self.pid)


class WorkerPool:
    """Up to ``size`` children, each busy with at most one task; for one thread's use.

    Args:
        make_serve: Called in a fresh child; returns what answers its tasks.
        size: Children at once.
        memory_cap_mb: Memory of the parent and what the children add to it; the largest child beyond it is
            killed.
    """

    def __init__(self, make_serve: Callable[[], Serve], size: int, memory_cap_mb: float | None) -> None:
        self._make_serve = make_serve
        self.size = size
        self._cap_bytes = None if memory_cap_mb is None else int(memory_cap_mb * _MEGABYTE)
        self._workers: dict[int, _Worker] = {}
        self._watched_at = 0.0
        self.peak_bytes = 0

    @property
    def n_idle(self) -> int:
        """How many tasks can be submitted now."""
        return self.size - sum(worker.is_busy for worker in self._workers.values())

    def submit(self, task: Any, deadline: float | None) -> int:
        """Give a task to an idle child, forking one if there is none.

        Args:
            deadline: Monotonic time at which the child is killed if it has not finished; None for never.

        Returns:
            The worker's number, which its events carry.
        """
        for number, worker in list(self._workers.items()):
            if worker.is_busy:
                continue
            try:
                worker.connection.send(task)
            except (BrokenPipeError, ConnectionResetError):
                self._remove(number)
                continue
            worker.is_busy, worker.deadline = True, deadline
            return number
        number = next(slot for slot in range(self.size) if slot not in self._workers)
        worker = self._workers[number] = self._fork()
        worker.connection.send(task)
        worker.is_busy, worker.deadline = True, deadline
        return number

    def answer(self, worker: int, value: Any) -> None:
        """Reply to a report; one whose worker overran its deadline and was killed meanwhile needs no reply."""
        asking = self._workers.get(worker)
        if asking is not None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                asking.connection.send(value)

    def poll(self, timeout_s: float) -> list[Event]:
        """Wait for news, for ``timeout_s`` at most, and kill what overran its deadline or the memory cap."""
        busy = {w.connection: n for n, w in self._workers.items() if w.is_busy}
        end = time.monotonic() + timeout_s
        while True:
            deadlines = [w.deadline for w in self._workers.values() if w.is_busy and w.deadline is not None]
            soonest = min([end, time.monotonic() + _POLL_S, *deadlines])
            ready = wait(list(busy), max(0.0, soonest - time.monotonic()))
            events = [self._read(busy[connection]) for connection in ready]  # type: ignore[index]
            events += self._enforce()
            if events or not busy or time.monotonic() >= end:
                return events

    def kill(self, worker: int) -> None:
        """End a child and everything it started."""
        self._remove(worker)

    def close(self) -> None:
        """End every child."""
        for number in list(self._workers):
            self._remove(number)

    def _read(self, number: int) -> Event:
        worker = self._workers[number]
        try:
            kind, value = worker.connection.recv()
        except (EOFError, ConnectionResetError, pickle.UnpicklingError):
            return Event(number, "failed", self._remove(number))
        worker.is_busy = kind == "report"
        return Event(number, kind, value)

    def _enforce(self) -> list[Event]:
        now = time.monotonic()
        events = []
        for number, worker in list(self._workers.items()):
            if worker.is_busy and worker.deadline is not None and now >= worker.deadline:
                self._remove(number)
                events.append(Event(number, "failed", TOO_LONG))
        if now - self._watched_at >= _POLL_S:
            self._watched_at = now
            events += self._enforce_memory()
        return events

    def _enforce_memory(self) -> list[Event]:
        grown = {number: self._grown_bytes(worker) for number, worker in self._workers.items()}
        total = psutil.Process().memory_info().rss + sum(grown.values())
        self.peak_bytes = max(self.peak_bytes, total)
        if self._cap_bytes is None or total <= self._cap_bytes or not grown:
            return []
        largest = max(grown, key=lambda number: grown[number])
        was_busy = self._workers[largest].is_busy
        self._remove(largest)
        if not was_busy:
            return []
        reason = f"it needed more memory than the {self._cap_bytes // _MEGABYTE} MB this run may use"
        return [Event(largest, "failed", reason)]

    @staticmethod
    def _grown_bytes(worker: _Worker) -> int:
        try:
            return max(0, _own_bytes(worker.process) - worker.own_bytes_at_fork)
        except psutil.Error:
            return 0

    def _remove(self, number: int) -> str:
        """Kill and reap; the answer says in words how the child ended."""
        worker = self._workers.pop(number)
        worker.connection.close()
        for process in _family_of(worker.process):
            with contextlib.suppress(psutil.Error):
                process.kill()
        with contextlib.suppress(ChildProcessError):
            status = os.waitpid(worker.pid, 0)[1]
            if os.WIFSIGNALED(status):
                return f"its process was ended by {signal.Signals(os.WTERMSIG(status)).name}"
        return "its process ended by itself"

    def _fork(self) -> _Worker:
        parent_end, child_end = Pipe()
        parent = os.getpid()
        own_bytes = _own_bytes(psutil.Process())
        pid = os.fork()
        if pid == 0:
            try:
                parent_end.close()
                for worker in self._workers.values():
                    worker.connection.close()
                _settle_child(parent)
                thread = threading.Thread(target=_serve_tasks, args=(self._make_serve, child_end))
                thread.start()
                thread.join()
            finally:
                os._exit(0)
        child_end.close()
        return _Worker(pid, parent_end, own_bytes)


def _own_bytes(process: psutil.Process) -> int:
    """Resident memory without what is mapped from files: a forked child does not inherit that, so it tells nothing."""
    memory = process.memory_info()
    return int(memory.rss - memory.shared)


def _family_of(process: psutil.Process) -> Iterator[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        yield from process.children(recursive=True)
    yield process


def _settle_child(parent: int) -> None:
    """Die with the parent, leave its signals to it, and be the one the kernel sacrifices for memory."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("500")
    warnings.simplefilter("ignore")


def _serve_tasks(make_serve: Callable[[], Serve], connection: Connection) -> None:
    serve = make_serve()
    line = Line(connection)
    while True:
        try:
            task = connection.recv()
        except (EOFError, ConnectionResetError):  # the parent is gone
            return
        try:
            answer = ("done", serve(task, line))
        except MemoryError:
            answer = ("failed", "it ran out of memory")
        except Exception as error:  # whatever an estimator raises fails its trial alone
            answer = ("failed", _in_words(error))
        connection.send(answer)


def _in_words(error: Exception) -> str:
    lines = traceback.format_exception_only(error)
    return " ".join(lines[-1].split())[:500]
