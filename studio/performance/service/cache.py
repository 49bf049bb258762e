"""Recently read evaluations, so that the curves of one page are read from storage once."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any


class EvaluationCache:
    """Values by key, the longest unused leaving first when they take more memory than allowed.

    Safe to share between threads; what it holds must not be changed.
    """

    def __init__(self, max_bytes: int) -> None:
        """
        Args:
            max_bytes: Memory all values together may take; a larger value is not kept.
        """
        self._max_bytes = max_bytes
        self._held: OrderedDict[tuple[str, ...], tuple[Any, int]] = OrderedDict()
        self._size_bytes = 0
        self._lock = threading.Lock()

    def find(self, key: tuple[str, ...], read: Callable[[], tuple[Any, int]]) -> Any:
        """The value of a key, read where it is not held.

        Args:
            key: Names something that never changes.
            read: Gives the value and its size in bytes; what it raises is raised here and nothing is kept.
        """
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key][0]
        value, size_bytes = read()
        self._keep(key, value, size_bytes)
        return value

    def _keep(self, key: tuple[str, ...], value: Any, size_bytes: int) -> None:
        with self._lock:
            if key in self._held or size_bytes > self._max_bytes:
                return
            self._held[key] = (value, size_bytes)
            self._size_bytes += size_bytes
            while self._size_bytes > self._max_bytes:
                _, (_, freed) = self._held.popitem(last=False)
                self._size_bytes -= freed
