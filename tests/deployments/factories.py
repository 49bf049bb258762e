"""Deployments to test with, and versions whose answers tell which they are."""

from sklearn.dummy import DummyRegressor

from studio.deployments import service as deployments
from studio.versions import service as versions
from tests.factories import parcels
from tests.versions.factories import FEATURES, add_model_version

ROW = {"distance_km": 812.5, "weight_kg": 3.2, "carrier": "Ansa", "is_fragile": False}


def add_telling_version(open_stores, model, *, promoted=False):
    """Id of a new version that predicts its own number."""
    with open_stores() as stores:
        name = stores.registry.find_entry(model.name)
        number = (name.newest or 0) + 1
        estimator = DummyRegressor(strategy="constant", constant=float(number))
        version = add_model_version(stores, model, estimator.fit(parcels()[FEATURES], parcels()["delay_h"]))
        assert version.number == number
        if promoted:
            versions.promote_version(stores, model.id, version.id)
    return version.id


def deploy(open_stores, model, **wanted):
    """A new deployment."""
    with open_stores() as stores:
        return deployments.create_deployment(stores, model.id, **wanted)


def look(open_stores, deployment):
    """A deployment as it is now."""
    with open_stores(write=False) as stores:
        return deployments.get_deployment(stores, deployment.model_id, deployment.id)


def is_served(open_stores, deployment, version_id=None):
    """A check that a deployment is healthy, serving a version; gives it."""

    def check():
        found = look(open_stores, deployment)
        return found if found.status == "healthy" and version_id in (None, found.version_id) else None

    return check


def ask(open_stores, model, rows=(ROW,), **more):
    """What the model's deployments answer."""
    with open_stores(write=False) as stores:
        return deployments.predict(stores, model.id, list(rows), **more)


def told_by(answer):
    """Id of the version that an answer of a telling version comes from."""
    return f"ver-{int(answer.predictions[0]):03d}"
