"""Pausing, resuming and retrying runs, and when queued ones will start."""

from datetime import timedelta

import pytest

from studio.domain.model_records import ModelStatus
from studio.domain.run_records import Failure
from studio.domain.runs import Phase, Priority, RunStatus
from studio.errors import RunNotFound, RunStateConflict
from studio.models import service as models
from studio.training import service
from studio.training.tables import RunRow
from tests.factories import make_dataset, make_model

pytestmark = pytest.mark.both_databases


@pytest.fixture
def model(stores):
    return make_model(stores, dataset=make_dataset(stores))


def start(stores, model, **wanted):
    stores.note = None
    return service.start_run(stores, model.id, **wanted)


def running(stores, model, clock):
    run = start(stores, model)
    assert service.claim_run(stores.db, "one", now=clock()).run_id == run.run_id
    stores.note = None
    return run


def paused(stores, model, clock):
    run = running(stores, model, clock)
    service.pause_run(stores, model.id, run.run_id)
    assert service.settle_pause(stores, run.run_id, elapsed_s=12.5)
    stores.note = None
    return run


def states(stores, run):
    events = service.read_events(stores.db, run.run_id, after=0)
    return [event.payload["status"] for event in events if event.type == "state"]


def test_a_running_search_is_asked_and_then_paused(stores, model, clock):
    run = running(stores, model, clock)
    asked = service.pause_run(stores, model.id, run.run_id)
    assert (asked.status, asked.pending_action) == (RunStatus.RUNNING, "pause")
    assert service.is_asked_to_pause(stores, run.run_id)
    assert service.renew_lease(stores, run.run_id, "one", elapsed_s=3, memory_mb=1, cpu_percent=1) == "pause"
    for _ in range(2):  # a repeat changes nothing
        assert service.settle_pause(stores, run.run_id, elapsed_s=4)
    found = service.find_run(stores, run.run_id)
    assert (found.status, found.pending_action, found.duration_seconds) == (RunStatus.PAUSED, None, 4)
    assert states(stores, run) == ["queued", "paused"]
    assert service.claim_run(stores.db, "one", now=clock.advance(seconds=99)) is None
    assert models.get_model(stores, model.id).status is ModelStatus.TRAINING


@pytest.mark.parametrize(
    "facts",
    [
        {"status": "queued"},
        {"status": "paused"},
        {"status": "completed"},
        {"kind": "custom"},
        {"pending_action": "cancel"},
        {"pending_action": "pause"},
        {"phase": str(Phase.EVALUATION)},
    ],
)
def test_what_is_no_search_under_way_cannot_be_paused(stores, model, clock, facts):
    run = running(stores, model, clock)
    row = stores.db.get(RunRow, run.run_id)
    for name, value in facts.items():
        setattr(row, name, value)
    with pytest.raises(RunStateConflict):
        service.pause_run(stores, model.id, run.run_id)
    assert stores.note is None


def test_a_wish_to_pause_ends_with_the_run(stores, model, clock):
    run = running(stores, model, clock)
    service.pause_run(stores, model.id, run.run_id)
    service.fail_run(stores, run.run_id, Failure("internal_error", "it broke", "evaluation"))
    assert not service.settle_pause(stores, run.run_id)
    assert service.find_run(stores, run.run_id).pending_action is None


def test_cancelling_wins_over_pausing(stores, model, clock):
    run = running(stores, model, clock)
    service.pause_run(stores, model.id, run.run_id)
    stores.note = None
    service.cancel_run(stores, model.id, run.run_id)
    assert not service.settle_pause(stores, run.run_id)


def test_a_paused_run_is_cancelled_at_once(stores, model, clock):
    run = paused(stores, model, clock)
    assert service.cancel_run(stores, model.id, run.run_id).status is RunStatus.CANCELLED
    with pytest.raises(RunStateConflict):
        service.resume_run(stores, model.id, run.run_id)


def test_a_resumed_run_goes_before_those_of_its_priority(stores, model, clock):
    run = paused(stores, model, clock)
    others = [
        start(stores, make_model(stores, name, dataset=make_dataset(stores)), priority=priority)
        for name, priority in (("normal", Priority.NORMAL), ("high", Priority.HIGH))
    ]
    stores.note = None
    assert service.resume_run(stores, model.id, run.run_id).queue_position == 2
    assert states(stores, run) == ["queued", "paused", "queued"]
    claims = [service.claim_run(stores.db, "one", now=clock()) for _ in range(3)]
    assert [claim.run_id for claim in claims] == [others[1].run_id, run.run_id, others[0].run_id]
    assert (claims[1].elapsed_s, claims[1].attempt) == (12.5, 1)  # the pause does not count, nor as a failed start


def test_a_retry_repeats_what_was_asked(stores, model):
    wanted = {"run_label": "deeper", "priority": Priority.LOW, "timeout_seconds": 77}
    old = start(stores, model, config_override={"search": {"max_trials": 3}}, **wanted)
    with pytest.raises(RunStateConflict):
        service.retry_run(stores, model.id, old.run_id)
    stores.note = None
    service.cancel_run(stores, model.id, old.run_id)
    stores.note = None
    new = service.retry_run(stores, model.id, old.run_id)
    assert (new.trigger, new.retry_of) == ("retry", old.run_id)
    assert (new.run_label, new.priority, new.timeout_seconds) == ("deeper", Priority.LOW, 77)
    assert new.config_override == {"search": {"max_trials": 3}}
    with pytest.raises(RunNotFound):
        service.retry_run(stores, model.id, "run-20260101-000000")


@pytest.mark.parametrize(("workers", "seats"), [(1, 2), (2, 1), (3, 2)])
def test_starts_are_foretold_within_a_factor_of_two(stores, clock, workers, seats):
    """Runs whose models took 20 to 90 s before, taken by every seat as soon as it is free."""
    object.__setattr__(stores.config, "concurrent_runs", seats)
    for number in range(workers):
        service.beat(stores.db, f"w{number}", now=clock())
    stores.db.flush()
    dataset = make_dataset(stores)
    durations = {}
    for number in range(12):
        model = make_model(stores, f"m{number}", dataset=dataset)
        past = start(stores, model)
        row = stores.db.get(RunRow, past.run_id)
        row.status, row.elapsed_s = "completed", 20.0 + 7 * (number * 5 % 11)
        stores.db.flush()
        durations[start(stores, model).run_id] = row.elapsed_s * (0.8 if number % 2 else 1.2)
    foretold = {
        run_id: (service.find_run(stores, run_id).estimated_start_time - clock()).total_seconds()
        for run_id in durations
    }
    free_at = [0.0] * (workers * seats)
    while claim := service.claim_run(stores.db, "w0", now=clock()):
        at = min(free_at)
        free_at[free_at.index(at)] += durations[claim.run_id]
        assert at / 2 <= foretold[claim.run_id] <= at * 2, claim.run_id


def test_a_running_run_counts_for_what_is_left_of_it(stores, model, clock):
    object.__setattr__(stores.config, "concurrent_runs", 1)
    run = running(stores, model, clock)
    row = stores.db.get(RunRow, run.run_id)
    row.config = {**row.config, "search": {"time_budget_seconds": 100}}
    row.elapsed_s = 60.0
    waiting = start(stores, make_model(stores, "other", dataset=make_dataset(stores)))
    found = service.find_run(stores, waiting.run_id)
    assert found.estimated_start_time - clock() == timedelta(seconds=40)
