"""Names processes so that others on the same kernel can tell whether one still lives."""

import os
from pathlib import Path


def name_process(pid: int | None = None) -> str:
    """A name no other process ever has: boot of the machine, namespace of process ids, process id, time of start.

    Args:
        pid: Which process; None for this one.

    Raises:
        FileNotFoundError: There is no such process.
    """
    pid = pid or os.getpid()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    started_ticks = fields[19]  # field 22 of the line, whose second may hold blanks
    return f"{_place()}/{pid}/{started_ticks}"


def is_gone(name: str) -> bool:
    """True when a process is known to have ended; False for those of another machine or container."""
    place, pid, _ = name.rsplit("/", 2)
    if place != _place():
        return False
    try:
        return name_process(int(pid)) != name
    except OSError:
        return True


def _place() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
