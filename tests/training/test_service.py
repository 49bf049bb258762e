"""Runs: the queue, the leases, the events, the ends."""

from datetime import timedelta

import pandas as pd
import pytest

from studio.audit import service as audit
from studio.datasets import service as datasets
from studio.domain.model_records import ModelStatus
from studio.domain.run_records import Failure
from studio.domain.runs import EventType, Priority, RunStatus
from studio.domain.tasks import TaskType
from studio.errors import (
    ConfigIncomplete,
    InvalidInput,
    NoDataset,
    QuotaExceeded,
    RunInProgress,
    RunNotFound,
    RunStateConflict,
    UnknownColumn,
)
from studio.models import service as models
from studio.training import service
from studio.training.service.queue import LEASE, MAX_ATTEMPTS
from tests.factories import make_dataset, make_model, parcels

pytestmark = pytest.mark.both_databases


@pytest.fixture
def model(stores):
    return make_model(stores, dataset=make_dataset(stores))


def visits(n=40):
    days = pd.date_range("2026-01-01", periods=n, freq="D").strftime("%Y-%m-%d")
    return pd.DataFrame({"day": days, "visits": [100 + 7 * i % 30 for i in range(n)]})


def start(stores, model, **wanted):
    stores.note = None
    return service.start_run(stores, model.id, **wanted)


def events_of(stores, run):
    return [(event.seq, str(event.type)) for event in service.read_events(stores.db, run.run_id, after=0)]


class TestStarting:
    def test_a_run_waits_and_its_model_trains(self, stores, model):
        run = start(stores, model, run_label="deeper", config_override={"search": {"max_trials": 3}})
        assert (run.status, run.queue_position, run.progress) == (RunStatus.QUEUED, 1, 0)
        assert run.estimated_start_time is not None
        assert run.config["search"]["max_trials"] == 3
        assert run.dataset_fingerprint == datasets.get_dataset(stores, run.dataset_id).fingerprint
        assert models.get_model(stores, model.id).status is ModelStatus.TRAINING
        assert models.get_model(stores, model.id).config["search"]["max_trials"] is None  # saved one stays
        assert events_of(stores, run) == [(1, "state")]
        assert stores.note.details["run_id"] == run.run_id

    def test_a_second_one_is_refused(self, stores, model):
        start(stores, model)
        with pytest.raises(RunInProgress):
            start(stores, model)

    def test_a_dataset_is_needed(self, stores):
        with pytest.raises(NoDataset):
            start(stores, make_model(stores))

    def test_a_target_is_needed(self, stores):
        model = make_model(stores, dataset=make_dataset(stores), config={})
        with pytest.raises(ConfigIncomplete):
            start(stores, model)

    def test_a_feature_must_be_left(self, stores):
        model = make_model(stores, dataset=make_dataset(stores, parcels()[["late"]]))
        with pytest.raises(ConfigIncomplete):
            start(stores, model)

    @pytest.mark.parametrize("missing", ["time_column", "horizon"])
    def test_a_time_series_needs_its_keys(self, stores, missing):
        model = make_model(stores, task_type=TaskType.TIME_SERIES, config={}, dataset=make_dataset(stores, visits()))
        config = {"target_column": "visits", "time_column": "day", "horizon": 3, missing: None}
        with pytest.raises(ConfigIncomplete) as caught:
            start(stores, model, config_override=config)
        assert caught.value.fields[0][0] == f"/config_override/{missing}"

    def test_rows_that_are_no_series_are_refused_before_the_run(self, stores):
        twice = pd.concat([visits(), visits().assign(visits=1)])
        model = make_model(stores, task_type=TaskType.TIME_SERIES, config={}, dataset=make_dataset(stores, twice))
        config = {"target_column": "visits", "time_column": "day", "horizon": 3}
        with pytest.raises(InvalidInput, match="stands in 2 rows") as caught:
            start(stores, model, config_override=config)
        assert caught.value.fields[0][0] == "/config_override/time_column"
        with pytest.raises(InvalidInput) as caught:
            start(stores, model, config_override={**config, "frequency": "often"})
        assert caught.value.fields[0] == (
            "/config_override/frequency",
            "'often' is no frequency; examples are D, h, 15min, W, MS, QS and YS",
        )

    def test_a_time_series_starts(self, stores):
        model = make_model(stores, task_type=TaskType.TIME_SERIES, config={}, dataset=make_dataset(stores, visits()))
        config = {"target_column": "visits", "time_column": "day", "horizon": 3, "algorithm": "xgboost"}
        assert start(stores, model, config_override=config).status is RunStatus.QUEUED

    def test_columns_must_be_there(self, stores, model):
        with pytest.raises(UnknownColumn):
            start(stores, model, config_override={"feature_columns": ["nothing"]})

    @pytest.mark.parametrize(
        "target",
        [["on_time"] * 60, [None] * 60, [f"parcel {n}" for n in range(60)]],
        ids=["constant", "all null", "as many classes as rows"],
    )
    def test_a_target_nothing_can_be_learned_of_is_refused(self, stores, target):
        frame = parcels().assign(late=pd.Series(target, dtype=object))
        model = make_model(stores, dataset=make_dataset(stores, frame))
        with pytest.raises(InvalidInput) as refusal:
            start(stores, model)
        assert "late" in str(refusal.value)
        assert refusal.value.fields[0][0].endswith("/target_column")

    def test_a_refused_start_leaves_nothing(self, open_stores):
        with open_stores() as stores:
            model = make_model(stores, dataset=make_dataset(stores))
        with pytest.raises(UnknownColumn), open_stores() as stores:
            service.start_run(stores, model.id, config_override={"target_column": "nothing"})
        with open_stores() as stores:
            assert models.get_model(stores, model.id).status is ModelStatus.DRAFT
            assert service.find_newest_run(stores, model.id) is None

    def test_an_organization_has_a_quota(self, stores, model):
        object.__setattr__(stores.config, "queue_limit", 1)
        start(stores, model)
        with pytest.raises(QuotaExceeded):
            start(stores, make_model(stores, "two", dataset=make_dataset(stores)))

    def test_another_organizations_run_is_absent(self, open_stores):
        with open_stores() as stores:
            model = make_model(stores, dataset=make_dataset(stores))
            run = start(stores, model)
        with open_stores("others") as stores, pytest.raises(RunNotFound):
            service.get_run(stores, model.id, run.run_id)


class TestQueue:
    def queue(self, stores, clock, *priorities):
        runs = []
        for number, priority in enumerate(priorities):
            model = make_model(stores, f"m{number}", dataset=make_dataset(stores))
            runs.append(start(stores, model, priority=priority))
            clock.advance(seconds=1)
        return [run.run_id for run in runs]

    def test_priorities_then_age(self, stores, clock):
        low, normal, high, later = self.queue(
            stores, clock, Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.NORMAL
        )
        positions = {run_id: service.find_run(stores, run_id).queue_position for run_id in (low, normal, high, later)}
        assert positions == {high: 1, normal: 2, later: 3, low: 4}
        taken = [service.claim_run(stores.db, "w", now=clock()).run_id for _ in range(4)]
        assert taken == [high, normal, later, low]
        assert service.claim_run(stores.db, "w", now=clock()) is None

    def test_a_lease_that_ran_out_is_taken_over(self, stores, clock):
        (run_id,) = self.queue(stores, clock, Priority.NORMAL)
        service.claim_run(stores.db, "one", now=clock())
        assert service.claim_run(stores.db, "two", now=clock.advance(seconds=5)) is None
        claim = service.claim_run(stores.db, "two", now=clock.advance(seconds=LEASE.total_seconds() + 1))
        assert (claim.run_id, claim.attempt) == (run_id, 2)
        lost = service.renew_lease(stores, run_id, "one", elapsed_s=1, memory_mb=1, cpu_percent=1)
        assert lost == "lost"

    def test_a_worker_that_comes_back_takes_its_runs_at_once(self, stores, clock):
        self.queue(stores, clock, Priority.NORMAL)
        service.claim_run(stores.db, "one", now=clock())
        service.expire_leases(stores.db, "one", now=clock(), planned=False)
        stores.db.expire_all()
        assert service.claim_run(stores.db, "one", now=clock()).attempt == 2

    def test_a_planned_stop_is_no_failed_start(self, stores, clock):
        self.queue(stores, clock, Priority.NORMAL)
        for _ in range(5):
            assert service.claim_run(stores.db, "one", now=clock()).attempt == 1
            service.expire_leases(stores.db, "one", now=clock(), planned=True)
            stores.db.expire_all()

    def test_a_lease_notes_what_the_run_uses(self, stores, clock):
        (run_id,) = self.queue(stores, clock, Priority.NORMAL)
        service.claim_run(stores.db, "one", now=clock())
        for memory_mb in (100.0, 300.0, 200.0):
            asked = service.renew_lease(stores, run_id, "one", elapsed_s=7, memory_mb=memory_mb, cpu_percent=50)
        run = service.find_run(stores, run_id)
        assert (asked, run.peak_memory_mb, run.duration_seconds) == (None, 300.0, 7)

    def test_a_run_is_given_up_after_three_starts(self, stores, clock):
        (run_id,) = self.queue(stores, clock, Priority.NORMAL)
        for attempt in range(1, MAX_ATTEMPTS + 1):
            assert service.claim_run(stores.db, "one", now=clock()).attempt == attempt
            assert service.requeue_run(stores, run_id, why="it died") is (attempt < MAX_ATTEMPTS)


class TestEnds:
    def test_a_queued_run_is_cancelled_at_once(self, stores, model):
        run = start(stores, model)
        stores.note = None
        cancelled = service.cancel_run(stores, model.id, run.run_id)
        assert (cancelled.status, cancelled.cancel_reason) == (RunStatus.CANCELLED, "user")
        assert models.get_model(stores, model.id).status is ModelStatus.DRAFT
        assert events_of(stores, run)[-1][1] == "cancelled"
        with pytest.raises(RunStateConflict):
            service.cancel_run(stores, model.id, run.run_id)

    def test_a_running_one_is_asked_to_stop(self, stores, model, clock):
        run = start(stores, model)
        stores.note = None
        service.claim_run(stores.db, "one", now=clock())
        asked = service.cancel_run(stores, model.id, run.run_id)
        assert (asked.status, asked.pending_action) == (RunStatus.RUNNING, "cancel")
        assert service.renew_lease(stores, run.run_id, "one", elapsed_s=1, memory_mb=1, cpu_percent=1) == "cancel"
        service.cancel_orphan(stores, run.run_id, reason="user")
        ended = service.find_run(stores, run.run_id)
        assert (ended.status, ended.pending_action) == (RunStatus.CANCELLED, None)

    def test_a_failure_is_told_everywhere(self, stores, model, clock):
        run = start(stores, model)
        service.claim_run(stores.db, "one", now=clock())
        failure = Failure("no_successful_trial", "nothing worked", "algorithm_search")
        for _ in range(2):  # a repeat changes nothing
            service.fail_run(stores, run.run_id, failure)
        assert service.find_run(stores, run.run_id).failure == failure
        assert models.get_model(stores, model.id).status is ModelStatus.FAILED
        assert [kind for _, kind in events_of(stores, run)] == ["state", "state", "failed"]
        entries = audit.list_entries(stores, audit.AuditFilter(action="model.training_failed"), page=1, page_size=9)
        assert (entries.total, entries.results[0].actor.type) == (1, "system")

    def test_an_ended_run_lets_go_of_its_dataset(self, stores, model):
        from studio.datasets.tables import DatasetUseRow

        run = start(stores, model)
        assert stores.db.get(DatasetUseRow, run.run_id) is not None
        stores.note = None
        service.cancel_run(stores, model.id, run.run_id)
        stores.db.expire_all()
        assert stores.db.get(DatasetUseRow, run.run_id) is None


def test_sequence_and_line_numbers_have_no_gap(stores, model):
    run = start(stores, model)
    for batch in range(3):
        service.append_events(
            stores,
            run.run_id,
            [
                (EventType.LOG, {"level": "info", "message": f"[Training] {batch}"}),
                (EventType.METRIC, {"name": "val_roc_auc", "value": 0.5, "step": batch}),
                (EventType.LOG, {"level": "debug", "message": "[Training] more"}),
            ],
        )
    events = service.read_events(stores.db, run.run_id, after=0)
    assert [event.seq for event in events] == list(range(1, 11))
    assert [e.payload["line"] for e in events if e.type is EventType.LOG] == [1, 2, 3, 4, 5, 6]
    assert [event.seq for event in service.read_events(stores.db, run.run_id, after=4, limit=2)] == [5, 6]


def test_a_worker_is_alive_while_it_says_so(stores, clock):
    assert not service.is_worker_alive(stores.db, now=clock())
    service.beat(stores.db, "one", now=clock())
    stores.db.flush()
    assert service.is_worker_alive(stores.db, now=clock.now + timedelta(seconds=5))
    assert not service.is_worker_alive(stores.db, now=clock.now + timedelta(seconds=15))


def test_runs_are_listed_newest_first(stores, clock):
    model = make_model(stores, dataset=make_dataset(stores))
    ids = []
    for _ in range(3):
        run = start(stores, model)
        ids.append(run.run_id)
        stores.note = None
        service.cancel_run(stores, model.id, run.run_id)
        clock.advance(seconds=1)
    wanted = {"status": None, "sort_by": "created_at", "page_size": 2}
    page = service.list_runs(stores, model.id, descending=True, page=1, **wanted)
    assert (page.total, [run.run_id for run in page.results]) == (3, ids[:0:-1])
    assert service.find_newest_run(stores, model.id).run_id == ids[-1]
    assert service.find_newest_run(stores, model.id, completed_only=True) is None
