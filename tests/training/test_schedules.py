"""Schedules: their times, what is refused, and the runs they start."""

import threading
from datetime import UTC, datetime

import pytest

from studio.audit import service as audit
from studio.audit.service import AuditFilter
from studio.errors import InvalidCron, ModelArchived, ScheduleNotFound, UnknownColumn
from studio.models import service as models
from studio.training import service
from studio.training.jobs import start_due_runs
from studio.training.service.cron import next_time
from tests.factories import make_dataset, make_model, schedule_of


def at(*parts):
    return datetime(*parts, tzinfo=UTC)


class TestTimes:
    @pytest.mark.parametrize(
        ("cron", "after", "expected"),
        [
            ("0 3 * * 1", at(2026, 5, 5), at(2026, 5, 11, 1)),
            ("30 2 * * *", at(2026, 3, 28, 12), at(2026, 3, 29, 1)),  # 02:30 is left out: at 03:00
            ("30 2 * * *", at(2026, 3, 29, 1), at(2026, 3, 30, 0, 30)),
            ("30 2 * * *", at(2026, 10, 24, 12), at(2026, 10, 25, 0, 30)),  # 02:30 comes twice: once
            ("30 2 * * *", at(2026, 10, 25, 0, 30), at(2026, 10, 26, 1, 30)),
            ("0 * * * *", at(2026, 10, 25, 0), at(2026, 10, 25, 1)),  # every hour goes on
            ("0 12 * JAN Mon", at(2026, 1, 1), at(2026, 1, 5, 11)),
        ],
    )
    def test_in_berlin(self, cron, after, expected):
        assert next_time(cron, "Europe/Berlin", after=after) == expected

    @pytest.mark.parametrize(
        "cron", ["", "@daily", "* * * *", "* * * * * *", "60 * * * *", "0 0 30 2 *", "R * * * *", "*/0 * * * *", "é"]
    )
    def test_nonsense_is_refused(self, cron):
        with pytest.raises(InvalidCron) as refusal:
            next_time(cron, "UTC", after=at(2026, 5, 5))
        assert refusal.value.fields[0][0] == "/cron"


@pytest.fixture
def night(clock):
    """Noon of a day, fifteen hours before the run of the night."""
    clock.now = at(2026, 5, 5, 12)
    return clock


@pytest.fixture
def model_id(open_stores, night):
    with open_stores() as stores:
        return make_model(stores, dataset=make_dataset(stores)).id


def put(open_stores, model_id, *args, **facts):
    with open_stores() as stores:
        return service.set_schedule(stores, model_id, schedule_of(*args, **facts)), stores.note


def get(open_stores, model_id):
    with open_stores(write=False) as stores:
        return service.get_schedule(stores, model_id)


def runs_of(open_stores, model_id):
    with open_stores(write=False) as stores:
        paging = {"status": None, "sort_by": "created_at", "descending": True, "page": 1, "page_size": 50}
        return service.list_runs(stores, model_id, **paging).results


def finish(open_stores, model_id):
    with open_stores() as stores:
        service.cancel_run(stores, model_id, service.find_newest_run(stores, model_id).run_id)


@pytest.fixture
def start_due(runtime, clock):
    return lambda: start_due_runs(runtime.database, runtime.open_stores, clock)


@pytest.mark.both_databases
class TestSetting:
    def test_it_is_created_kept_and_replaced(self, open_stores, model_id):
        made, note = put(open_stores, model_id, label="nightly 🌙")
        assert made.next_run_at == at(2026, 5, 6, 3)
        assert note.details["changes"]["cron"] == {"previous": None, "new": "0 3 * * *"}
        assert put(open_stores, model_id, label="nightly 🌙") == (made, None)
        replaced, note = put(open_stores, model_id, "0 4 * * *", label="nightly 🌙")
        assert note.details["changes"] == {"cron": {"previous": "0 3 * * *", "new": "0 4 * * *"}}
        assert get(open_stores, model_id) == replaced

    def test_nothing_is_due_when_disabled_or_by_drift(self, open_stores, model_id):
        assert put(open_stores, model_id, is_enabled=False)[0].next_run_at is None
        drift, _ = put(open_stores, model_id, None, trigger="drift", drift_threshold=0.2)
        assert (drift.next_run_at, drift.drift_threshold) == (None, 0.2)

    def test_what_makes_no_sense_is_refused(self, open_stores, model_id):
        with pytest.raises(InvalidCron):
            put(open_stores, model_id, "0 0 30 2 *", is_enabled=False)
        with pytest.raises(UnknownColumn):
            put(open_stores, model_id, config_override={"target_column": "nothing"})
        with open_stores() as stores:
            models.archive_model(stores, model_id)
        with pytest.raises(ModelArchived):
            put(open_stores, model_id)
        with pytest.raises(ScheduleNotFound):
            get(open_stores, model_id)

    def test_it_is_deleted_alone_or_with_its_model(self, open_stores, model_id):
        put(open_stores, model_id)
        with open_stores() as stores:
            service.delete_schedule(stores, model_id)
        with open_stores() as stores, pytest.raises(ScheduleNotFound):
            service.delete_schedule(stores, model_id)
        put(open_stores, model_id)
        with open_stores() as stores:
            models.delete_model(stores, model_id)
        with pytest.raises(ScheduleNotFound):
            get(open_stores, model_id)


def test_the_audit_log_calls_everything_by_the_names_it_is_set_by(client, headers, model_id):
    path = f"/api/v1/models/{model_id}"
    first = {"trigger": "cron", "cron": "0 3 * * 1", "min_interval_seconds": 60}
    then = {**first, "enabled": False, "priority": "high", "run_label": "weekly", "timeout_seconds": 60}
    answers = [client.put(f"{path}/training-schedule", headers=headers(), json=body).json for body in (first, then)]
    assert client.delete(f"{path}/training-schedule", headers=headers()).status_code == 204

    entries = client.get(f"{path}/audit-logs?sort_order=asc", headers=headers()).json["results"][-3:]
    set_first, changed, deleted = (entry["details"] for entry in entries)
    shown = {name: answers[0][name] for name in set_first["changes"]}
    assert {name: change["new"] for name, change in set_first["changes"].items()} == shown
    assert first.items() <= shown.items()
    assert changed["changes"] == {
        "enabled": {"previous": True, "new": False},
        "priority": {"previous": "normal", "new": "high"},
        "run_label": {"previous": None, "new": "weekly"},
        "timeout_seconds": {"previous": 3600, "new": 60},
    }
    assert deleted["previous"] == {name: answers[1][name] for name in shown}


@pytest.mark.both_databases
class TestStarting:
    def test_a_run_starts_when_due_and_not_before(self, open_stores, model_id, night, start_due):
        put(open_stores, model_id, label="nightly", config_override={"search": {"max_trials": 3}})
        night.advance(hours=14, minutes=59, seconds=59)
        assert start_due() == 0
        night.advance(seconds=1)
        assert (start_due(), start_due()) == (1, 0)
        (run,) = runs_of(open_stores, model_id)
        assert (run.trigger, run.created_by, run.run_label) == ("schedule", "system", "nightly")
        assert run.config["search"]["max_trials"] == 3
        schedule = get(open_stores, model_id)
        assert (schedule.last_run_id, schedule.next_run_at) == (run.run_id, at(2026, 5, 7, 3))
        with open_stores(write=False) as stores:
            wanted = AuditFilter(model_id=model_id, action="model.training_started")
            (entry,) = audit.list_entries(stores, wanted, page=1, page_size=5).results
        assert (entry.actor.type, entry.details["run_id"]) == ("system", run.run_id)

    def test_one_is_skipped_while_another_has_not_ended(self, open_stores, model_id, night, start_due, caplog):
        put(open_stores, model_id)
        with open_stores() as stores:
            service.start_run(stores, model_id)
        night.advance(hours=15)
        assert start_due() == 0
        assert [record.code for record in caplog.records if record.msg == "scheduled run skipped"] == [
            "run_in_progress"
        ]
        assert get(open_stores, model_id).next_run_at == at(2026, 5, 7, 3)

    def test_one_is_skipped_when_it_would_be_refused(self, open_stores, model_id, night, start_due):
        put(open_stores, model_id)
        with open_stores() as stores:
            models.archive_model(stores, model_id)
        night.advance(hours=15)
        assert start_due() == 0
        with open_stores(write=False) as stores:
            assert str(models.get_model(stores, model_id).status) == "archived"
        assert get(open_stores, model_id).next_run_at == at(2026, 5, 7, 3)

    def test_runs_keep_their_distance(self, open_stores, model_id, night, start_due):
        put(open_stores, model_id, "*/15 * * * *", min_interval_s=1800)
        night.advance(minutes=15, seconds=2)  # a moment late
        assert start_due() == 1
        assert get(open_stores, model_id).next_run_at == at(2026, 5, 5, 12, 45)
        finish(open_stores, model_id)
        night.advance(hours=5)  # nobody worked meanwhile: once is enough
        assert (start_due(), start_due()) == (1, 0)
        assert get(open_stores, model_id).next_run_at == at(2026, 5, 5, 17, 45)

    def test_two_workers_start_it_once(self, open_stores, model_id, night, start_due):
        put(open_stores, model_id)
        night.advance(hours=15)
        started, both = [], threading.Barrier(2)

        def work():
            both.wait()
            started.append(start_due())

        workers = [threading.Thread(target=work) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert sorted(started) == [0, 1]
        assert len(runs_of(open_stores, model_id)) == 1
        assert get(open_stores, model_id).next_run_at == at(2026, 5, 7, 3)
