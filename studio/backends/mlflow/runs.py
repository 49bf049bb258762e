"""One organization's MLflow runs: what training writes, and what the rooms read of it."""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import LifecycleStage, LoggedModel, LoggedModelOutput, LoggedModelStatus
from mlflow.models import Model
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_SOURCE_NAME
from mlflow.utils.validation import MAX_METRICS_PER_BATCH, MAX_PARAMS_TAGS_PER_BATCH

from studio.backends.mlflow.connection import MlflowConnection
from studio.backends.mlflow.digests import digest_of
from studio.backends.mlflow.faults import translated
from studio.backends.mlflow.model_files import save_model
from studio.backends.mlflow.run_values import (
    MetricPoint,
    RunRecord,
    batches,
    metrics_of,
    ms_of,
    params_of,
    record_of,
    tags_of,
    time_of,
)
from studio.backends.mlflow.storage import ArtifactStorage
from studio.backends.mlflow.version_tags import PREFIX, RUN_ID
from studio.errors import ModelNotFound, RunNotFound
from studio.tabular.written import Readable

RunEnd = Literal["FINISHED", "FAILED", "KILLED"]
TrialState = Literal["completed", "pruned", "failed"]

TRIAL_NUMBER: Final = PREFIX + "trial"
_END_OF_TRIAL: Final[dict[TrialState, RunEnd]] = {
    "completed": "FINISHED",
    "pruned": "KILLED",
    "failed": "FAILED",
}


@dataclass(frozen=True)
class Trial:
    """One configuration a search has tried.

    Attributes:
        number: From 0 within its run.
        score: Value of ``metric``; None where the trial gave none.
        duration_s: Seconds it took.
    """

    number: int
    algorithm: str
    params: Mapping[str, Any]
    metric: str
    score: float | None
    state: TrialState
    started_at: datetime
    duration_s: float


@dataclass(frozen=True)
class SavedModel:
    """A model folder in the artifact store.

    Attributes:
        uri: Its ``mlflow-artifacts:/`` address, the ``source`` of a version.
        logged_model_id: MLflow's id of it, ``m-...``.
        digest: Hash of everything in it, see ``digest_of``.
    """

    uri: str
    logged_model_id: str
    digest: str


@dataclass(frozen=True)
class _Place:
    """The facts of a run that never change."""

    experiment_id: str
    artifact_uri: str


class Runs:
    """Runs of one organization; another organization's are absent.

    Safe to share between threads. Every method raises RunNotFound for a run that does not exist and
    BackendDown when MLflow's database or the artifact store does not answer.
    """

    def __init__(self, connection: MlflowConnection, organization: str) -> None:
        self._connection = connection
        self._organization = organization
        self._places: dict[str, _Place] = {}

    def create_run(
        self,
        model_name: str,
        *,
        run_id: str,
        run_name: str,
        started_at: datetime,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Start a run in the model's experiment.

        Args:
            model_name: Name of the model.
            run_id: Our id of the run, kept as a tag.
            run_name: What MLflow's pages call it.
            started_at: Aware.
            tags: More tags; long values are cut.

        Returns:
            MLflow's id of the run.

        Raises:
            ModelNotFound: The model has no experiment.
        """
        with self._bound() as client, translated():
            experiment = client.get_experiment_by_name(model_name)
            if experiment is None or experiment.lifecycle_stage != "active":
                raise ModelNotFound(model_name)
            all_tags = {**(tags or {}), RUN_ID: run_id, MLFLOW_SOURCE_NAME: "model-studio"}
            return self._start(client, experiment.experiment_id, run_name, started_at, all_tags)

    def find_run(self, model_name: str, run_id: str) -> str | None:
        """MLflow's id of our run, None where it has none."""
        with self._bound() as client, translated():
            experiment = client.get_experiment_by_name(model_name)
            if experiment is None:
                return None
            found = client.search_runs([experiment.experiment_id], f"tags.`{RUN_ID}` = '{run_id}'", max_results=1)
            return str(found[0].info.run_id) if found else None

    def get_run(self, mlflow_run_id: str) -> RunRecord:
        """One run."""
        with self._bound() as client, _run(mlflow_run_id):
            return record_of(client.get_run(mlflow_run_id))

    def list_trials(self, mlflow_run_id: str) -> list[RunRecord]:
        """The trials of a run, by number."""
        with self._bound() as client, _run(mlflow_run_id):
            experiment_id = self._place(client, mlflow_run_id).experiment_id
            wanted = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{mlflow_run_id}'"
            found: list[RunRecord] = []
            token = None
            while True:
                page = client.search_runs([experiment_id], wanted, max_results=1000, page_token=token)
                found.extend(record_of(run) for run in page)
                token = page.token
                if not token:
                    return sorted(found, key=lambda trial: int(trial.tags.get(TRIAL_NUMBER, -1)))

    def metric_history(self, mlflow_run_id: str, metric: str) -> list[MetricPoint]:
        """Every value of one metric, by step and time; empty for a metric the run has not."""
        with self._bound() as client, _run(mlflow_run_id):
            values = client.get_metric_history(mlflow_run_id, metric)
        points = [MetricPoint(value.key, value.value, value.step, time_of(value.timestamp)) for value in values]
        return sorted(points, key=lambda point: (point.step, point.at))

    def log_params(self, mlflow_run_id: str, params: Mapping[str, Any]) -> None:
        """Write params; values that are no text as JSON, long ones cut. MLflow refuses to change one."""
        with self._bound() as client, _run(mlflow_run_id):
            for batch in batches(params_of(params), MAX_PARAMS_TAGS_PER_BATCH):
                client.log_batch(mlflow_run_id, params=batch)

    def log_metrics(self, mlflow_run_id: str, points: Sequence[MetricPoint]) -> None:
        """Append metric values, of any names and steps."""
        with self._bound() as client, _run(mlflow_run_id):
            for batch in batches(metrics_of(points), MAX_METRICS_PER_BATCH):
                client.log_batch(mlflow_run_id, metrics=batch)

    def log_tags(self, mlflow_run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags, long values cut; safe to repeat."""
        with self._bound() as client, _run(mlflow_run_id):
            for batch in batches(tags_of(tags), MAX_PARAMS_TAGS_PER_BATCH):
                client.log_batch(mlflow_run_id, tags=batch)

    def log_trial(self, mlflow_run_id: str, trial: Trial) -> str:
        """Write one finished trial as a child of a run, so that MLflow's pages show the search.

        Returns:
            MLflow's id of the child run.
        """
        with self._bound() as client, _run(mlflow_run_id):
            experiment_id = self._place(client, mlflow_run_id).experiment_id
            tags = {
                MLFLOW_PARENT_RUN_ID: mlflow_run_id,
                TRIAL_NUMBER: str(trial.number),
                PREFIX + "algorithm": trial.algorithm,
                PREFIX + "trial_state": trial.state,
            }
            name = f"trial {trial.number} {trial.algorithm}"
            child = self._start(client, experiment_id, name, trial.started_at, tags)
            points = []
            if trial.score is not None:
                points = [MetricPoint(trial.metric, trial.score, trial.number, trial.started_at)]
            values = params_of({"algorithm": trial.algorithm, **trial.params})
            client.log_batch(child, metrics=metrics_of(points), params=values[:MAX_PARAMS_TAGS_PER_BATCH])
            ended_ms = ms_of(trial.started_at) + round(trial.duration_s * 1000)
            client.set_terminated(child, _END_OF_TRIAL[trial.state], ended_ms)
            return child

    def end_run(self, mlflow_run_id: str, status: RunEnd, *, ended_at: datetime) -> None:
        """Close a run; safe to repeat. One that an MLflow client has deleted, which can be undone, stays as it is.

        Raises:
            RunNotFound: It is gone for good.
        """
        with self._bound() as client, _run(mlflow_run_id):
            if client.get_run(mlflow_run_id).info.lifecycle_stage == LifecycleStage.ACTIVE:
                client.set_terminated(mlflow_run_id, status, ms_of(ended_at))

    def log_text(self, mlflow_run_id: str, path: str, text: str) -> None:
        """Store a text as an artifact, in UTF-8; a repeat replaces it."""
        self._storage.put_bytes(self._artifact_uri(mlflow_run_id), path, text.encode())

    def log_file(self, mlflow_run_id: str, file: Path, *, folder: str | None = None) -> None:
        """Store a local file as an artifact of its name, in a folder of the run; a repeat replaces it."""
        self._storage.put_file(self._artifact_uri(mlflow_run_id), file, folder)

    def read_artifact(self, mlflow_run_id: str, path: str) -> bytes:
        """Content of one artifact. Raises FileMissing where there is none."""
        return self._storage.read(self._artifact_uri(mlflow_run_id), path)

    def artifact_address(self, mlflow_run_id: str, path: str) -> str:
        """Path or ``s3://`` address of an artifact, whether or not it is there."""
        return f"{self._storage.locate(self._artifact_uri(mlflow_run_id))}/{path}"

    def list_artifacts(self, mlflow_run_id: str) -> list[tuple[str, int | None]]:
        """Paths of all artifacts with their sizes in bytes, sorted; models are not among them."""
        return self._storage.list_files(self._artifact_uri(mlflow_run_id))

    def log_model(
        self,
        mlflow_run_id: str,
        estimator: Any,
        *,
        input_example: pd.DataFrame,
        name: str = "model",
        optional: Sequence[str] = (),
        written: Mapping[str, Readable] | None = None,
    ) -> SavedModel:
        """Store a fitted scikit-learn estimator as an MLflow model that loads without Model Studio.

        Args:
            mlflow_run_id: The run it comes from.
            estimator: Fitted; has ``predict``.
            input_example: A few rows cut from the training features; their column types become the signature.
            name: What MLflow's pages call it.
            optional: Columns of the example that a caller may leave out.
            written: How columns are written that may also come as text, by name.
        """
        with self._bound() as client, _run(mlflow_run_id):
            place = self._place(client, mlflow_run_id)
            model = client.create_logged_model(place.experiment_id, name=name, source_run_id=mlflow_run_id)
            try:
                digest = self._write_model(model, estimator, input_example, mlflow_run_id, optional, written)
            except BaseException:
                client.finalize_logged_model(model.model_id, LoggedModelStatus.FAILED)
                raise
            client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
            client.log_outputs(mlflow_run_id, [LoggedModelOutput(model.model_id, step=0)])
            return SavedModel(model.artifact_location, model.model_id, digest)

    def _write_model(
        self,
        model: LoggedModel,
        estimator: Any,
        input_example: pd.DataFrame,
        mlflow_run_id: str,
        optional: Sequence[str],
        written: Mapping[str, Readable] | None,
    ) -> str:
        identity = Model(
            artifact_path=model.artifact_location,
            model_uuid=model.model_id,
            model_id=model.model_id,
            run_id=mlflow_run_id,
        )
        with tempfile.TemporaryDirectory() as work:
            folder = Path(work) / "model"
            save_model(
                folder, estimator, input_example=input_example, description=identity, optional=optional, written=written
            )
            self._storage.put_folder(model.artifact_location, folder)
            return digest_of(folder)

    def _start(self, client: MlflowClient, experiment_id: str, name: str, at: datetime, tags: Mapping[str, str]) -> str:
        values = {tag.key: tag.value for tag in tags_of(tags)}
        made = client.create_run(experiment_id, ms_of(at), values, run_name=name)
        self._places[made.info.run_id] = _Place(str(made.info.experiment_id), made.info.artifact_uri)
        return str(made.info.run_id)

    def _place(self, client: MlflowClient, mlflow_run_id: str) -> _Place:
        place = self._places.get(mlflow_run_id)
        if place is None:
            info = client.get_run(mlflow_run_id).info
            place = _Place(str(info.experiment_id), info.artifact_uri)
            self._places[mlflow_run_id] = place
        return place

    def _artifact_uri(self, mlflow_run_id: str) -> str:
        with self._bound() as client, _run(mlflow_run_id):
            return self._place(client, mlflow_run_id).artifact_uri

    @property
    def _storage(self) -> ArtifactStorage:
        return self._connection.storage(self._organization)

    def _bound(self) -> AbstractContextManager[MlflowClient]:
        return self._connection.bound(self._organization)


def _run(mlflow_run_id: str) -> AbstractContextManager[None]:
    return translated(absent=lambda: RunNotFound(f"There is no run {mlflow_run_id!r}."))
