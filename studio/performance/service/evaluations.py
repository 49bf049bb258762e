"""Finds the stored evaluation of a version."""

from dataclasses import dataclass
from typing import Final, TypedDict

import numpy as np

from studio.backends.stores import Stores
from studio.domain.versions import ModelVersion, VersionStatus
from studio.errors import FileMissing, NoEvaluation, NotApplicable, NoVersion, RunNotFound
from studio.evaluation.stored import (
    FOLDER,
    SUMMARY,
    EvaluationSummary,
    FloatArray,
    SplitEvaluation,
    file_of,
    read_split,
    read_summary,
)
from studio.performance.service.cache import EvaluationCache
from studio.versions import service as versions

CLASSIFICATION: Final = "classification"
_CACHE = EvaluationCache(max_bytes=64 << 20)


class Asked(TypedDict):
    """Which evaluation of a model is asked about.

    Attributes:
        version_id: Id of the version, None for the promoted one.
        dataset_split: ``train``, ``validation`` or ``test``.
    """

    version_id: str | None
    dataset_split: str


@dataclass(frozen=True)
class StoredEvaluation:
    """The evaluation of one version on one split; predictions are read when asked for.

    Attributes:
        sample_count: Rows of the split, at least 1.
    """

    model_id: str
    version_id: str
    run_id: str
    mlflow_run_id: str
    split: str
    summary: EvaluationSummary
    sample_count: int


def find_evaluation(stores: Stores, model_id: str, *, version_id: str | None, dataset_split: str) -> StoredEvaluation:
    """The evaluation of a version on one split.

    Args:
        stores: Open stores.
        model_id: Id of the model.
        version_id: Id of the version, None for the promoted one.
        dataset_split: ``train``, ``validation`` or ``test``.

    Raises:
        ModelNotFound: There is no such model.
        VersionNotFound: It has no such version.
        NoVersion: No version is asked for and none is promoted.
        NoEvaluation: Nothing is stored of the version, or of the split.
    """
    version = _find_version(stores, model_id, version_id)
    # A version of an MLflow client may name a run of ours, whose evaluation is of another model file.
    if version.run_id is None or version.mlflow_run_id is None or version.status is not VersionStatus.READY:
        raise NoEvaluation(f"Nothing was evaluated for version {version.id}, which is not a finished run's.")
    summary = _read_summary(stores, version.id, version.mlflow_run_id)
    sample_count = summary.sample_counts.get(dataset_split, 0)
    if not sample_count:
        raise NoEvaluation(f"Version {version.id} was not evaluated on {dataset_split}.")
    return StoredEvaluation(
        model_id, version.id, version.run_id, version.mlflow_run_id, dataset_split, summary, sample_count
    )


def read_predictions(stores: Stores, found: StoredEvaluation) -> SplitEvaluation:
    """The stored predictions of an evaluation, of at least one row.

    Raises:
        NoEvaluation: They are gone.
    """

    def read() -> tuple[SplitEvaluation, int]:
        content = _read_file(stores, found.version_id, found.mlflow_run_id, file_of(found.split))
        predictions = read_split(content, found.summary.labels)
        return predictions, predictions.size_bytes

    predictions: SplitEvaluation = _CACHE.find((stores.organization, found.mlflow_run_id, found.split), read)
    return predictions


def probabilities_of(found: StoredEvaluation, predictions: SplitEvaluation) -> FloatArray:
    """The stored probabilities, all of them numbers.

    Raises:
        NotApplicable: There are none, or some are NaN or infinite.
    """
    if predictions.proba is None:
        raise NotApplicable(f"Version {found.version_id} gives no probabilities.")
    if not np.isfinite(predictions.proba).all():
        raise NotApplicable(f"Version {found.version_id} gave probabilities that are no numbers: there is no curve.")
    return predictions.proba


def check_classifier(found: StoredEvaluation) -> tuple[str, ...]:
    """The labels of a classifier, sorted.

    Raises:
        NotApplicable: The version is none.
    """
    labels = found.summary.labels
    if found.summary.task != CLASSIFICATION or labels is None:
        raise NotApplicable(f"This is for classification; version {found.version_id} does {found.summary.task}.")
    return labels


def _find_version(stores: Stores, model_id: str, version_id: str | None) -> ModelVersion:
    if version_id is not None:
        return versions.find_version(stores, model_id, version_id)
    promoted = versions.find_promoted(stores, model_id)
    if promoted is None:
        raise NoVersion("No version is promoted; promote one, or name one with version_id.")
    return promoted


def _read_summary(stores: Stores, version_id: str, mlflow_run_id: str) -> EvaluationSummary:
    def read() -> tuple[EvaluationSummary, int]:
        content = _read_file(stores, version_id, mlflow_run_id, SUMMARY)
        return read_summary(content), len(content)

    summary: EvaluationSummary = _CACHE.find((stores.organization, mlflow_run_id), read)
    return summary


def _read_file(stores: Stores, version_id: str, mlflow_run_id: str, name: str) -> bytes:
    try:
        return stores.runs.read_artifact(mlflow_run_id, f"{FOLDER}/{name}")
    except (FileMissing, RunNotFound) as error:
        raise NoEvaluation(f"Nothing is stored of the evaluation of version {version_id}.") from error
