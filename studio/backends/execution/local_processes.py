"""Processes on this machine, forked in milliseconds from one that has loaded the libraries."""

import contextlib
import itertools
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from multiprocessing import Pipe
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from studio.backends.execution.fork_messages import Exited, Greeting, Kill, Started, Work
from studio.backends.execution.usage import TreeUsage
from studio.errors import BackendDown

if TYPE_CHECKING:
    from studio.backends.execution.port import Executor

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
STOP_TIMEOUT_S = 10.0
KILLED = -int(signal.SIGKILL)


class LocalProcess:
    """One forked process; see Handle."""

    def __init__(self, name: str, number: int, server: "_ServerThread") -> None:
        self.name = name
        self._number, self._server = number, server
        self._ended = threading.Event()
        self._exit_code: int | None = None
        self._pid: int | None = None
        self._usage: TreeUsage | None = None

    @property
    def pid(self) -> int | None:
        """Its process id; None while it is being started."""
        return self._pid

    def poll(self) -> int | None:
        """Exit code, None while it runs."""
        return self._exit_code if self._ended.is_set() else None

    def wait(self, timeout_s: float | None = None) -> int | None:
        """As poll, after waiting for the end."""
        self._ended.wait(timeout_s)
        return self.poll()

    def kill(self) -> None:
        """End it at once, with all that it started."""
        if not self._ended.is_set():
            self._server.send(Kill(self._number))
            self._ended.wait(STOP_TIMEOUT_S)

    def memory_bytes(self) -> int:
        """Memory of the whole tree, shared pages counted in proportion."""
        usage = self._usage_now()
        return usage.memory_bytes() if usage else 0

    def resident_bytes(self) -> int:
        """Memory of the whole tree, shared pages counted once per process; cheap."""
        usage = self._usage_now()
        return usage.resident_bytes() if usage else 0

    def cpu_percent(self) -> float:
        """Use of processors by the whole tree since the last call, 100 per core."""
        usage = self._usage_now()
        return usage.cpu_percent() if usage else 0.0

    def started(self, pid: int) -> None:
        """Note that it runs; for the server thread."""
        with contextlib.suppress(psutil.NoSuchProcess):  # so short a run that its end is already on its way
            self._usage = TreeUsage(psutil.Process(pid))
            self._pid = pid

    def ended(self, exit_code: int) -> None:
        """Note that it has ended; for the server thread."""
        self._exit_code = exit_code
        self._ended.set()

    def _usage_now(self) -> TreeUsage | None:
        return None if self._ended.is_set() else self._usage


class _ServerThread(threading.Thread):
    """One life of the fork server: starts it, hears it, and ends with it.

    The kernel ends the server with the thread that started it, so that is this thread, which waits for it.
    """

    def __init__(self, greeting: Greeting, environment: Mapping[str, str]) -> None:
        super().__init__(name="fork-server", daemon=True)
        self._environment = dict(environment)
        self._ours, self._theirs = Pipe()
        self._sending = threading.Lock()  # apart from the other, or a full channel would keep this thread waiting
        self._lock = threading.Lock()
        self._handles: dict[int, LocalProcess] = {}
        self.is_gone = False
        self._ours.send(greeting)
        self.start()

    def send(self, message: Work | Kill | None, handle: LocalProcess | None = None) -> bool:
        """Pass a message on, None to have it stop; False when the server is gone."""
        with self._lock:
            if self.is_gone:
                return False
            if handle is not None and isinstance(message, Work):
                self._handles[message.number] = handle
        with self._sending, contextlib.suppress(OSError):  # it has just ended: its handles will be told
            self._ours.send(message)
        return True

    def run(self) -> None:
        """Start the server and hear it until it ends."""
        try:
            with self._launch(), contextlib.suppress(EOFError, OSError):
                while True:
                    self._take(self._ours.recv())
        finally:
            self._theirs.close()
            self._leave()

    def stop(self) -> None:
        """Have the server end everything and itself, and wait for that."""
        self.send(None)
        self.join(STOP_TIMEOUT_S)

    def _launch(self) -> subprocess.Popen[bytes]:
        channel = self._theirs.fileno()
        command = [
            sys.executable,
            "-m",
            "studio.backends.execution.fork_server",
            str(channel),
            str(os.getpid()),
        ]
        server = subprocess.Popen(
            command,
            env=self._environment,
            pass_fds=[channel],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C at the terminal is for the owner, which then ends this
        )
        self._theirs.close()
        return server

    def _take(self, message: Started | Exited) -> None:
        with self._lock:
            if isinstance(message, Started):
                self._handles[message.number].started(message.pid)
            else:
                self._handles.pop(message.number).ended(message.exit_code)

    def _leave(self) -> None:
        with self._lock:
            self.is_gone = True
            left, self._handles = list(self._handles.values()), {}
        with self._sending:
            self._ours.close()
        for handle in left:
            if handle.pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(handle.pid, signal.SIGKILL)
            handle.ended(KILLED)


class LocalProcesses:
    """Forks processes from a server that has the given modules loaded; see Executor. Safe from any thread.

    All processes of one executor share an environment and a number of threads, which numeric libraries read
    while they are loaded: make one executor for training runs and another for model hosts. A fork server that
    dies takes its processes with it, and the next start makes another.
    """

    def __init__(self, *, environment: Mapping[str, str], preload: Sequence[str] = (), threads: int = 1) -> None:
        """Nothing is started yet.

        Args:
            environment: All variables that the processes shall see: this one's without the secrets.
            preload: Modules to load once, ahead of the first process.
            threads: Threads that numeric libraries (OpenMP, BLAS) use in each process.
        """
        self._environment = {**environment, **dict.fromkeys(THREAD_VARIABLES, str(threads))}
        self._greeting = Greeting(list(sys.path), tuple(preload))
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._server: _ServerThread | None = None
        self._is_closed = False

    def warm_up(self) -> None:
        """Begin to load the modules now, so that the first start need not wait for them; returns at once."""
        self._server_now()

    def start(self, name: str, target: str, args: Mapping[str, Any], *, output: Path | None = None) -> LocalProcess:
        """Start one process and return at once; see Executor."""
        work = Work(next(self._numbers), name, target, pickle.dumps(dict(args)), output)
        while True:
            server = self._server_now()
            handle = LocalProcess(name, work.number, server)
            if server.send(work, handle):
                return handle

    def close(self) -> None:
        """End everything that was started, and take no more work."""
        with self._lock:
            self._is_closed = True
            server, self._server = self._server, None
        if server is not None:
            server.stop()

    def _server_now(self) -> _ServerThread:
        with self._lock:
            if self._is_closed:
                raise BackendDown("The executor is closed.")
            if self._server is None or self._server.is_gone:
                self._server = _ServerThread(self._greeting, self._environment)
            return self._server


if TYPE_CHECKING:
    _: Executor = LocalProcesses(environment={})
