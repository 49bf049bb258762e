"""How a run's process hears that it is to pause."""

import time

from studio.backends.stores import OpenStores
from studio.errors import BackendDown
from studio.training.service.pauses import is_asked_to_pause

LOOK_EVERY_S = 0.5


class PauseWish:
    """Looks into the run's row, though not at every question."""

    def __init__(self, open_stores: OpenStores, run_id: str) -> None:
        self._open_stores, self._run_id = open_stores, run_id
        self._looked_at = -LOOK_EVERY_S
        self._is_asked = False

    def is_asked(self) -> bool:
        """Whether the run is to pause; while the database does not answer, as it was before."""
        if time.monotonic() - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = time.monotonic()
            try:
                with self._open_stores(write=False) as stores:
                    self._is_asked = is_asked_to_pause(stores, self._run_id)
            except BackendDown:
                return self._is_asked
        return self._is_asked
