"""Where a version's files lie, whatever kind of address its client registered it with."""

from pathlib import PurePosixPath
from urllib.parse import urlsplit

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from studio.backends.mlflow.faults import is_absent
from studio.errors import FileMissing


def locate_source(client: MlflowClient, source: str) -> str:
    """``mlflow-artifacts:/`` address of a version's model folder.

    Args:
        client: Bound to the organization.
        source: ``mlflow-artifacts:/...``, ``runs:/<run>/<path or model name>`` or ``models:/<logged model>``.

    Raises:
        FileMissing: Nothing that the address names exists.
    """
    parsed = urlsplit(source)
    parts = PurePosixPath(parsed.path).parts
    if parsed.scheme == "runs" and len(parts) > 1:
        return _locate_in_run(client, parts[1], "/".join(parts[2:]))
    if parsed.scheme == "models" and len(parts) == 2:
        return _artifact_location(client, parts[1])
    return source


def _locate_in_run(client: MlflowClient, mlflow_run_id: str, path: str) -> str:
    """MLflow 3 lets ``runs:/`` name a logged model of the run, earlier clients a folder of it."""
    try:
        run = client.get_run(mlflow_run_id)
    except MlflowException as fault:
        if is_absent(fault):
            raise FileMissing(f"There is no run {mlflow_run_id!r}.") from fault
        raise
    for output in run.outputs.model_outputs if run.outputs else []:
        model = client.get_logged_model(output.model_id)
        if model.name == path:
            return str(model.artifact_location)
    return f"{run.info.artifact_uri}/{path}" if path else str(run.info.artifact_uri)


def _artifact_location(client: MlflowClient, logged_model_id: str) -> str:
    try:
        return str(client.get_logged_model(logged_model_id).artifact_location)
    except MlflowException as fault:
        if is_absent(fault):
            raise FileMissing(f"There is no logged model {logged_model_id!r}.") from fault
        raise
