"""A model's two names in MLflow, registered model and experiment: taken, changed and freed together."""

import uuid
from contextlib import ExitStack
from typing import Final

from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.entities.model_registry import RegisteredModel
from mlflow.exceptions import MlflowException

from studio.backends.mlflow.faults import is_absent, is_taken
from studio.backends.mlflow.version_tags import MODEL_ID
from studio.errors import ModelNotFound, NameTaken

# No model's name holds a slash, so none can collide with the experiment of a deleted one.
RETIRED: Final = "deleted/"
_DELETED_STAGE = "deleted"


def claim_model(client: MlflowClient, name: str, model_id: str) -> None:
    """Create both, or take over what an earlier try left. Raises NameTaken and then leaves nothing."""
    with ExitStack() as undo:
        if _claim_registered(client, name, model_id):
            undo.callback(client.delete_registered_model, name)
        claim_experiment(client, name, model_id)
        undo.pop_all()


def move_model(client: MlflowClient, old: str, new: str, model_id: str) -> None:
    """Rename both, or what is still to be renamed of them. Raises NameTaken, ModelNotFound."""
    with ExitStack() as undo:
        if _rename_registered(client, old, new, model_id):
            undo.callback(client.rename_registered_model, new, old)
        _rename_experiment(client, old, new, model_id)
        undo.pop_all()


def free_model(client: MlflowClient, name: str) -> str | None:
    """Delete the registered model and retire the experiment; gives the experiment's id."""
    experiment = client.get_experiment_by_name(name)
    if experiment is not None:
        _retire(client, experiment)
    if _find_registered(client, name) is not None:
        client.delete_registered_model(name)
    return None if experiment is None else str(experiment.experiment_id)


def claim_experiment(client: MlflowClient, name: str, model_id: str) -> str:
    """Id of the model's experiment, created or taken over. Raises NameTaken."""
    held = client.get_experiment_by_name(name)
    if held is not None and held.lifecycle_stage == _DELETED_STAGE:
        _retire(client, held)
        held = None
    if held is None:
        return str(client.create_experiment(name, tags={MODEL_ID: model_id}))
    if held.tags.get(MODEL_ID) != model_id:
        if client.search_runs([held.experiment_id], max_results=1):
            raise NameTaken(name)
        client.set_experiment_tag(held.experiment_id, MODEL_ID, model_id)
    return str(held.experiment_id)


def _claim_registered(client: MlflowClient, name: str, model_id: str) -> bool:
    """True where it was created, False where it was there and empty, or the model's own."""
    try:
        client.create_registered_model(name, tags={MODEL_ID: model_id})
        return True
    except MlflowException as fault:
        if not is_taken(fault):
            raise
    held = client.get_registered_model(name)
    if held.tags.get(MODEL_ID) != model_id:
        if MODEL_ID not in held.tags or held.latest_versions:
            raise NameTaken(name)
        client.set_registered_model_tag(name, MODEL_ID, model_id)
    return False


def _find_registered(client: MlflowClient, name: str) -> RegisteredModel | None:
    try:
        return client.get_registered_model(name)
    except MlflowException as fault:
        if not is_absent(fault):
            raise
    return None


def _rename_registered(client: MlflowClient, old: str, new: str, model_id: str) -> bool:
    """True where it was renamed, False where an earlier try had done so."""
    if _find_registered(client, old) is None:
        held = _find_registered(client, new)
        if held is None or held.tags.get(MODEL_ID) != model_id:
            raise ModelNotFound(model_id)
        return False
    try:
        client.rename_registered_model(old, new)
    except MlflowException as fault:
        if is_taken(fault):
            raise NameTaken(new) from fault
        raise
    return True


def _rename_experiment(client: MlflowClient, old: str, new: str, model_id: str) -> None:
    target = client.get_experiment_by_name(new)
    if target is not None and target.tags.get(MODEL_ID) == model_id:
        return
    if target is not None:
        if target.lifecycle_stage != _DELETED_STAGE:
            raise NameTaken(new)
        _retire(client, target)
    held = client.get_experiment_by_name(old)
    if held is None:
        claim_experiment(client, new, model_id)
        return
    if held.lifecycle_stage == _DELETED_STAGE:
        client.restore_experiment(held.experiment_id)
    client.rename_experiment(held.experiment_id, new)


def _retire(client: MlflowClient, experiment: Experiment) -> None:
    """Give its name away and mark it deleted; a deleted one keeps its name from others in MLflow."""
    if experiment.lifecycle_stage == _DELETED_STAGE:
        client.restore_experiment(experiment.experiment_id)
    client.rename_experiment(experiment.experiment_id, f"{RETIRED}{experiment.experiment_id}-{uuid.uuid4().hex}")
    client.delete_experiment(experiment.experiment_id)
