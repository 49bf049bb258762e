"""When a queued run will probably start."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from statistics import median

from sqlalchemy import or_, select

from studio.backends.stores import Stores
from studio.domain.runs import RunStatus
from studio.training.service.workers import count_alive
from studio.training.tables import RunRow

USUAL_RUN_S = 300.0  # before any run has completed
RECENT_RUNS = 20
LEAST_LEFT_S = 1.0


def forecast(stores: Stores, row: RunRow) -> tuple[int, datetime]:
    """Place of a run in the queue of all organizations, from 1, and when the runs ahead will have freed a seat."""
    running = stores.db.scalars(select(RunRow).where(RunRow.status == str(RunStatus.RUNNING))).all()
    ahead = _runs_ahead(stores, row)
    durations = _Durations(stores)
    seats = max(stores.config.concurrent_runs * count_alive(stores.db, now=stores.now()), 1)
    free_in = sorted(max(durations.expect(run) - run.elapsed_s, LEAST_LEFT_S) for run in running)[-seats:]
    free_in += [0.0] * (seats - len(free_in))
    for run in ahead:
        soonest = min(range(seats), key=free_in.__getitem__)
        free_in[soonest] += max(durations.expect(run) - run.elapsed_s, LEAST_LEFT_S)
    return len(ahead) + 1, stores.now() + timedelta(seconds=min(free_in))


def _runs_ahead(stores: Stores, row: RunRow) -> list[RunRow]:
    is_ahead = or_(
        RunRow.priority < row.priority,
        (RunRow.priority == row.priority) & (RunRow.rank < row.rank),
        (RunRow.priority == row.priority) & (RunRow.rank == row.rank) & (RunRow.id < row.id),
    )
    query = select(RunRow).where(RunRow.status == str(RunStatus.QUEUED), is_ahead)
    return list(stores.db.scalars(query.order_by(RunRow.priority, RunRow.rank, RunRow.id)))


class _Durations:
    """How long runs take: as their model's last ones with the same budget, else their budget, else as others."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._by_model: dict[str, list[tuple[float, float | None]]] = {}
        self._usual_s: float | None = None

    def expect(self, run: RunRow) -> float:
        """Running time of a run, in seconds."""
        budget_s = _budget_of(run)
        own = self._own(run.model_id)
        alike = [elapsed_s for elapsed_s, budget in own if budget == budget_s]
        expected_s = median(alike) if alike else budget_s or self._usual()
        return min(expected_s, float(run.timeout_s))

    def _own(self, model_id: str) -> list[tuple[float, float | None]]:
        if model_id not in self._by_model:
            self._by_model[model_id] = [(run.elapsed_s, _budget_of(run)) for run in self._recent(model_id)]
        return self._by_model[model_id]

    def _usual(self) -> float:
        if self._usual_s is None:
            durations = [run.elapsed_s for run in self._recent(None)]
            self._usual_s = median(durations) if durations else USUAL_RUN_S
        return self._usual_s

    def _recent(self, model_id: str | None) -> Iterable[RunRow]:
        query = select(RunRow).where(RunRow.status == str(RunStatus.COMPLETED))
        if model_id is not None:
            query = query.where(RunRow.model_id == model_id)
        return self._stores.db.scalars(query.order_by(RunRow.created_at.desc()).limit(RECENT_RUNS))


def _budget_of(run: RunRow) -> float | None:
    budget: float | None = (run.config.get("search") or {}).get("time_budget_seconds")
    return budget
