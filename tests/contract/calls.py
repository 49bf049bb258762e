"""For each operation a call that must succeed, with what it needs prepared anew."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from studio.domain.runs import EventType
from studio.models import service as models
from studio.training import service as training
from studio.training.tables import RunRow
from studio.versions import service as versions
from tests.factories import csv_of, make_dataset, parcels
from tests.performance.factories import add_evaluated, number_evaluation

ROW = {"distance_km": 812.5, "weight_kg": 3.2, "carrier": "Ansa", "is_fragile": False}


@dataclass(frozen=True)
class Call:
    """What is sent beside the headers.

    Attributes:
        path: Parameters of the path.
        query: Parameters of the query.
        body: The body, as arguments of Flask's test client.
        other: Another body that is as valid; None where there is none.
    """

    path: dict[str, str] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    other: dict[str, Any] | None = None


PREPARE: dict[str, Callable[..., Call]] = {}
NEEDS_TRAINING: set[str] = set()


def prepares(*ids, training=False):
    """Registers what prepares the calls of operations; ``training`` if they need a model that was really trained."""

    def register(prepare):
        PREPARE.update(dict.fromkeys(ids, prepare))
        NEEDS_TRAINING.update(ids if training else ())
        return prepare

    return register


def on(model_id, **more):
    """A call about a model."""
    return Call(path={"model_id": model_id, **more})


@prepares(
    "service.livez", "service.readyz", "service.metrics", "service.openapi", "service.docs",
    "auth.token_revoke", "audit.verify",
)  # fmt: skip
def nothing(place):
    return Call()


@prepares("auth.token_issue")
def token_issue(place):
    first = {"grant_type": "api_key", "api_key": place.make_api_key().api_key}
    again = {"grant_type": "refresh_token", "refresh_token": place.sign_in(first["api_key"]).refresh_token}
    return Call(body={"json": first}, other={"json": again})


@prepares("api_key.create")
def api_key_create(place):
    body, other = ({"json": {"name": name, "permissions": ["model:read"]}} for name in ("nightly", "hourly"))
    return Call(body=body, other=other)


@prepares("api_key.list")
def api_key_list(place):
    place.make_api_key()
    return Call()


@prepares("api_key.delete")
def api_key_delete(place):
    return Call(path={"key_id": place.make_api_key().row.id})


@prepares("member.list")
def member_list(place):
    place.admin()
    return Call(query={"search": "example.org", "page_size": 5})


@prepares("member.add")
def member_add(place):
    users = [place.name("new").replace(" ", "-") for _ in range(2)]
    body, other = ({"json": {"user_id": user, "email": f"{user}@example.com"}} for user in users)
    return Call(body=body, other=other)


@prepares("organization_config.get")
def organization_config_get(place):
    return Call()


@prepares("organization_config.replace")
def organization_config_replace(place):
    # Each time others of the system's own values: a change, and for the models of other tests none.
    number = int(place.name("overrides").split()[1])
    same = {
        "imbalance": "auto",
        "compute_shap": False,
        "export_onnx": False,
        "keep_best_on_timeout": True,
        "algorithm": "auto",
    }
    chosen = {key: value for place_of, (key, value) in enumerate(same.items()) if number >> place_of & 1}
    return Call(body={"json": {"overrides": chosen}})


@prepares("model.create")
def model_create(place):
    body = {
        "name": place.name("Model"),
        "description": "Will a parcel be late?",
        "model_type": "auto",
        "task_type": "classification",
        "tags": ["eu"],
        "dataset_id": place.make_dataset(),
        "config": {"target_column": "late", "feature_columns": ["distance_km"]},
    }
    return Call(body={"json": body}, other={"json": {**body, "name": place.name("Model")}})


@prepares("model.list")
def model_list(place):
    place.make_model(tags=["eu"])
    return Call(query={"tags": "eu", "page_size": 5})


@prepares("model.get", "config.get", "model.delete", "collaborator.list")
def model_get(place):
    return on(place.make_model(dataset=True, tags=["eu"]))


@prepares("model.archive")
def model_archive(place):
    return on(place.make_model(dataset=True))


@prepares("model.unarchive")
def model_unarchive(place):
    model_id = place.make_model()
    with place.open() as stores:
        models.archive_model(stores, model_id)
    return on(model_id)


@prepares("model.duplicate")
def model_duplicate(place):
    body, other = ({"json": {"name": place.name("Copy")}} for _ in range(2))
    return Call(on(place.make_model(dataset=True, tags=["eu"])).path, body=body, other=other)


@prepares("dashboard.stats")
def dashboard_stats(place):
    model_entries(place)
    return Call(query={"period": "1d"})


@prepares("model.update")
def model_update(place):
    call = on(place.make_model(dataset=True))
    return Call(call.path, body={"json": {"description": "new", "tags": ["a", "b"]}})


@prepares("config.replace")
def config_replace(place):
    body = {"algorithm": "lightgbm", "target_column": "late", "feature_columns": ["carrier"]}
    return Call(on(place.make_model(dataset=True)).path, body={"json": body})


@prepares("settings.get", "settings.update")
def settings(place):
    model_id = place.make_model()
    with place.open() as stores:
        models.update_settings(stores, model_id, {"notifications": {"notify_emails": ["ops@example.org"]}})
    body = {"display": {"icon": "truck"}, "notifications": {"notify_emails": ["a@example.org"]}}
    return Call(on(model_id).path, body={"json": body})


@prepares("model.transfer_ownership")
def sharing(place):
    users = [place.name("user").replace(" ", "-") for _ in range(2)]
    for user in users:
        place.headers(user)
    body, other = ({"json": {"user_email": f"{user}@EXAMPLE.org"}} for user in users)
    return Call(on(place.make_model()).path, body=body, other=other)


@prepares("collaborator.add")
def inviting(place):
    call = sharing(place)
    for body in (call.body, call.other):
        body["json"]["role"] = "viewer"
    return call


@prepares("collaborator.update", "collaborator.remove")
def shared(place):
    model_id, user = place.make_model(), place.name("user").replace(" ", "-")
    place.headers(user)
    place.grant(model_id, user, "viewer")
    return Call(on(model_id, user_id=user).path, body={"json": {"role": "editor"}})


@prepares("dataset.link")
def dataset_link(place):
    first, second = ({"json": {"dataset_id": place.make_dataset()}} for _ in range(2))
    return Call(on(place.make_model()).path, body=first, other=second)


@prepares("dataset.unlink", "training.start")
def linked(place):
    call = on(place.make_model(dataset=True))
    return Call(call.path, other={"json": {"run_label": "again"}})


@prepares("dataset.create")
def dataset_create(place):
    return Call(body=upload(place.name("Parcels")), other=upload(place.name("Parcels")))


@prepares("dataset.list")
def dataset_list(place):
    place.make_dataset()
    return Call()


@prepares("dataset.get", "dataset.preview", "dataset.delete")
def dataset_get(place):
    return Call(path={"dataset_id": place.make_dataset()})


@prepares("dataset.profile")
def dataset_profile(place):
    frame = parcels().assign(nothing=1)
    with place.open() as stores:
        dataset = make_dataset(stores, frame, name=place.name("Parcels"))
    return Call(path={"dataset_id": dataset.id}, query={"target_column": "late"})


@prepares("run.get", "run.cancel")
def queued(place):
    model_id, run_id = place.start_run()
    return on(model_id, run_id=run_id)


@prepares("run.pause")
def running(place):
    return on_run(*place.start_run(), place, status="running")


@prepares("run.resume")
def paused(place):
    return on_run(*place.start_run(), place, status="paused")


@prepares("run.retry")
def cancelled(place):
    model_id, run_id = place.start_run()
    with place.open() as stores:
        training.cancel_run(stores, model_id, run_id)
    return on(model_id, run_id=run_id)


@prepares("training_metrics.hyperparameters")
def searching(place):
    model_id, run_id = place.start_run()
    told = {"number": 0, "algorithm": "lightgbm", "params": {"max_depth": 7}, "score": 0.8}
    with place.open() as stores:
        training.append_events(stores, run_id, [(EventType.TRIAL, told)])
    return Call(on(model_id).path, query={"run_id": run_id})


def on_run(model_id, run_id, place, *, status):
    """A call about a run of some status."""
    with place.open() as stores:
        row = stores.db.get(RunRow, run_id)
        row.status = status
        row.started_at = stores.now()
        row.lease_until = stores.now() + timedelta(days=1)  # or a worker would take it for lost
    return on(model_id, run_id=run_id)


@prepares("run.list")
def runs(place):
    model_id, _ = place.start_run()
    return on(model_id)


@prepares("stream_ticket.create")
def ticket(place):
    return Call(body={"json": {}})


@prepares("version.promote")
def version_promote(place):
    model_id = place.make_model()
    body, other = ({"json": {"reason": reason}} for reason in ("better", "much better"))
    return Call(on(model_id, version_id=place.add_version(model_id)).path, body=body, other=other)


@prepares("version.delete")
def version_delete(place):
    return version_promote(place)


@prepares("version.update")
def version_update(place):
    body = {"description": "reviewed", "tags": {"ticket": "ML-118"}}
    return Call(version_promote(place).path, body={"json": body})


@prepares("version.rollback")
def version_rollback(place):
    model_id = promoted_twice(place)
    body, other = ({"json": {"reason": reason}} for reason in ("worse", "much worse"))
    return Call(on(model_id).path, body=body, other=other)


@prepares("version.history")
def version_history(place):
    return on(promoted_twice(place))


@prepares("version.restore")
def version_restore(place):
    return Call(version_promote(place).path)


@prepares("version.compare")
def version_compare(place):
    return Call(on(promoted_twice(place)).path, query={"version_a": "ver-001", "version_b": "ver-002"})


def promoted_twice(place):
    """Id of a model with two versions, one promoted after the other."""
    model_id = place.make_model()
    for _ in range(2):
        version_id = place.add_version(model_id)
        with place.open() as stores:
            versions.promote_version(stores, model_id, version_id)
    return model_id


@prepares("audit.list")
def model_entries(place):
    call = model_create(place)
    made = place.app.test_client().post("/api/v1/models", headers=place.admin(), **call.body)
    return on(made.json["id"])


@prepares("audit.list_organization")
def organization_entries(place):
    model_entries(place)
    return Call(query={"page_size": 3})


@prepares("version.get", training=True)
def version_get(place):
    trained = place.trained()
    return on(trained.model_id, version_id=trained.version_id)


@prepares(
    "version.list", "registry.get", "training_metrics.get", "training_metrics.logs", "training_metrics.details",
    "training_metrics.logs_download", "training_metrics.feature_importance",
    "performance.summary", "performance.confusion_matrix", "performance.roc_curve", "performance.pr_curve",
    "performance.classification_report", "performance.calibration", "performance.lift", "performance.threshold",
    training=True,
)  # fmt: skip
def of_trained(place):
    return on(place.trained().model_id)


@prepares("performance.misclassification_errors", training=True)
def misclassification_errors(place):
    return Call(on(place.trained().model_id).path, query={"dataset_split": "train"})


@prepares("performance.slices", training=True)
def slices(place):
    return Call(on(place.trained().model_id).path, query={"by": "carrier"})


@prepares("performance.residuals")
def residuals(place):
    model_id = place.make_model()
    with place.open() as stores:
        model = models.get_model(stores, model_id)
        version = add_evaluated(stores, model, number_evaluation(stores.now()))
    return Call(path={"model_id": model_id}, query={"version_id": version.id})


@prepares("model.test", training=True)
def model_test(place):
    body, other = ({"json": {"inputs": {**ROW, "distance_km": far}}} for far in (10.5, 812.5))
    return Call(on(place.trained().model_id).path, body=body, other=other)


@prepares("predict.explain", training=True)
def explain(place):
    body, other = ({"json": {"inputs": [{**ROW, "distance_km": far}], "top_n": 2}} for far in (10.5, 812.5))
    return Call(on(place.trained().model_id).path, body=body, other=other)


def upload(name):
    """A multipart body with a table."""
    table = FileStorage(io.BytesIO(csv_of(parcels())), filename="parcels.csv")
    boundary, body = encode_multipart({"name": name, "description": "last quarter", "file": table})
    return {"data": body, "content_type": f"multipart/form-data; boundary={boundary}"}


import tests.contract.download_calls  # noqa: E402, F401  its calls register themselves, with what is defined above
