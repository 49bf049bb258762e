"""What a run has told so far: its curves, its log, and where its time went."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from studio.backends.stores import Stores
from studio.domain.identifiers import is_run_id
from studio.domain.run_records import TrainingRun
from studio.domain.runs import EventType, LogLevel
from studio.errors import RunNotFound, UnknownMetric
from studio.training import service as training

Curve = list[float | None]


@dataclass(frozen=True)
class Curves:
    """The curves of a run.

    Attributes:
        metrics: Values of each metric by its step, thinned out to the resolution asked for.
        epochs_completed: Trials told of by an automatic run, steps told of by a custom one.
        total_epochs: How many there will be; those so far where only a time budget bounds them.
    """

    run: TrainingRun
    metrics: dict[str, Curve]
    epochs_completed: int
    total_epochs: int


@dataclass(frozen=True)
class LogLine:
    """One line of a log; ``line`` counts from 1 over all levels."""

    line: int
    level: str
    message: str
    timestamp: datetime


@dataclass(frozen=True)
class Log:
    """Part of a run's log, and how many lines of its levels there are in all."""

    run: TrainingRun
    total_lines: int
    lines: Sequence[LogLine]


def find_run(stores: Stores, model_id: str, run_id: str | None) -> TrainingRun:
    """A run of a model, the newest one unless named.

    Raises:
        RunNotFound: The model has no such run, or none at all.
    """
    if run_id is not None:
        if not is_run_id(run_id):  # it may hold what a database takes for no text at all
            raise RunNotFound(f"There is no run {run_id!r} of this model.")
        return training.get_run(stores, model_id, run_id)
    newest = training.find_newest_run(stores, model_id)
    if newest is None:
        raise RunNotFound("This model has no run yet.")
    return newest


def read_curves(stores: Stores, model_id: str, *, run_id: str | None, metric: str | None, resolution: int) -> Curves:
    """The curves of a run, up to the newest point.

    Args:
        stores: Open stores.
        model_id: Id of the model.
        run_id: Id of the run, None for the newest.
        metric: Only this one.
        resolution: Most points per curve, from 2.

    Raises:
        RunNotFound: There is no such run.
        UnknownMetric: The run has told nothing of that metric.
    """
    run = find_run(stores, model_id, run_id)
    told = training.read_events_of(stores.db, run.run_id, (EventType.METRIC, EventType.TRIAL))
    points: dict[str, dict[int, float | None]] = {}
    for event in told:
        if event.type is EventType.METRIC:  # a run that went on after a crash may tell a step twice: the last counts
            points.setdefault(event.payload["name"], {})[event.payload["step"]] = event.payload["value"]
    if metric is not None and metric not in points:
        raise UnknownMetric(f"Run {run.run_id} has no metric {metric!r}.", fields=[("metric", "unknown metric")])
    trials = {event.payload["number"] for event in told if event.type is EventType.TRIAL}
    done = len(trials or {step for steps in points.values() for step in steps})
    wanted = [metric] if metric is not None else sorted(points)
    curves = {name: thin_out([points[name][step] for step in sorted(points[name])], resolution) for name in wanted}
    return Curves(run, curves, done, max(done, _planned_epochs(run)))


def read_log(
    stores: Stores, model_id: str, *, run_id: str | None, level: LogLevel, limit: int, offset: int, tail: bool
) -> Log:
    """Part of a run's log, oldest line first.

    Args:
        stores: Open stores.
        model_id: Id of the model.
        run_id: Id of the run, None for the newest.
        level: Least level.
        limit: Most lines.
        offset: Lines to pass over.
        tail: The last lines instead.

    Raises:
        RunNotFound: There is no such run.
    """
    run = find_run(stores, model_id, run_id)
    total, events = training.read_log(
        stores.db, run.run_id, levels=level.and_above, limit=limit, offset=offset, tail=tail
    )
    lines = [
        LogLine(event.payload["line"], event.payload["level"], event.payload["message"], event.timestamp)
        for event in events
    ]
    return Log(run, total, lines)


def read_details(stores: Stores, model_id: str, *, run_id: str | None) -> TrainingRun:
    """How a run went. Raises RunNotFound."""
    return find_run(stores, model_id, run_id)


def thin_out(values: Curve, resolution: int) -> Curve:
    """At most ``resolution`` of some values at uniform intervals, the first and the last among them."""
    if len(values) <= resolution:
        return values
    last = len(values) - 1
    return [values[round(place * last / (resolution - 1))] for place in range(resolution)]


def _planned_epochs(run: TrainingRun) -> int:
    planned = (run.config.get("search") or {}).get("max_trials") if run.kind == "auto" else None
    return planned or 0
