"""Makes a training run's result a version."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from studio.backends.stores import Stores
from studio.domain.versions import ModelVersion, VersionStatus, version_id_of
from studio.models import service as models
from studio.versions.service.marks import find_mark, hold_registry
from studio.versions.service.reading import model_file_key


def register_version(
    stores: Stores,
    model_id: str,
    *,
    run_id: str,
    mlflow_run_id: str,
    source: str,
    algorithm: str,
    hyperparameters: Mapping[str, Any],
    config: Mapping[str, Any],
    metrics: Mapping[str, float | None],
    duration_s: float | None,
    trained_by: str,
    model_file: Path | None,
    description: str = "",
) -> ModelVersion:
    """Register what a run has made: registry, then file, then own rows.

    Safe to repeat for the same run: a version the run has registered already is taken up where it stands. A
    crash leaves a version ``in_progress`` until the repeat, or one whose number the own rows lack until the
    repeat or the worker's next comparison; neither is lost or there twice.

    Args:
        stores: Open writing stores, best with nothing written yet: files are sent before the first statement,
            so that SQLite's write lock is not held meanwhile.
        model_id: Id of the model; it must be committed.
        run_id: Id of the run.
        mlflow_run_id: The MLflow run that holds its artifacts.
        source: Address of its MLflow model folder.
        algorithm: What won.
        hyperparameters: What it was fitted with.
        config: The effective configuration of the run.
        metrics: Metrics of the test split.
        duration_s: Seconds of training.
        trained_by: A user id or ``system``.
        model_file: The pickled estimator, which stays; None for none.
        description: Up to 2000 characters.

    Returns:
        The version, ready.

    Raises:
        ModelNotFound: The model is gone.
        BackendDown: MLflow or the file store does not answer; repeat it.
    """
    with stores.open_apart(write=False) as reading:
        name = models.get_model(reading, model_id).name
    version = _find_of_run(stores, name, run_id)
    if version is None:
        fields = {
            "algorithm": algorithm,
            "hyperparameters": hyperparameters,
            "config": config,
            "metrics": metrics,
            "duration_s": duration_s,
            "trained_by": trained_by,
        }
        version = stores.registry.register_version(
            name, source=source, mlflow_run_id=mlflow_run_id, run_id=run_id, fields=fields,
            description=description, status=VersionStatus.IN_PROGRESS,
        )  # fmt: skip
    if version.status is not VersionStatus.READY:
        if model_file is not None:
            stores.files.put_path(model_file_key(model_id, version.number), model_file)
        version = stores.registry.update_version(name, version.number, status=VersionStatus.READY)
    _record(stores, model_id, name, version.number)
    return version


def close_unfinished_version(stores: Stores, model_id: str, run_id: str) -> ModelVersion | None:
    """Mark the version a failed run left ``in_progress`` as failed; safe to repeat.

    Returns:
        That version, None where the run left none.

    Raises:
        ModelNotFound: The model is gone.
    """
    name = models.get_model(stores, model_id).name
    version = _find_of_run(stores, name, run_id)
    if version is None or version.status is not VersionStatus.IN_PROGRESS:
        return None
    _record(stores, model_id, name, version.number)
    return stores.registry.update_version(name, version.number, status=VersionStatus.FAILED)


def refresh_model(stores: Stores, model_id: str, versions: Sequence[ModelVersion], promoted: int | None) -> bool:
    """Carry over to the model what its record shows of its versions.

    Args:
        stores: Open stores.
        model_id: Id of the model.
        versions: All its versions, newest first.
        promoted: Number of the one in production.

    Returns:
        True when anything changed.
    """
    ready = [version for version in versions if version.status is VersionStatus.READY]
    in_production = [version for version in versions if version.number == promoted]
    shown = next(iter(in_production + ready), None)
    return models.refresh_versions(
        stores,
        model_id,
        highest=versions[0].number if versions else 0,
        promoted_version_id=None if promoted is None else version_id_of(promoted),
        metrics=shown.metrics if shown else {},
        has_ready_version=bool(ready),
    )


def _find_of_run(stores: Stores, name: str, run_id: str) -> ModelVersion | None:
    made = (version for version in stores.registry.list_versions(name) if version.run_id == run_id)
    return next(made, None)


def _record(stores: Stores, model_id: str, name: str, number: int) -> None:
    models.get_model(stores, model_id)  # begins the transaction, which on SQLite is what keeps others out
    hold_registry(stores, model_id)
    versions = stores.registry.list_versions(name)
    promoted = next((version.number for version in versions if version.is_promoted), None)
    refresh_model(stores, model_id, versions, promoted)
    mark = find_mark(stores, model_id)
    mark.versions = sorted({*mark.versions, number})
    stores.db.flush()
