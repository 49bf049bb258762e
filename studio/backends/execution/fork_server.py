"""The process that training runs and model hosts are forked from, with its libraries already loaded.

Started by LocalProcesses as a program of its own, so that its environment, which everything forked from it
shows in ``/proc/<pid>/environ``, never held the secrets of the service. It has one thread. It ends everything
forked from it before it ends itself, which it does when the channel to its owner closes or its owner dies.

Each run is a session of its own and adopts its orphans, so that its tree stays whole. Whatever is left when a
run ends is adopted by this process, and killed.
"""

import contextlib
import ctypes
import faulthandler
import gc
import importlib
import os
import pickle
import signal
import sys
import traceback
from multiprocessing.connection import Connection, wait

import psutil

from studio.backends.execution.fork_messages import Exited, Greeting, Kill, Started, Work
from studio.backends.execution.parent_death import die_with_parent

PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


class ForkServer:
    """Forks processes as it is told, and tells of their ends."""

    def __init__(self, channel: Connection) -> None:
        self._channel = channel
        self._running: dict[int, int] = {}  # pid -> number
        self._stopping = False
        self._wake_r, self._wake_w = os.pipe()
        os.set_blocking(self._wake_r, False)
        os.set_blocking(self._wake_w, False)
        signal.set_wakeup_fd(self._wake_w, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._stop)

    def serve(self) -> Work | None:
        """Work until told to stop; returns None then, and in a forked process the work it is to do."""
        while not self._stopping:
            ready = wait([self._channel, self._wake_r])
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_r, 4096)
            self._reap()
            if self._channel in ready:
                try:
                    message = self._channel.recv()
                except (EOFError, OSError):
                    break
                if message is None:
                    break
                if isinstance(message, Kill):
                    self._kill(message.number)
                elif self._fork(message):
                    return message  # type: ignore[no-any-return]
        self._end_all()
        return None

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _fork(self, work: Work) -> bool:
        """True in the process that was forked."""
        own_pid = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            traceback.print_exc()
            self._tell(Exited(work.number, 1))
            return False
        if pid == 0:
            self._become_child(own_pid)
            return True
        self._running[pid] = work.number
        self._tell(Started(work.number, pid))
        return False

    def _become_child(self, server_pid: int) -> None:
        os.setsid()
        die_with_parent(server_pid)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        self._channel.close()
        os.close(self._wake_r)
        os.close(self._wake_w)

    def _kill(self, number: int) -> None:
        for pid, running in self._running.items():
            if running == number:
                _kill_tree(pid)

    def _reap(self) -> None:
        """Take leave of children that have ended; runs are told of, and their leftovers killed."""
        ended: list[Exited] = []
        is_any_gone = False
        while (gone := _next_gone()) is not None:
            is_any_gone = True
            pid, status = gone
            if pid in self._running:
                ended.append(Exited(self._running.pop(pid), os.waitstatus_to_exitcode(status)))
        for child in psutil.Process().children() if is_any_gone else ():
            if child.pid not in self._running:  # an orphan of a run that is no more
                _kill_tree(child.pid)
        for message in ended:
            self._tell(message)

    def _end_all(self) -> None:
        while children := psutil.Process().children():
            for child in children:
                _kill_tree(child.pid)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(-1, 0)

    def _tell(self, message: Started | Exited) -> None:
        with contextlib.suppress(OSError):  # the owner is gone: the next look at the channel ends this process
            self._channel.send(message)


def _next_gone() -> tuple[int, int] | None:
    """Process id and status of a child that has ended; None when there is none."""
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, status) if pid else None


def _kill_tree(pid: int) -> None:
    """SIGKILL a child of this process, its process group, and all below it."""
    try:
        tree = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)
    for process in (*tree, psutil.Process(pid)):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _load(greeting: Greeting) -> None:
    sys.path[:] = greeting.sys_path
    for module in greeting.preload:
        try:
            importlib.import_module(module)
        except Exception:  # a broken library must fail the runs that need it, not all
            traceback.print_exc()
    gc.collect()
    gc.freeze()  # what is loaded is not written to by the collector, so that the forked share it


def _do(work: Work) -> None:
    """Be the process that was asked for."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if work.output is not None:
        descriptor = os.open(work.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.close(descriptor)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    faulthandler.enable()
    sys.argv = [work.name]
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # or all forked processes would draw the same numbers
    module, _, function = work.target.partition(":")
    getattr(importlib.import_module(module), function)(**pickle.loads(work.pickled_args))  # noqa: S301


def main() -> None:
    """Serve the owner whose channel and process id the arguments name."""
    channel, owner_pid = Connection(int(sys.argv[1])), int(sys.argv[2])
    die_with_parent(owner_pid)
    try:
        _load(channel.recv())
    except EOFError:
        return
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    server = ForkServer(channel)
    die_with_parent(owner_pid, signal.SIGTERM)  # from here on there may be processes to end first
    work = server.serve()
    if work is not None:
        _do(work)  # here, with the loop left behind, so that the process ends like any program


if __name__ == "__main__":
    main()
