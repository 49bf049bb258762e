"""The ONNX file of a run's model, made in a process of its own: what it takes too much of, the run does not lose."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from studio.automl.result import SearchResult
from studio.automl.workers import Line, Serve, WorkerPool
from studio.domain.versions import OnnxCheck
from studio.exports.onnx.conversion import convert, note
from studio.exports.onnx.graph import CannotConvert
from studio.exports.onnx.parity import Parity, measure_parity

Log = Callable[[str, str], None]

SHARE = 0.1  # of a budget that is kept for it
LEAST_S, MOST_S = 3.0, 60.0
LARGEST_SHARE = 0.25  # where that least is most of a short budget
WRITE_S = 1.0  # of the end, for the file
POLL_S = 1.0


def reserve_s(budget_s: float) -> float:
    """Seconds of a budget that a run keeps for its ONNX file."""
    return min(max(SHARE * budget_s, LEAST_S), MOST_S, LARGEST_SHARE * budget_s)


@dataclass(frozen=True)
class _Job:
    """What the process is asked for.

    Attributes:
        path: Where the file goes.
        until: Monotonic time after which it should come to an end.
    """

    path: Path
    until: float


class OnnxExport:
    """One conversion under way; for one thread's use.

    It begins when this is made, in a process that is forked: make it before this thread computes on several cores.

    Attributes:
        path: Where the file is once ``result`` has told that it passed.
    """

    def __init__(
        self, result: SearchResult, frame: pd.DataFrame, path: Path, *, deadline: float, memory_cap_mb: float
    ) -> None:
        """
        Args:
            result: The model, and which rows are for validation.
            frame: The table it comes from.
            path: Where the file goes; replaced.
            deadline: Monotonic time at which it is given up.
            memory_cap_mb: Memory of this process and what the other adds to it.
        """
        self.path = path
        self._pool = WorkerPool(lambda: _make_serve(result, frame), 1, memory_cap_mb)
        path.unlink(missing_ok=True)
        self._pool.submit(_Job(path, deadline - WRITE_S), deadline)

    def result(self, log: Log) -> OnnxCheck:
        """Wait for the end, and tell how it ended.

        Args:
            log: Takes a level and a line of the run's log.
        """
        found = self._await()
        if found.passed:
            size_mb = self.path.stat().st_size / 2**20
            compared = f"largest difference {found.max_difference:.3g} over {found.rows} validation rows"
            log("info", f"[Pipeline] ONNX file of {size_mb:.1f} MB: {compared}")
        else:
            self.path.unlink(missing_ok=True)  # perhaps it was written before the process was ended
            log("warning", f"[Pipeline] no ONNX file: {found.reason}")
        return found

    def _await(self) -> OnnxCheck:
        try:
            while not (events := self._pool.poll(POLL_S)):
                pass
        finally:
            self._pool.close()
        told = events[0].value
        return told if events[0].kind == "done" else _refused(f"it could not be converted: {told}")


def _make_serve(result: SearchResult, frame: pd.DataFrame) -> Serve:
    def serve(job: _Job, line: Line) -> OnnxCheck:
        try:
            return _write(result, frame, job)
        except CannotConvert as error:
            return _refused(f"it cannot be converted: {error}")

    return serve


def _write(result: SearchResult, frame: pd.DataFrame, job: _Job) -> OnnxCheck:
    """Write the file and compare it."""
    model, path = convert(result.estimator), job.path
    path.write_bytes(model.SerializeToString())
    rows = frame[list(result.feature_columns)].iloc[result.splits["validation"].row_index]
    found = measure_parity(result.estimator, path, rows, until=job.until)
    if not found.is_kept:
        size, allowed = f"{found.max_difference:.3g}", f"{found.tolerance:.3g}"
        reason = f"its outputs differ by up to {size} from the model's own, {allowed} is allowed"
        return _check_of(found, reason)
    note(model, {"max_difference": f"{found.max_difference:.6g}", "compared_rows": str(found.rows)})
    path.write_bytes(model.SerializeToString())
    return _check_of(found, None)


def _check_of(found: Parity, reason: str | None) -> OnnxCheck:
    return OnnxCheck(reason is None, reason, found.max_difference, found.tolerance, found.rows)


def _refused(reason: str) -> OnnxCheck:
    return OnnxCheck(False, reason, None, None, None)
