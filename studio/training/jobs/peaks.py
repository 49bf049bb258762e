"""The most that a run's processes have used."""

from studio.backends.execution.port import Handle
from studio.training.jobs.plans import MB

RISE = 1.05  # times what was resident at the last measurement: worth another


class Peaks:
    """Peaks of one process and all below it, over one life of it.

    Attributes:
        memory_mb: Most memory at a time, None before the first measurement.
        cpu_percent: Most use of processors between two measurements, 100 per core; None before the first.
    """

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._resident_bytes = 0
        self.memory_mb: float | None = None
        self.cpu_percent: float | None = None

    def glance(self) -> None:
        """Measure memory if it has risen; cheap, for several times a second."""
        if self._handle.resident_bytes() > RISE * self._resident_bytes:
            self._measure_memory()

    def measure(self) -> float:
        """Measure everything, for every second or so; gives the memory of now, in megabytes."""
        self.cpu_percent = max(self.cpu_percent or 0.0, self._handle.cpu_percent())
        return self._measure_memory()

    def _measure_memory(self) -> float:
        self._resident_bytes = self._handle.resident_bytes()
        memory_mb = self._handle.memory_bytes() / MB
        self.memory_mb = max(self.memory_mb or 0.0, memory_mb)
        return memory_mb
