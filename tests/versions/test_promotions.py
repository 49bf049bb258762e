import sqlite3
from contextlib import closing

import pytest
from mlflow.exceptions import MlflowException
from sqlalchemy import select

from studio.domain.versions import Gate, VersionStatus
from studio.errors import GateFailed, ModelArchived, UnknownMetric, VersionNotFound, VersionNotReady
from studio.models import service as models
from studio.models.tables import ModelRow
from studio.versions import service as versions
from studio.versions.tables import PromotionRow
from tests.factories import make_model
from tests.versions.factories import add_version, cut_off


@pytest.fixture
def model(open_stores):
    """A model with two ready versions, the second better."""
    with open_stores() as stores:
        model = make_model(stores)
    for accuracy, loss in ((0.8, 0.3), (0.9, 0.2)):
        with open_stores() as stores:
            add_version(stores, model, metrics={"accuracy": accuracy, "log_loss": loss, "roc_auc": None})
    return model


@pytest.fixture
def promote(open_stores, model):
    def promote(version_id, **choices):
        with open_stores() as stores:
            return versions.promote_version(stores, model.id, version_id, **choices), stores.note

    return promote


@pytest.fixture
def history(open_stores, model):
    def read():
        with open_stores(write=False) as stores:
            rows = stores.db.scalars(select(PromotionRow).order_by(PromotionRow.number)).all()
            return [(row.number, row.version, row.by, row.reason, row.source) for row in rows]

    return read


@pytest.mark.both_databases
def test_promotion_moves_the_alias_and_is_remembered(open_stores, model, promote, history, clock):
    first, note = promote("ver-001")
    assert (first.version.is_promoted, first.promotion.by, first.promotion.promoted_at) == (True, "user-1", clock.now)
    assert note.details == {"previous_version_id": None, "new_version_id": "ver-001", "reason": None, "gate": None}

    clock.advance(hours=1)
    second, note = promote("ver-002", reason="deeper trees")

    assert second.promotion.promoted_at == clock.now
    assert (note.details["previous_version_id"], note.details["reason"]) == ("ver-001", "deeper trees")
    assert history() == [(1, 1, "user-1", None, "api"), (2, 2, "user-1", "deeper trees", "api")]
    with open_stores(write=False) as stores:
        assert stores.registry.find_promoted(model.name) == 2
        earlier = versions.get_version(stores, model.id, "ver-001")
        assert not earlier.version.is_promoted
        assert earlier.promotion.number == 1
        shown = models.get_model(stores, model.id)
    assert (shown.promoted_version_id, shown.metrics["accuracy"]) == ("ver-002", 0.9)


def test_promoting_the_promoted_version_changes_nothing(promote, history):
    promote("ver-002")
    again, note = promote("ver-002", gate=Gate("accuracy", 0.9, min_improvement_over_promoted=0.05))

    assert again.version.is_promoted
    assert note is None
    assert len(history()) == 1


@pytest.mark.parametrize(
    "gate",
    [
        Gate("accuracy", min_value=0.9),
        Gate("accuracy", min_improvement_over_promoted=0.1),
        Gate("accuracy", 0.85, 0.05),
        Gate("log_loss", min_value=0.2),
        Gate("log_loss", min_improvement_over_promoted=0.1),
    ],
)
def test_a_version_that_reaches_its_gate_is_promoted(promote, gate):
    promote("ver-001")
    passed, note = promote("ver-002", gate=gate)

    assert passed.version.is_promoted
    assert note.details["gate"]["metric"] == gate.metric


@pytest.mark.parametrize(
    ("gate", "failed"),
    [
        (Gate("accuracy", min_value=0.91), [("min_value", 0.91, 0.9)]),
        (Gate("accuracy", min_improvement_over_promoted=0.11), [("min_improvement_over_promoted", 0.11, 0.1)]),
        (Gate("log_loss", min_value=0.19), [("min_value", 0.19, 0.2)]),
        (Gate("log_loss", min_improvement_over_promoted=0.2), [("min_improvement_over_promoted", 0.2, 0.1)]),
    ],
)
def test_a_version_that_misses_its_gate_changes_nothing(promote, history, gate, failed):
    promote("ver-001")
    with pytest.raises(GateFailed) as refused:
        promote("ver-002", gate=gate)

    checks = refused.value.details["checks"]
    assert [(check["check"], check["required"], check["actual"]) for check in checks] == failed
    assert not any(check["passed"] for check in checks)
    assert len(history()) == 1


def test_a_worse_version_has_a_negative_gain(promote):
    promote("ver-002")
    with pytest.raises(GateFailed) as refused:
        promote("ver-001", gate=Gate("accuracy", 0.5, min_improvement_over_promoted=0))

    assert [(check["actual"], check["passed"]) for check in refused.value.details["checks"]] == [
        (0.8, True),
        (-0.1, False),
    ]


def test_the_first_promotion_has_nothing_to_improve_over(promote):
    assert promote("ver-001", gate=Gate("accuracy", min_improvement_over_promoted=0.5))[0].version.is_promoted


@pytest.mark.parametrize("metric", ["f2", "roc_auc"])
def test_a_gate_on_a_metric_the_version_lacks_is_refused(promote, metric):
    with pytest.raises(UnknownMetric) as refused:
        promote("ver-001", gate=Gate(metric, min_value=0))
    assert refused.value.fields[0][0] == "/gate/metric"


def test_a_promoted_version_without_the_metric_cannot_be_improved_over(open_stores, model, promote):
    with open_stores() as stores:
        add_version(stores, model, metrics={})
    promote("ver-003")
    with pytest.raises(GateFailed) as refused:
        promote("ver-002", gate=Gate("accuracy", min_improvement_over_promoted=0))
    assert refused.value.details["checks"][0]["actual"] is None


@pytest.mark.parametrize("status", [VersionStatus.FAILED, VersionStatus.IN_PROGRESS])
def test_only_ready_versions_are_promoted(open_stores, model, promote, status):
    with open_stores() as stores:
        stores.registry.update_version(model.name, 2, status=status)
    with pytest.raises(VersionNotReady):
        promote("ver-002")


@pytest.mark.parametrize("version_id", ["ver-003", "ver-2", "ver-0002", "ver-000", "2", "ver-²"])
def test_only_versions_there_are_can_be_promoted(promote, version_id):
    with pytest.raises(VersionNotFound):
        promote(version_id)


def test_an_archived_model_promotes_nothing(open_stores, model, promote):
    with open_stores() as stores:
        stores.db.get(ModelRow, model.id).status = "archived"
    with pytest.raises(ModelArchived):
        promote("ver-001")


def test_a_promotion_mlflow_does_not_take_leaves_nothing(open_stores, model, history, config):
    refuse = "CREATE TRIGGER full BEFORE INSERT ON registered_model_aliases BEGIN SELECT RAISE(ABORT, 'full'); END"
    with closing(sqlite3.connect(config.data_folder / "mlflow.db")) as database:
        database.execute(refuse)

    with pytest.raises(MlflowException, match="full"), open_stores() as stores:
        versions.promote_version(stores, model.id, "ver-001")

    assert history() == []
    with open_stores(write=False) as stores:
        assert models.get_model(stores, model.id).promoted_version_id is None


def test_deleting_a_model_takes_its_history_along(open_stores, model, promote, history):
    promote("ver-001")
    with open_stores() as stores:
        models.delete_model(stores, model.id)
    assert history() == []


def test_a_crash_after_mlflow_took_it_is_put_right_by_the_worker(open_stores, model, history):
    with cut_off(open_stores) as stores:
        versions.promote_version(stores, model.id, "ver-001")
    assert history() == []

    with open_stores(write=False) as stores:
        assert versions.reconcile(stores, stores.registry.list_entries()) == 1

    assert history() == [(1, 1, "mlflow", None, "mlflow")]


def test_a_repeat_after_that_crash_tells_of_it_too(open_stores, promote, history, model):
    with cut_off(open_stores) as stores:
        versions.promote_version(stores, model.id, "ver-001")

    again, note = promote("ver-001")

    assert again.version.is_promoted
    assert note is None
    assert history() == [(1, 1, "mlflow", None, "mlflow")]


def test_a_promotion_of_a_client_comes_into_the_history_before_ours(promote, history, mlflow_client, model):
    mlflow_client("set_registered_model_alias", model.name, "production", "1")
    _, note = promote("ver-002")

    assert note.details["previous_version_id"] == "ver-001"
    assert [row[1:3] for row in history()] == [(1, "mlflow"), (2, "user-1")]


def test_a_gate_with_nothing_to_improve_over_still_tells_that_check(promote):
    with pytest.raises(GateFailed) as refused:
        promote("ver-001", gate=Gate("accuracy", 0.85, 0.5))
    assert [(check["check"], check["actual"], check["passed"]) for check in refused.value.details["checks"]] == [
        ("min_value", 0.8, False),
        ("min_improvement_over_promoted", None, True),
    ]
