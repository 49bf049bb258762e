"""Fewer points for a curve of many."""

import heapq

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


def thin(x: Floats, y: Floats, most: int) -> Indices:
    """Choose the points that keep the shape of a curve best.

    Starting from the two ends, the point furthest from the chord over it is added, time and again
    (Ramer-Douglas-Peucker, ended by a number of points instead of a distance).

    Args:
        x: Of shape (n_points,), in the order of the curve, 2 points or more.
        y: Of shape (n_points,), of a range like x's.
        most: Most points to keep, 2 or more.

    Returns:
        Increasing positions of the points to keep, the first and the last among them.
    """
    if len(x) <= most:
        return np.arange(len(x))
    kept = [0, len(x) - 1]
    waiting = [_furthest(x, y, 0, len(x) - 1)]
    while waiting and len(kept) < most:
        _, middle, start, end = heapq.heappop(waiting)
        kept.append(middle)
        for left, right in ((start, middle), (middle, end)):
            if right - left > 1:
                heapq.heappush(waiting, _furthest(x, y, left, right))
    return np.sort(np.array(kept))


def _furthest(x: Floats, y: Floats, start: int, end: int) -> tuple[float, int, int, int]:
    """The point furthest from the chord of two others: minus the distance, its position, and theirs."""
    dx, dy = x[end] - x[start], y[end] - y[start]
    away = np.abs(dx * (y[start + 1 : end] - y[start]) - dy * (x[start + 1 : end] - x[start]))
    middle = int(np.argmax(away))
    length = float(np.hypot(dx, dy)) or 1.0
    return -float(away[middle]) / length, start + 1 + middle, start, end
