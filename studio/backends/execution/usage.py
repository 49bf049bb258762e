"""What a process and everything below it use of memory and processors."""

import contextlib
import time

import psutil

LEAST_APART_S = 0.1  # the kernel counts in hundredths of a second


class TreeUsage:
    """Measures a process with all its descendants; for one thread's use."""

    def __init__(self, process: psutil.Process) -> None:
        """
        Args:
            process: Just started: what it uses is counted from now on.
        """
        self._process = process
        self._cpu_s, self._measured_at, self._percent = 0.0, time.monotonic(), 0.0

    def memory_bytes(self) -> int:
        """Memory of the tree, shared pages counted in proportion; takes some ten milliseconds per process."""
        return sum(_memory_bytes(process) for process in self._tree())

    def resident_bytes(self) -> int:
        """No less than memory_bytes, as shared pages are counted once per process; takes next to no time."""
        return sum(_resident_bytes(process) for process in self._tree())

    def cpu_percent(self) -> float:
        """Use of processors since the last call, 100 per core; at the first call since the start.

        Counts what descendants used that have come and gone meanwhile. A call too soon gives what the last one gave.
        """
        now = time.monotonic()
        cpu_s = sum(_cpu_s(process) for process in self._tree())
        # Less than before: one that had just ended was not there to be read, and not reaped either.
        if now - self._measured_at >= LEAST_APART_S and cpu_s >= self._cpu_s:
            self._percent = 100 * (cpu_s - self._cpu_s) / (now - self._measured_at)
            self._cpu_s, self._measured_at = cpu_s, now
        return self._percent

    def _tree(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            return [self._process, *self._process.children(recursive=True)]
        return []


def _memory_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.AccessDenied:  # a sandbox may hide it
        return _resident_bytes(process)
    except psutil.NoSuchProcess:
        return 0


def _resident_bytes(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.NoSuchProcess):
        return int(process.memory_info().rss)
    return 0


def _cpu_s(process: psutil.Process) -> float:
    """Seconds of processor time of a process and of its children that have ended and been reaped."""
    with contextlib.suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0
