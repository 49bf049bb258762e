"""Makes a training run's result a version."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from studio.backends.files.port import StoredFile
from studio.backends.stores import Stores
from studio.domain.versions import FileFormat, ModelVersion, OnnxCheck, VersionStatus, version_id_of
from studio.models import service as models
from studio.versions.service.background import keep_background
from studio.versions.service.files import file_key, list_files, record_files
from studio.versions.service.marks import find_mark, hold_registry


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
    more_files: Mapping[FileFormat, Path] | None = None,
    background: bytes | None = None,
    digest: str | None = None,
    onnx: OnnxCheck | None = None,
    tags: Mapping[str, str] | None = None,
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
        more_files: What else it can be had as, local files that stay.
        background: Some training rows as a JSON list of records, which explanations compare rows with.
        digest: Hash of the model folder, as ``Runs.log_model`` gives it; None leaves the folder unchecked.
        onnx: What became of its ONNX file; None where none was asked for.
        tags: Tags users see and may change.
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
            "digest": digest,
            "onnx": None if onnx is None else asdict(onnx),
        }
        version = stores.registry.register_version(
            name, source=source, mlflow_run_id=mlflow_run_id, run_id=run_id, fields=fields,
            tags=tags, description=description, status=VersionStatus.IN_PROGRESS,
        )  # fmt: skip
    files = {**({} if model_file is None else {FileFormat.PKL: model_file}), **(more_files or {})}
    stored = _send_files(stores, model_id, version, files)
    if background is not None:
        keep_background(stores, model_id, version.number, background)
    if version.status is not VersionStatus.READY:
        version = stores.registry.update_version(name, version.number, status=VersionStatus.READY)
    _record(stores, model_id, name, version.number)
    record_files(stores, model_id, version.number, stored)
    return version


def close_unfinished_version(stores: Stores, model_id: str, run_id: str) -> ModelVersion | None:
    """Mark the version that a run which failed or was cancelled left ``in_progress`` as failed; safe to repeat.

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


def _send_files(
    stores: Stores, model_id: str, version: ModelVersion, files: Mapping[FileFormat, Path]
) -> dict[FileFormat, StoredFile]:
    """Put what is not recorded of the version yet into the file store."""
    with stores.open_apart(write=False) as reading:
        known = list_files(reading, model_id, version.number)
    return {
        format: stores.files.put_path(file_key(model_id, version.number, format), path)
        for format, path in files.items()
        if format not in known
    }


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
