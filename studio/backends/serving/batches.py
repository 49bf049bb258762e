"""Requests that wait in a host, and which of them can be predicted together."""

from collections import deque
from dataclasses import dataclass
from typing import Any

from studio.backends.serving.wire import Rows

MAX_BATCH_ROWS = 4096
MAX_SHARED_ROWS = 64  # a request of more rows gains nothing from company


@dataclass(frozen=True)
class Waiting:
    """One request.

    Attributes:
        sender: Who is to have the answer, as ``FrameServer`` numbers them.
        rows: What to predict.
        deadline: When its caller stops waiting, in seconds of the machine's monotonic clock.
        shape: Requests of the same shape may be predicted together; None: alone.
        came_at: When it came, in seconds of the same clock.
        explain: What the rows are to be explained with, beside the rows; None where they are to be predicted.
    """

    sender: int
    rows: Rows
    deadline: float
    shape: frozenset[tuple[str, str]] | None
    came_at: float = 0.0
    explain: dict[str, Any] | None = None


def shape_of(rows: Rows, is_read_by_row: bool = False) -> frozenset[tuple[str, str]] | None:
    """Columns and kinds of values, so that no caller's rows change how another's are read.

    Args:
        rows: Of one request.
        is_read_by_row: Whether the model reads each by itself, so that all shapes are one.
    """
    if len(rows) > MAX_SHARED_ROWS:
        return None
    if is_read_by_row:
        return frozenset()
    return frozenset((name, _kind(value)) for row in rows for name, value in row.items())


def take_batch(waiting: deque[Waiting]) -> list[Waiting]:
    """Take the oldest request and those that can go with it, oldest first.

    Args:
        waiting: All that wait, at least one; those taken are removed.
    """
    first = waiting.popleft()
    batch, row_count, others = [first], len(first.rows), []
    while waiting:
        request = waiting.popleft()
        fits = first.shape is not None and request.shape == first.shape
        if fits and row_count + len(request.rows) <= MAX_BATCH_ROWS:
            batch.append(request)
            row_count += len(request.rows)
        else:
            others.append(request)
    waiting.extend(others)
    return batch


def _kind(value: Any) -> str:
    return "number" if type(value) in (int, float) else type(value).__name__
