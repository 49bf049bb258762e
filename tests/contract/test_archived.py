"""An archived model refuses what would change what it learns or serves, and nothing else."""

import contextlib

import pytest
from sqlalchemy import select

from studio.models import service as models
from studio.training import service as training
from studio.training.tables import RunRow
from tests.contract.calls import NEEDS_TRAINING, PREPARE, Call
from tests.contract.offered import each
from tests.contract.published import needs_contract

pytestmark = needs_contract

# No archived model has a run that is not over: its model cannot be archived while it is training.
OF_UNFINISHED_RUNS = {"run.cancel", "run.pause", "run.resume"}
# Nor has it an active deployment.
OF_ACTIVE_DEPLOYMENTS = {
    "deployment.get", "deployment.list", "deployment.update", "deployment.delete", "deployment.promote",
    "deployment.rollback", "predict.model", "predict.deployment",
}  # fmt: skip
ABOUT_THE_ARCHIVE = {"model.archive": (409, "already_archived"), "model.unarchive": (200, None)}


def needs_training(promise):
    return [pytest.mark.slow] if promise.id in NEEDS_TRAINING else []


def is_free(promise):
    return promise.is_on_a_model and promise.id not in OF_UNFINISHED_RUNS | OF_ACTIVE_DEPLOYMENTS


@contextlib.contextmanager
def archived(place, model_id):
    """Has a model archived meanwhile, its runs ended before."""
    with place.open() as stores:
        for run in stores.db.scalars(select(RunRow).where(RunRow.model_id == model_id)):
            if run.status in ("queued", "running"):
                run.status = "queued"
                training.cancel_run(stores, model_id, run.id)
                stores.note = None
        if not is_archived(stores, model_id):
            models.archive_model(stores, model_id)
    yield
    with place.open() as stores:
        if is_archived(stores, model_id):
            models.unarchive_model(stores, model_id)


def is_archived(stores, model_id):
    """Whether a model is there, and archived."""
    return models.find_access(stores, model_id) is not None and models.get_model(stores, model_id).status == "archived"


@each(is_free, marks=needs_training)
def test_it_does_what_is_promised(place, promise):
    call, headers = PREPARE[promise.id](place), place.admin()
    with archived(place, call.path["model_id"]):
        before = place.count_entries()
        answer = place.call(promise, call, headers)
        actions = [entry.action for entry in place.entries_after(before)]
    found = answer.status_code, answer.json["code"] if answer.status_code >= 400 else None
    is_refused = "model_archived" in promise.errors.get(409, ()) and promise.id != "model.update"
    wanted = (409, "model_archived") if is_refused else (promise.success, None)
    assert found == ABOUT_THE_ARCHIVE.get(promise.id, wanted), answer.get_data(as_text=True)
    assert actions == ([promise.audit] if promise.audit and found[1] is None else [])


@each(lambda promise: promise.id == "model.update")
def test_its_configuration_stays(place, promise):
    model_id = place.make_model()
    with archived(place, model_id):
        body = {"json": {"config": {"compute_shap": True}}}
        assert place.refusal(promise, Call({"model_id": model_id}, body=body), place.admin()) == (409, "model_archived")
