"""Rules of deployments, without processes."""

import pytest

from studio import errors
from studio.deployments import service as deployments
from studio.deployments.tables import DeploymentRow
from studio.domain.deployments import AutoRollback, DeploymentStatus, Strategy
from studio.domain.versions import VersionStatus
from studio.models import service as models
from studio.training import service as training
from studio.versions import service as versions
from tests.factories import make_model
from tests.versions.factories import add_version

pytestmark = pytest.mark.both_databases


@pytest.fixture(autouse=True)
def worker(open_stores):
    """A worker that lives."""
    with open_stores() as stores:
        training.beat(stores.db, "worker-1", now=stores.now())


@pytest.fixture
def act(open_stores, model):
    """Does something with the model's deployments, in a transaction of its own; gives the record and the note."""

    def do(verb, *args, **more):
        with open_stores() as stores:
            result = getattr(deployments, verb)(stores, model.id, *args, **more)
            do.note = stores.note
            return result

    return do


def found_by_the_worker(open_stores, made, **facts):
    """What the worker would find of a deployment."""
    with open_stores() as stores:
        row = stores.db.get(DeploymentRow, made.id)
        for name, value in facts.items():
            setattr(row, name, value)


def test_what_is_chosen_shows(act):
    limits = AutoRollback(max_error_rate=0.05, max_p99_ms=200)
    made = act("create_deployment", name="live 🚚", version_id="ver-002", replicas=3, auto_rollback=limits)
    assert (made.name, made.version_id, made.follows_promoted) == ("live 🚚", "ver-002", False)
    assert (made.strategy, made.traffic_percent, made.replicas, made.auto_rollback) == ("direct", 100, 3, limits)
    assert made.url == f"/api/v1/models/{made.model_id}/deployments/{made.id}/predict"
    assert act.note.details["version_id"] == "ver-002"
    assert act("get_deployment", made.id) == made


def test_names_are_made_from_the_strategy_and_unique_among_the_active(act):
    made = act("create_deployment")
    shadows = [act("create_deployment", strategy=Strategy.SHADOW) for _ in range(3)]
    assert [made.name, *(shadow.name for shadow in shadows)] == ["live", "shadow", "shadow-2", "shadow-3"]
    with pytest.raises(errors.DeploymentNameTaken):
        act("create_deployment", strategy=Strategy.CANARY, name="shadow")
    with pytest.raises(errors.DeploymentNameTaken):
        act("update_deployment", made.id, {"name": "shadow"})
    act("stop_deployment", shadows[0].id)
    assert act("update_deployment", made.id, {"name": "shadow"}).name == "shadow"


def test_there_are_only_so_many_at_once(act):
    for strategy in (Strategy.CANARY, Strategy.SHADOW):
        with pytest.raises(errors.NoDirectDeployment):
            act("create_deployment", strategy=strategy)
    for strategy, most in ((Strategy.DIRECT, 1), (Strategy.CANARY, 1), (Strategy.SHADOW, 3)):
        for _ in range(most):
            act("create_deployment", strategy=strategy)
        with pytest.raises(errors.DeploymentExists):
            act("create_deployment", strategy=strategy)


def test_versions_that_cannot_be_served_are_refused(act, open_stores, model):
    with pytest.raises(errors.VersionNotFound):
        act("create_deployment", version_id="ver-009")
    made = act("create_deployment")
    with pytest.raises(errors.VersionNotFound):
        act("update_deployment", made.id, {"version_id": "ver-009"})
    with open_stores() as stores:
        stores.registry.update_version(model.name, 2, status=VersionStatus.FAILED)
    with pytest.raises(errors.VersionNotReady):
        act("update_deployment", made.id, {"version_id": "ver-002"})


def test_without_a_promoted_version_there_is_nothing_to_follow(act, open_stores, model):
    made = act("create_deployment", version_id="ver-002")
    with open_stores() as stores:
        stores.registry.clear_promoted(model.name)
    with pytest.raises(errors.NoVersion):
        act("update_deployment", made.id, {"version_id": None})
    act("stop_deployment", made.id)
    with pytest.raises(errors.NoVersion):
        act("create_deployment")


def test_an_update_tells_what_changed_and_a_repeat_nothing(act):
    made = act("create_deployment")
    changes = {"version_id": "ver-002", "replicas": 2, "auto_rollback": AutoRollback(max_drift=0.2)}
    updated = act("update_deployment", made.id, changes)
    assert (updated.version_id, updated.follows_promoted, updated.replicas) == ("ver-001", False, 2)
    assert act.note.details["changes"] == {
        "version_id": {"previous": None, "new": "ver-002"},
        "replicas": {"previous": 1, "new": 2},
        "auto_rollback": {
            "previous": {"max_error_rate": None, "max_p99_ms": None, "max_drift": None},
            "new": {"max_error_rate": None, "max_p99_ms": None, "max_drift": 0.2},
        },
    }
    act("update_deployment", made.id, changes)
    assert act.note is None


@pytest.mark.parametrize(("strategy", "percent"), [("direct", 99), ("canary", 100), ("canary", 0), ("shadow", 101)])
def test_a_share_of_the_traffic_is_of_its_strategy(act, strategy, percent):
    made = act("create_deployment")
    if strategy != "direct":
        made = act("create_deployment", strategy=Strategy(strategy))
    with pytest.raises(errors.InvalidInput) as refused:
        act("update_deployment", made.id, {"traffic_percent": percent})
    assert refused.value.fields[0][0] == "/traffic_percent"


def test_a_stopped_or_failed_one_takes_no_changes(act, open_stores):
    made = act("create_deployment")
    act("stop_deployment", made.id)
    assert act.note.details["previous_status"] == "starting"
    for verb, more in (("update_deployment", [{"replicas": 2}]), ("rollback_deployment", []), ("promote_canary", [])):
        with pytest.raises(errors.DeploymentStopped):
            act(verb, made.id, *more)
    with pytest.raises(errors.DeploymentStopped):
        act("stop_deployment", made.id)

    failed = act("create_deployment")
    found_by_the_worker(open_stores, failed, status="failed", message="no such file")
    with pytest.raises(errors.DeploymentStopped):
        act("update_deployment", failed.id, {"replicas": 2})
    act("stop_deployment", failed.id)
    assert act("get_deployment", failed.id).status == "stopped"


def test_a_direct_one_stays_while_others_depend_on_it(act):
    made = act("create_deployment")
    canary = act("create_deployment", strategy=Strategy.CANARY)
    with pytest.raises(errors.DeploymentInUse, match=canary.id):
        act("stop_deployment", made.id)
    act("stop_deployment", canary.id)
    act("stop_deployment", made.id)


def test_only_a_healthy_canary_is_promoted(act, open_stores):
    made = act("create_deployment")
    with pytest.raises(errors.NotACanary):
        act("promote_canary", made.id)
    canary = act("create_deployment", strategy=Strategy.CANARY, version_id="ver-002")
    with pytest.raises(errors.DeploymentNotHealthy):
        act("promote_canary", canary.id)
    found_by_the_worker(open_stores, canary, status="healthy")
    promoted = act("promote_canary", canary.id)
    assert (promoted.strategy, promoted.traffic_percent, promoted.version_id) == ("direct", 100, "ver-002")
    assert act.note.details["stopped_deployment_ids"] == [made.id]
    assert act("get_deployment", made.id).status == "stopped"


def test_rollbacks_go_to_what_was_served_before(act, open_stores):
    made = act("create_deployment")
    with pytest.raises(errors.NoPreviousVersion):
        act("rollback_deployment", made.id)
    found_by_the_worker(open_stores, made, history=[1], version=2, wanted_version=2)
    act("rollback_deployment", made.id, reason="worse")
    assert act.note.details["previous_version_id"] == "ver-002"
    assert act.note.details["new_version_id"] == "ver-001"
    act("rollback_deployment", made.id)
    assert act.note is None  # it is on its way already
    canary = act("create_deployment", strategy=Strategy.CANARY)
    assert act("rollback_deployment", canary.id).status == "stopped"


def test_a_deleted_version_is_no_way_back(act, open_stores, model):
    made = act("create_deployment", version_id="ver-001")
    with open_stores() as stores:
        add_version(stores, model)
    found_by_the_worker(open_stores, made, history=[1, 2], version=3, wanted_version=3)
    with open_stores() as stores:
        versions.delete_version(stores, model.id, "ver-002")
    act("rollback_deployment", made.id)
    assert act.note.details["new_version_id"] == "ver-001"


def test_what_is_served_is_neither_deleted_nor_archived(act, open_stores, model):
    made = act("create_deployment", version_id="ver-002")
    for verb in (versions.delete_version,):
        with open_stores() as stores, pytest.raises(errors.VersionDeployed, match=made.id):
            verb(stores, model.id, "ver-002")
    with open_stores() as stores, pytest.raises(errors.ModelDeployed, match=made.id):
        models.archive_model(stores, model.id)
    for force in (False, True):
        with open_stores() as stores, pytest.raises(errors.ModelDeployed, match=made.id):
            models.delete_model(stores, model.id, force=force)
    act("stop_deployment", made.id)
    with open_stores() as stores:
        models.archive_model(stores, model.id)
    with pytest.raises(errors.ModelArchived):
        act("create_deployment")
    with open_stores() as stores:
        models.delete_model(stores, model.id)
    with open_stores() as stores:
        assert stores.db.get(DeploymentRow, made.id) is None


def test_lists_leave_stopped_ones_out_and_are_newest_first(act, clock):
    first = act("create_deployment")
    clock.advance(seconds=1)
    second = act("create_deployment", strategy=Strategy.SHADOW)
    assert [one.id for one in act("list_deployments", status=None, page=1, page_size=20).results] == [
        second.id, first.id,
    ]  # fmt: skip
    act("stop_deployment", second.id)
    assert [one.id for one in act("list_deployments", status=None, page=1, page_size=20).results] == [first.id]
    assert [
        one.id for one in act("list_deployments", status=DeploymentStatus.STOPPED, page=1, page_size=20).results
    ] == [second.id]


def test_nobody_is_healthy_without_a_worker(act, open_stores, clock):
    made = act("create_deployment")
    found_by_the_worker(open_stores, made, status="healthy")
    assert act("list_deployments", status=DeploymentStatus.HEALTHY, page=1, page_size=20).total == 1
    clock.advance(minutes=1)
    assert act("get_deployment", made.id).status == "degraded"
    assert act("list_deployments", status=DeploymentStatus.HEALTHY, page=1, page_size=20).total == 0
    assert act("list_deployments", status=DeploymentStatus.DEGRADED, page=1, page_size=20).total == 1


def test_deployments_of_other_models_and_organizations_are_unknown(act, open_stores):
    made = act("create_deployment")
    with open_stores() as stores:
        other = make_model(stores, name="Other")
        with pytest.raises(errors.DeploymentNotFound):
            deployments.get_deployment(stores, other.id, made.id)
    with open_stores(org="others", write=False) as stores, pytest.raises(errors.DeploymentNotFound):
        deployments.get_deployment(stores, made.model_id, made.id)
