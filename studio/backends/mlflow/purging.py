"""Removing for good what MLflow only marks as deleted; the one place that uses its private hard deletes."""

from mlflow import MlflowClient
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from studio.backends.mlflow.faults import is_absent
from studio.backends.mlflow.model_names import RETIRED
from studio.backends.mlflow.storage import ArtifactStorage

_PAGE = 500


def list_retired(client: MlflowClient) -> list[str]:
    """Ids of the experiments of deleted models in the bound workspace."""
    found: list[str] = []
    token = None
    while True:
        page = client.search_experiments(
            ViewType.DELETED_ONLY,
            filter_string=f"name LIKE '{RETIRED}%'",
            max_results=_PAGE,
            page_token=token,
        )
        found.extend(str(experiment.experiment_id) for experiment in page)
        token = page.token
        if not token:
            return found


def purge_experiment(client: MlflowClient, storage: ArtifactStorage, experiment_id: str) -> None:
    """Remove a retired experiment: files first, so that a purge that was cut off can be repeated.

    Raises:
        ValueError: The experiment is not one of a deleted model.
    """
    try:
        experiment = client.get_experiment(experiment_id)
    except MlflowException as fault:
        if is_absent(fault):
            return
        raise
    if not experiment.name.startswith(RETIRED):
        raise ValueError(f"experiment {experiment_id} is in use")
    storage.delete(experiment.artifact_location)
    _purge_rows(client, experiment_id)


def _purge_rows(client: MlflowClient, experiment_id: str) -> None:
    store = _store_of(client)
    _delete_traces(client, experiment_id)
    while runs := client.search_runs([experiment_id], run_view_type=ViewType.ALL, max_results=_PAGE):
        for run in runs:
            store._hard_delete_run(run.info.run_id)
    store._hard_delete_experiment(experiment_id)


def _delete_traces(client: MlflowClient, experiment_id: str) -> None:
    while traces := client.search_traces(locations=[experiment_id], max_results=100, include_spans=False):
        client.delete_traces(experiment_id, trace_ids=[trace.info.trace_id for trace in traces])


def _store_of(client: MlflowClient) -> SqlAlchemyStore:
    store = client._tracking_client.store
    if not isinstance(store, SqlAlchemyStore):
        raise TypeError(f"MLflow's tracking store is a {type(store).__name__}, which cannot delete for good")
    return store
