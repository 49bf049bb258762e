"""Deployments whose requests go worse than they may are rolled back, and say why."""

import contextlib
from datetime import timedelta

import orjson
import pytest
from sqlalchemy import select

from studio.audit.tables import AuditRow
from studio.backends.serving.tally import Count, Tally, latency_class_of, upper_bound_ms
from studio.deployments import service as deployments
from studio.deployments.jobs import Watch
from studio.deployments.service.counting import Figures, add_counts, find_excess, read_figures
from studio.deployments.tables import DeploymentCountRow, DeploymentRow
from studio.domain.deployments import AutoRollback, Strategy
from studio.training import service as training
from tests.deployments.factories import deploy, look

pytestmark = pytest.mark.both_databases


@pytest.fixture
def watch(runtime, clock):
    return Watch(runtime.database, runtime.open_stores, clock)


def serving(open_stores, model, clock, version=2, history=(1,), **wanted):
    """A deployment as the worker leaves it when it serves a version."""
    made = deploy(open_stores, model, **wanted)
    with open_stores() as stores:
        row = stores.db.get(DeploymentRow, made.id)
        row.status, row.version, row.wanted_version = "healthy", version, version
        row.history, row.served_since = list(history), clock()
    clock.advance(seconds=20)
    return made


def count(runtime, clock, made, requests, errors=0, took_ms=5.0, version_id="ver-002"):
    """Note requests of this moment."""
    now = int(clock().timestamp()) // 10
    add_counts(runtime.database, [Count(made.id, version_id, now, latency_class_of(took_ms), requests, errors)])


def shown(open_stores, made):
    """A deployment as it is told while a worker runs."""
    with open_stores() as stores:
        training.beat(stores.db, "worker-1", now=stores.now())
    return look(open_stores, made)


def rolled_back(open_stores):
    """The details of the audit entries of rollbacks, with the type of who did them."""
    with open_stores(write=False) as stores:
        rows = stores.db.scalars(select(AuditRow).where(AuditRow.action == "model.deployment_rolled_back"))
        return [(row.actor_type, orjson.loads(row.details)) for row in rows]


def test_too_many_failures_roll_back_to_the_version_before(runtime, open_stores, clock, model, watch):
    made = serving(open_stores, model, clock, auto_rollback=AutoRollback(max_error_rate=0.05))
    count(runtime, clock, made, 150, errors=5)
    watch.step()
    assert shown(open_stores, made).follows_promoted  # five of 150 are fewer than one of twenty

    count(runtime, clock, made, 50, errors=10)
    watch.step()
    watch.step()  # says nothing again
    found = shown(open_stores, made)
    assert not found.follows_promoted
    assert "Rolled back from ver-002" in found.status_message
    assert "7.5% of 200 requests failed, more than 5.0% within 5 minutes" in found.status_message
    ((actor, details),) = rolled_back(open_stores)
    assert actor == "system"
    assert (details["previous_version_id"], details["new_version_id"]) == ("ver-002", "ver-001")
    with open_stores(write=False) as stores:
        row = stores.db.get(DeploymentRow, made.id)
        assert (row.wanted_version, row.condemned) == (1, [2])


def test_slow_answers_stop_a_canary(runtime, open_stores, clock, model, watch):
    serving(open_stores, model, clock, version=1)
    limits = AutoRollback(max_p99_ms=200)
    canary = serving(open_stores, model, clock, strategy=Strategy.CANARY, version_id="ver-002", auto_rollback=limits)
    count(runtime, clock, canary, 990, took_ms=20)
    count(runtime, clock, canary, 9, took_ms=900)
    watch.step()
    assert shown(open_stores, canary).status == "healthy"
    count(runtime, clock, canary, 20, took_ms=900)
    watch.step()
    found = shown(open_stores, canary)
    assert found.status == "stopped"
    assert "more than 200 ms" in found.status_message
    ((_, details),) = rolled_back(open_stores)
    assert details["stopped"] is True


def test_few_old_and_other_requests_are_not_judged(runtime, open_stores, clock, model, watch):
    limits = AutoRollback(max_error_rate=0.0)
    made = serving(open_stores, model, clock, auto_rollback=limits)
    count(runtime, clock, made, 99, errors=99)
    count(runtime, clock, made, 500, errors=500, version_id="ver-001")
    watch.step()
    clock.advance(minutes=5, seconds=20)
    count(runtime, clock, made, 99, errors=99)
    watch.step()
    assert rolled_back(open_stores) == []


def test_what_came_before_the_switch_is_not_judged(runtime, open_stores, clock, model, watch):
    made = serving(open_stores, model, clock, auto_rollback=AutoRollback(max_error_rate=0.0))
    count(runtime, clock, made, 500, errors=500)
    clock.advance(seconds=20)
    with open_stores() as stores:
        stores.db.get(DeploymentRow, made.id).served_since = clock()
    watch.step()
    assert rolled_back(open_stores) == []


def test_without_an_earlier_version_it_stays_and_says_so(runtime, open_stores, clock, model, watch):
    made = serving(open_stores, model, clock, history=(), auto_rollback=AutoRollback(max_error_rate=0.0))
    count(runtime, clock, made, 500, errors=500)
    watch.step()
    assert "no earlier version to return to" in shown(open_stores, made).status_message
    assert rolled_back(open_stores) == []


def test_an_automatic_rollback_never_returns_to_what_another_left(runtime, open_stores, clock, model, watch):
    made = serving(open_stores, model, clock, auto_rollback=AutoRollback(max_error_rate=0.0))
    count(runtime, clock, made, 500, errors=500)
    watch.step()
    with open_stores() as stores:  # as the worker does once ver-001 is loaded
        row = stores.db.get(DeploymentRow, made.id)
        row.version, row.history, row.served_since = 1, [1, 2], clock()
    clock.advance(seconds=20)
    count(runtime, clock, made, 500, errors=500, version_id="ver-001")
    watch.step()
    with open_stores(write=False) as stores:
        assert stores.db.get(DeploymentRow, made.id).wanted_version == 1
    with open_stores() as stores:  # people may
        assert deployments.rollback_deployment(stores, model.id, made.id)
        assert stores.db.get(DeploymentRow, made.id).wanted_version == 2


def test_counts_add_up_and_are_forgotten(runtime, open_stores, clock, model, watch):
    made = serving(open_stores, model, clock)
    for _ in range(3):
        count(runtime, clock, made, 10, errors=1)
    with open_stores(write=False) as stores:
        figures = read_figures(stores.db, made.id, "ver-002", since=clock() - timedelta(seconds=10))
    assert (figures.requests, figures.errors) == (30, 3)
    assert figures.p99_ms == pytest.approx(5.0, rel=0.1)
    clock.advance(hours=2)
    watch.forget()
    with open_stores(write=False) as stores:
        assert stores.db.scalars(select(DeploymentCountRow)).all() == []


@pytest.mark.parametrize("took_ms", [0.0, 0.1, 0.11, 1.0, 33.0, 30_000.0, 1e9])
def test_a_class_of_latency_is_narrow(took_ms):
    found = latency_class_of(took_ms)
    assert took_ms <= upper_bound_ms(found) * 1.0001 or took_ms == 1e9
    assert found == 0 or upper_bound_ms(found - 1) < took_ms


def test_nothing_is_judged_without_limits_or_requests():
    assert find_excess(Figures(0, 0, None), AutoRollback(max_error_rate=0.0, max_p99_ms=1)) is None
    assert find_excess(Figures(1000, 1000, 9e9), AutoRollback(max_drift=0.1)) is None


def test_counts_that_cannot_be_written_are_kept():
    written, is_down = [], [True]

    def write(counts):
        if is_down[0]:
            raise ConnectionError
        written.extend(counts)

    tally = Tally(write, clock=lambda: 100.0)
    tally.add("dep-1", "ver-001", 5.0, failed=False)
    with contextlib.suppress(ConnectionError):
        tally.flush()
    tally.add("dep-1", "ver-001", 5.0, failed=True)
    is_down[0] = False
    tally.flush()
    ((requests, errors),) = [(count.requests, count.errors) for count in written]
    assert (requests, errors) == (2, 1)
