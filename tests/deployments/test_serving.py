"""What is wanted of deployments comes about in real processes."""

import pytest
from sqlalchemy import select

from studio.deployments import service as deployments
from studio.deployments.tables import DeploymentCountRow
from studio.domain.deployments import Strategy
from studio.errors import NotDeployed
from studio.versions import service as versions
from tests.deployments.factories import ROW, add_telling_version, ask, deploy, is_served, look, told_by
from tests.factories import parcels
from tests.versions.factories import EMPTY_FOLDER, FEATURES, add_version, classifier


def test_a_deployment_comes_up_and_answers(open_stores, tending, served_model):
    made = deploy(open_stores, served_model, replicas=2)
    assert (made.status, made.version_id, made.follows_promoted) == ("starting", "ver-001", True)

    answer = ask(open_stores, served_model)  # waits for it to come up
    assert answer.predictions == classifier().predict(parcels()[FEATURES].assign(**ROW))[:1].tolist()
    assert (answer.deployment_id, answer.version_id) == (made.id, "ver-001")
    assert [len(answer.prediction_ids), answer.prediction_ids[0][:4]] == [1, "prd-"]
    assert tending.until(is_served(open_stores, made)).status_message is None


def test_replicas_share_the_work(open_stores, tending, served_model):
    made = deploy(open_stores, served_model, replicas=2)
    tending.until(is_served(open_stores, made))
    with open_stores() as stores:
        deployments.update_deployment(stores, served_model.id, made.id, {"replicas": 3})
    tending.until(lambda: len([key for key, state in tending.supervisor.states.items() if state.is_usable]) == 3)
    tending.until(is_served(open_stores, made))
    for _ in range(30):
        ask(open_stores, served_model)
    assert len(tending.runtime.hosts._links().hosts) == 3


def test_without_a_deployment_nothing_answers(open_stores, tending, served_model):
    with pytest.raises(NotDeployed):
        ask(open_stores, served_model)


def test_a_version_that_cannot_be_loaded_fails_its_deployment(open_stores, tending, served_model):
    with open_stores() as stores:
        add_version(stores, served_model, source=EMPTY_FOLDER)
    made = deploy(open_stores, served_model, version_id="ver-002")
    failed = tending.until(lambda: (found := look(open_stores, made)).status == "failed" and found)
    assert "ver-002 cannot be served" in failed.status_message
    with pytest.raises(NotDeployed):
        ask(open_stores, served_model, deployment_id=made.id)
    assert deploy(open_stores, served_model).status == "starting"  # a failed one is in nobody's way


def test_a_version_that_cannot_be_loaded_leaves_the_old_one_in_place(open_stores, tending, served_model):
    made = deploy(open_stores, served_model)
    tending.until(is_served(open_stores, made))
    with open_stores() as stores:
        add_version(stores, served_model, source=EMPTY_FOLDER)
        versions.promote_version(stores, served_model.id, "ver-002")
    degraded = tending.until(lambda: (found := look(open_stores, made)).status == "degraded" and found)
    assert degraded.version_id == "ver-001"
    assert "ver-002 cannot be served, ver-001 still is" in degraded.status_message
    assert ask(open_stores, served_model).version_id == "ver-001"
    with open_stores() as stores:
        versions.promote_version(stores, served_model.id, "ver-001")
    assert tending.until(is_served(open_stores, made)).status_message is None


def test_a_promotion_is_followed_and_a_rollback_pins(open_stores, tending, telling_model):
    made = deploy(open_stores, telling_model)
    tending.until(is_served(open_stores, made, "ver-001"))
    add_telling_version(open_stores, telling_model, promoted=True)
    tending.until(is_served(open_stores, made, "ver-002"))
    tending.until(lambda: told_by(ask(open_stores, telling_model)) == "ver-002")

    with open_stores() as stores:
        back = deployments.rollback_deployment(stores, telling_model.id, made.id, reason="worse")
    assert not back.follows_promoted
    assert tending.until(is_served(open_stores, made, "ver-001")).status_message == "Rolled back from ver-002: worse"
    tending.until(lambda: told_by(ask(open_stores, telling_model)) == "ver-001")


def test_a_promotion_by_an_mlflow_client_is_followed(open_stores, runtime, tending, telling_model):
    made = deploy(open_stores, telling_model)
    tending.until(is_served(open_stores, made, "ver-001"))
    add_telling_version(open_stores, telling_model)
    with runtime.connection.bound("acme") as client:
        client.set_registered_model_alias(telling_model.name, "production", "2")
    with open_stores(write=False) as stores:
        versions.reconcile(stores, stores.registry.list_entries())  # as the worker does every two seconds
    tending.until(is_served(open_stores, made, "ver-002"))


def test_a_canary_takes_its_share_and_can_be_promoted(open_stores, tending, telling_model):
    made = deploy(open_stores, telling_model)
    add_telling_version(open_stores, telling_model)
    canary = deploy(open_stores, telling_model, strategy=Strategy.CANARY, version_id="ver-002", traffic_percent=30)
    tending.until(is_served(open_stores, made))
    tending.until(is_served(open_stores, canary))
    tending.until(lambda: told_by(ask(open_stores, telling_model)) == "ver-002")
    told = [told_by(ask(open_stores, telling_model)) for _ in range(400)]
    assert 70 < told.count("ver-002") < 170  # six standard deviations
    assert told_by(ask(open_stores, telling_model, deployment_id=canary.id)) == "ver-002"
    assert told_by(ask(open_stores, telling_model, version_id="ver-001")) == "ver-001"

    with open_stores() as stores:
        promoted = deployments.promote_canary(stores, telling_model.id, canary.id)
    assert (promoted.strategy, promoted.traffic_percent) == ("direct", 100)
    assert look(open_stores, made).status == "stopped"
    tending.until(lambda: {told_by(ask(open_stores, telling_model)) for _ in range(20)} == {"ver-002"})


def test_a_shadow_predicts_for_nobody(open_stores, runtime, tending, telling_model):
    made = deploy(open_stores, telling_model)
    add_telling_version(open_stores, telling_model)
    shadow = deploy(open_stores, telling_model, strategy=Strategy.SHADOW, version_id="ver-002")
    tending.until(is_served(open_stores, made))
    tending.until(is_served(open_stores, shadow))

    def is_copied():
        assert told_by(ask(open_stores, telling_model)) == "ver-001"
        runtime.routes.tally.flush()
        with open_stores(write=False) as stores:
            query = select(DeploymentCountRow.errors).where(DeploymentCountRow.deployment_id == shadow.id)
            return stores.db.scalars(query).all()

    assert not any(tending.until(is_copied))


def test_a_stopped_deployment_answers_no_more(open_stores, tending, served_model):
    made = deploy(open_stores, served_model)
    tending.until(is_served(open_stores, made))
    ask(open_stores, served_model)
    (host,) = tending.runtime.hosts._links().hosts.values()
    with open_stores() as stores:
        deployments.stop_deployment(stores, served_model.id, made.id)

    def is_refused():
        try:
            ask(open_stores, served_model)
        except NotDeployed:
            return True
        return False

    tending.until(is_refused)
    tending.until(lambda: not host.is_alive())
