"""How many cores this process may use."""

import math
import os
from pathlib import Path


def usable_cores() -> int:
    """Cores by affinity and by the control group's quota, at least 1."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, math.ceil(int(quota) / int(period))))
