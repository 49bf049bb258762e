"""What a run settled on, and what its model goes by."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from studio.backends.stores import Stores
from studio.domain.run_records import TrainingRun
from studio.domain.runs import EventType
from studio.errors import FileMissing, NotApplicable, RunNotFound, ShapNotComputed, VersionNotFound
from studio.evaluation.metrics import direction_of
from studio.training import service as training
from studio.training_metrics.service.figures import find_run
from studio.versions import service as versions

AUTO = "auto"


@dataclass(frozen=True)
class Candidate:
    """A candidate of a search.

    Attributes:
        score: None where it did not finish.
        state: ``complete``, ``pruned`` or ``failed``; None of runs from before it was kept.
        latency_ms: To predict one row; None where nobody measured it.
        size_mb: Of the model, None likewise.
        reason: Why it failed, was given up or could not win; None elsewhere.
        is_pareto_optimal: Whether no other one is as good in score, latency and size together and better in one; None
            where one of them is not known.
    """

    algorithm: str
    score: float | None
    hyperparameters: Mapping[str, Any]
    number: int | None = None
    state: str | None = None
    latency_ms: float | None = None
    size_mb: float | None = None
    reason: str | None = None
    is_pareto_optimal: bool | None = None


@dataclass(frozen=True)
class Hyperparameters:
    """What a run was won by, so far where it has not ended; candidates best first."""

    run: TrainingRun
    algorithm_selected: str
    hyperparameters: Mapping[str, Any]
    automl_candidates: Sequence[Candidate]


@dataclass(frozen=True)
class FeatureShare:
    """One input column and its share of all importance; for SHAP with more than two classes also in each class."""

    feature: str
    importance: float
    rank: int
    by_class: Mapping[str, float]


@dataclass(frozen=True)
class Explained:
    """How SHAP values came about; see studio.automl.result.ShapImportance."""

    explainer: str
    output: str
    rows: int
    background_rows: int


@dataclass(frozen=True)
class FeatureImportance:
    """Input columns, the most important first; ``explained`` is None for methods but SHAP."""

    run: TrainingRun
    method: str
    features: Sequence[FeatureShare]
    explained: Explained | None


def find_subject(stores: Stores, model_id: str, *, run_id: str | None, version_id: str | None) -> TrainingRun:
    """The run of a version, else the run named, else the newest completed one.

    Raises:
        VersionNotFound: The model has no such version.
        RunNotFound: There is no such run, or no run of this service made the version.
    """
    if version_id is not None:
        made_by = versions.find_version(stores, model_id, version_id).run_id
        if made_by is None:
            raise RunNotFound(f"Version {version_id} was not made by a training run.")
        return training.get_run(stores, model_id, made_by)
    if run_id is not None:
        return find_run(stores, model_id, run_id)
    newest = training.find_newest_run(stores, model_id, completed_only=True)
    if newest is None:
        raise RunNotFound("This model has no completed run yet.")
    return newest


def read_hyperparameters(
    stores: Stores, model_id: str, *, run_id: str | None, version_id: str | None
) -> Hyperparameters:
    """The winning algorithm with its values, and every candidate. Raises as find_subject does."""
    run = find_subject(stores, model_id, run_id=run_id, version_id=version_id)
    candidates = _stored_candidates(stores, run) or _told_candidates(stores, run)
    algorithm, values = _winner(stores, model_id, run, candidates)
    return Hyperparameters(run, algorithm, values, candidates if run.config.get("algorithm") == AUTO else [])


def read_importance(
    stores: Stores, model_id: str, *, run_id: str | None, version_id: str | None, top_n: int | None, method: str
) -> FeatureImportance:
    """How much each input column counts; shares sum to 1 before ``top_n`` cuts.

    Raises:
        VersionNotFound: The model has no such version.
        RunNotFound: There is no such run.
        ShapNotComputed: The run stored no SHAP values; the message says why.
        NotApplicable: The algorithm knows no importances, or the run made no model.
    """
    run = find_subject(stores, model_id, run_id=run_id, version_id=version_id)
    shares = (_read_json(stores, run, "importances.json") or {}).get(method)
    found = _read_json(stores, run, "shap.json") if method == "shap" else None
    if not shares and method == "shap" and run.version_produced is not None:
        raise _shap_not_computed(run, found)
    if not shares:
        raise NotApplicable(f"Run {run.run_id} has no importances by {method}.")
    by_class = found["by_class"] if found else {}
    ordered = sorted(shares.items(), key=lambda item: -item[1])[:top_n]
    features = [
        FeatureShare(name, share, rank, {label: columns[name] for label, columns in by_class.items()})
        for rank, (name, share) in enumerate(ordered, start=1)
    ]
    return FeatureImportance(run, method, features, _explained_by(found))


def _shap_not_computed(run: TrainingRun, found: Mapping[str, Any] | None) -> ShapNotComputed:
    if found is not None:
        reason = f"SHAP values of run {run.run_id} were asked for, but {found['reason']}."
    elif run.config.get("compute_shap"):
        reason = f"Run {run.run_id} stored no SHAP values; train again to have them."
    else:
        reason = f"compute_shap was false for run {run.run_id}: set it to true in the configuration and train again."
    return ShapNotComputed(reason, fields=[("method", "not computed")])


def _explained_by(found: Mapping[str, Any] | None) -> Explained | None:
    if found is None:
        return None
    return Explained(found["explainer"], found["output"], found["n_rows"], found["n_background"])


def _winner(
    stores: Stores, model_id: str, run: TrainingRun, candidates: Sequence[Candidate]
) -> tuple[str, Mapping[str, Any]]:
    if run.version_produced is not None:
        try:
            version = versions.find_version(stores, model_id, run.version_produced)
        except VersionNotFound:
            pass  # deleted since; the candidates still tell
        else:
            return version.algorithm, version.hyperparameters
    best = next((candidate for candidate in candidates if candidate.score is not None), None)
    if best is None:
        return run.algorithm or run.config.get("algorithm") or run.kind, run.config.get("hyperparameters") or {}
    return best.algorithm, best.hyperparameters


def _stored_candidates(stores: Stores, run: TrainingRun) -> list[Candidate]:
    return _best_first(stores, run, list(map(_candidate, _read_json(stores, run, "candidates.json") or [])))


def _told_candidates(stores: Stores, run: TrainingRun) -> list[Candidate]:
    events = training.read_events_of(stores.db, run.run_id, (EventType.TRIAL,))
    told = {event.payload["number"]: _candidate(event.payload) for event in events}
    return _best_first(stores, run, list(told.values()))


def _candidate(told: Mapping[str, Any]) -> Candidate:
    return Candidate(
        told["algorithm"], told["score"], told.get("params", {}), told.get("number"), told.get("state"),
        told.get("latency_ms"), told.get("size_mb"), told.get("reason"),
    )  # fmt: skip


def _best_first(stores: Stores, run: TrainingRun, candidates: Sequence[Candidate]) -> list[Candidate]:
    scored = [candidate for candidate in candidates if candidate.score is not None]
    unscored = [candidate for candidate in candidates if candidate.score is None]
    is_max = bool(scored) and _compares_upwards(stores, run)
    ordered = sorted(scored, key=lambda one: one.score or 0.0, reverse=is_max)
    return [*_mark_pareto_front(ordered, is_max=is_max), *unscored]


def _mark_pareto_front(candidates: Sequence[Candidate], *, is_max: bool) -> list[Candidate]:
    """Say of each whether another one is as good in score, latency and size together and better in one of them."""
    costs = {
        place: (-one.score if is_max else one.score, one.latency_ms, one.size_mb)
        for place, one in enumerate(candidates)
        if one.score is not None and one.latency_ms is not None and one.size_mb is not None and one.reason is None
    }
    return [
        replace(one, is_pareto_optimal=not any(_dominates(other, costs[place]) for other in costs.values()))
        if place in costs
        else one
        for place, one in enumerate(candidates)
    ]


def _dominates(costs: tuple[float, ...], others: tuple[float, ...]) -> bool:
    return costs != others and all(cost <= other for cost, other in zip(costs, others, strict=True))


def _compares_upwards(stores: Stores, run: TrainingRun) -> bool:
    told = training.read_events_of(stores.db, run.run_id, (EventType.METRIC,))
    names = (event.payload["name"].removeprefix("val_") for event in told if event.payload["name"].startswith("val_"))
    metric = next(names, None)
    return metric is None or direction_of(metric) == "max"


def _read_json(stores: Stores, run: TrainingRun, path: str) -> Any:
    """An artifact of a run that made a version, None where there is none."""
    if run.mlflow_run_id is None or run.version_produced is None:
        return None
    try:
        return json.loads(stores.runs.read_artifact(run.mlflow_run_id, path))
    except FileMissing:
        return None
