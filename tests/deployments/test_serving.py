"""What is wanted of deployments comes about in real processes."""

import pytest

from studio.deployments import service as deployments
from studio.errors import NotDeployed
from studio.versions import service as versions
from tests.factories import parcels
from tests.versions.factories import EMPTY_FOLDER, FEATURES, add_model_version, add_version, classifier, regressor

ROW = {"distance_km": 812.5, "weight_kg": 3.2, "carrier": "Ansa", "is_fragile": False}


def deploy(open_stores, model, **wanted):
    with open_stores() as stores:
        return deployments.create_deployment(stores, model.id, **wanted)


def look(open_stores, deployment):
    with open_stores(write=False) as stores:
        return deployments.get_deployment(stores, deployment.model_id, deployment.id)


def ask(open_stores, model, rows=(ROW,), **more):
    with open_stores(write=False) as stores:
        return deployments.predict(stores, model.id, list(rows), **more)


def test_a_deployment_comes_up_and_answers(open_stores, tending, served_model):
    made = deploy(open_stores, served_model, replicas=2)
    assert (made.status, made.version_id, made.follows_promoted) == ("starting", "ver-001", True)

    answer = ask(open_stores, served_model)  # waits for it to come up
    assert answer.predictions == classifier().predict(parcels()[FEATURES].assign(**ROW))[:1].tolist()
    assert (answer.deployment_id, answer.version_id) == (made.id, "ver-001")
    assert len(answer.prediction_ids) == 1
    tending.until(lambda: look(open_stores, made).status == "healthy")
    assert look(open_stores, made).status_message is None


def test_without_a_deployment_nothing_answers(open_stores, tending, served_model):
    with pytest.raises(NotDeployed):
        ask(open_stores, served_model)


def test_a_version_that_cannot_be_loaded_fails_its_deployment(open_stores, tending, served_model):
    with open_stores() as stores:
        add_version(stores, served_model, source=EMPTY_FOLDER)
    made = deploy(open_stores, served_model, version_id="ver-002")
    failed = tending.until(lambda: (found := look(open_stores, made)).status == "failed" and found)
    assert "ver-002" in failed.status_message


def test_a_promotion_is_followed(open_stores, tending, served_model):
    made = deploy(open_stores, served_model)
    tending.until(lambda: look(open_stores, made).status == "healthy")
    with open_stores() as stores:
        add_model_version(stores, served_model, regressor())
        versions.promote_version(stores, served_model.id, "ver-002")
    tending.until(lambda: look(open_stores, made).version_id == "ver-002")
    answer = ask(open_stores, served_model)
    assert answer.version_id in ("ver-001", "ver-002")
    tending.until(lambda: ask(open_stores, served_model).version_id == "ver-002")
    assert isinstance(ask(open_stores, served_model).predictions[0], float)
