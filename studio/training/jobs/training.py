"""One training run, from its dataset to a registered version; runs in a process of its own.

Every step can be cut off by SIGKILL and is then taken again by the next attempt: the search goes on from its journal,
the MLflow run is found by the run's id, the version by the run it came from.
"""

import dataclasses
import json
import logging
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from studio.automl.result import SearchResult
from studio.automl.search import search
from studio.backends.mlflow.run_values import MetricPoint
from studio.backends.stores import OpenStores, Stores
from studio.config import Config
from studio.datasets import service as datasets
from studio.domain.datasets import Dataset
from studio.domain.model_records import Model
from studio.domain.run_records import Failure, TrainingRun
from studio.domain.runs import EventType, Phase, RunStatus
from studio.domain.versions import SERVING_SAMPLE, FileFormat, ModelVersion
from studio.errors import NoSuccessfulTrial, SearchPaused, StudioError
from studio.evaluation.metrics import is_better, primary_metric
from studio.evaluation.stored import FOLDER, Evaluation, SplitEvaluation, write_evaluation
from studio.models import service as models
from studio.tabular.stored_forms import read_forms
from studio.training.jobs.background import background_of
from studio.training.jobs.data_warnings import warn_of_data
from studio.training.jobs.exporting import export_model
from studio.training.jobs.onnx_export import OnnxExport, reserve_s
from studio.training.jobs.pausing import PauseWish
from studio.training.jobs.plans import SHARE_FOR_SEARCH, memory_cap_mb, plan_of, threads_per_run
from studio.training.jobs.reporter import Reporter
from studio.training.service.events import append_events, read_events
from studio.training.service.outcomes import complete_run, fail_run
from studio.training.service.pauses import settle_pause
from studio.training.service.runs import find_row, find_run
from studio.versions import service as versions

logger = logging.getLogger(__name__)

EXAMPLE_ROWS = 5
SAMPLE_ROWS = 1000
UPLOAD_RESERVE_S = 1.5  # of a budget: writing and registering what was found
REGISTER_RESERVE_S = 0.5  # of that: registering alone
LEAST_BUDGET_S = 1.0


def train_run(open_stores: OpenStores, config: Config, run_id: str, work_folder: Path) -> None:
    """Train one run to its end; failures the run itself is to blame for are written down, not raised.

    Args:
        open_stores: Opens stores of the run's organization; give ``write``.
        config: The settings, without secrets.
        run_id: Id of a run this process's worker holds.
        work_folder: Where the search keeps its journal; the same folder at every attempt.
    """
    started = time.monotonic()
    work_folder.mkdir(parents=True, exist_ok=True)
    with open_stores(write=True) as stores:
        row = find_row(stores, run_id, lock=True)
        if RunStatus(row.status).is_finished:
            return  # cancelled with its model, between its claim and here
        row.worker_type = f"cpu-{threads_per_run(config)}x"
        run = find_run(stores, run_id)
        model = models.get_model(stores, run.model_id)
        append_events(stores, run_id, [(EventType.STATE, {"status": RunStatus.RUNNING})])
    try:
        _Training(open_stores, config, run, model, work_folder, started).train()
    except SearchPaused:
        elapsed_s = (run.duration_seconds or 0.0) + time.monotonic() - started
        with open_stores(write=True) as stores:
            settle_pause(stores, run_id, elapsed_s=elapsed_s)
    except StudioError as error:
        code = "no_successful_trial" if isinstance(error, NoSuccessfulTrial) else "dataset_unreadable"
        _fail(open_stores, run, code, str(error))
    except MemoryError:
        _fail(open_stores, run, "out_of_memory", "The run needed more memory than it may use.")


class _Training:
    """The steps of one run, and what they share."""

    def __init__(
        self,
        open_stores: OpenStores,
        config: Config,
        run: TrainingRun,
        model: Model,
        work_folder: Path,
        started: float,
    ) -> None:
        self.open_stores, self.config, self.run, self.model = open_stores, config, run, model
        self.folder, self.started = work_folder, started
        self.before_s = run.duration_seconds or 0.0
        self.table = work_folder / "table.parquet"
        self.pause = PauseWish(open_stores, run.run_id)

    def train(self) -> None:
        """Take every step in order."""
        dataset, frame = self.read_table()
        mlflow_run_id = self.find_mlflow_run(dataset)
        left_s = self.left_s()
        budget_s = None if self.is_bounded_by_trials() else left_s
        reporter = self.make_reporter(mlflow_run_id, frame, budget_s)
        try:
            reporter.log("info", f"[Pipeline] dataset {dataset.name!r}: {len(frame)} rows, {frame.shape[1]} columns")
            self.warn_of_data(dataset, frame, mlflow_run_id, budget_s, reporter)
            left_s = self.left_s()
            budget_s = None if self.is_bounded_by_trials() else left_s
            plan = plan_of(
                self.run, self.model.task_type, dataset.columns, budget_s=budget_s, config=self.config,
                written=read_forms(self.table),
            )  # fmt: skip
            journal = self.folder / "search"
            journal.mkdir(exist_ok=True)
            result = search(
                frame, plan, observer=reporter, work_folder=journal, should_pause=self.pause.is_asked,
                deadline=time.monotonic() + left_s,
            )  # fmt: skip
            for trial in result.candidates:  # a crash may have kept one from being told; the blend is no trial
                if trial.algorithm != "ensemble":
                    reporter.trial(trial)
            reporter.phase(Phase.ARTIFACT_UPLOAD, 0.0, "writing the version")
            version = self.publish(result, frame, mlflow_run_id, reporter)
            reporter.phase(Phase.ARTIFACT_UPLOAD, 1.0, f"version {version.id} is registered")
            reporter.log("info", f"[Pipeline] {version.id} is ready: {result.algorithm}")
        finally:
            stage_seconds = reporter.close()
        self.finish(version, stage_seconds)

    def read_table(self) -> tuple[Dataset, pd.DataFrame]:
        """The dataset the run began with."""
        assert self.run.dataset_id is not None
        with self.open_stores(write=False) as stores:
            dataset = datasets.fetch_table(stores, self.run.dataset_id, self.table)
        return dataset, pd.read_parquet(self.table)

    def warn_of_data(
        self, dataset: Dataset, frame: pd.DataFrame, mlflow_run_id: str, budget_s: float | None, reporter: Reporter
    ) -> None:
        """Tell what is unusual about the columns the run uses."""
        reporter.phase(Phase.DATA_VALIDATION, 0.0, "looking at the data")
        with self.open_stores(write=False) as stores:
            n_warnings = warn_of_data(
                stores, dataset.id, self.table, features=self.run.config["feature_columns"],
                target=self.run.config["target_column"] if self._target_is_there(frame) else None,
                budget_s=budget_s, mlflow_run_id=mlflow_run_id, log=reporter.log,
            )  # fmt: skip
        text = f"{len(frame)} rows, {frame.shape[1]} columns, {n_warnings} warnings"
        reporter.phase(Phase.DATA_VALIDATION, 1.0, text)

    def find_mlflow_run(self, dataset: Dataset) -> str:
        """The MLflow run of this training, made at the first attempt."""
        with self.open_stores(write=True) as stores:
            row = find_row(stores, self.run.run_id)
            found = row.mlflow_run_id or stores.runs.find_run(self.model.name, self.run.run_id)
            if found is None:
                found = stores.runs.create_run(
                    self.model.name,
                    run_id=self.run.run_id,
                    run_name=self.run.run_label or self.run.run_id,
                    started_at=stores.now(),
                    tags={"dataset_id": dataset.id, "dataset_fingerprint": dataset.fingerprint},
                )
                stores.runs.log_params(found, _flatten(self.run.config))
            row.mlflow_run_id = found
        return found

    def is_bounded_by_trials(self) -> bool:
        """Whether a number of trials, and no time, says how much is tried; then the run's timeout is a last resort."""
        wanted = self.run.config["search"]
        return wanted["time_budget_seconds"] is None and wanted["max_trials"] is not None

    def left_s(self) -> float:
        """Seconds left for the search: of its budget, and of the timeout where that keeps what there is by then."""
        budget, timeout = self.run.config["search"]["time_budget_seconds"], float(self.run.timeout_seconds)
        ends = [float(budget)] if budget is not None else []
        if self.run.config["keep_best_on_timeout"]:
            ends.append(timeout)
        elif budget is None:
            ends.append(2 * timeout)  # at the timeout it is killed
        gone_s = self.before_s + time.monotonic() - self.started
        kept_s = reserve_s(min(ends)) if self.run.config["export_onnx"] else 0.0
        return max(min(ends) - gone_s - kept_s - UPLOAD_RESERVE_S, LEAST_BUDGET_S)

    def deadline(self) -> float:
        """Monotonic time at which the run's budget or its timeout is over, whichever ends first."""
        budget, timeout = self.run.config["search"]["time_budget_seconds"], self.run.timeout_seconds
        return self.started - self.before_s + min(timeout, budget or timeout)

    def is_cut_by_timeout(self, result_trials: int) -> bool:
        """Whether the run's timeout, not its own budget or trials, ended the search."""
        wanted = self.run.config["search"]
        if not self.run.config["keep_best_on_timeout"]:
            return False  # it would have been killed
        if wanted["max_trials"] is not None and result_trials >= wanted["max_trials"]:
            return False
        budget = wanted["time_budget_seconds"]
        return budget is None or budget > self.run.timeout_seconds

    def make_reporter(self, mlflow_run_id: str, frame: pd.DataFrame, budget_s: float | None) -> Reporter:
        """What tells of this run; it knows what an earlier attempt has told."""
        classes = frame[self.run.config["target_column"]].nunique() if self._target_is_there(frame) else None
        metric = self.run.config["search"]["metric"] or primary_metric(self.model.task_type, classes)
        with self.open_stores(write=False) as stores:
            told, best = _told_trials(stores, self.run.run_id)
        return Reporter(
            self.open_stores, self.run.run_id, mlflow_run_id, metric=metric,
            is_better=lambda one, other: is_better(metric, one, other),
            told_trials=told, best=best, progress=self.run.progress, budget_s=budget_s,
            stage_seconds=self.run.stage_seconds,
        )  # fmt: skip

    def publish(
        self, result: SearchResult, frame: pd.DataFrame, mlflow_run_id: str, reporter: Reporter
    ) -> ModelVersion:
        """Write what was found to MLflow and the file store, and register it."""
        export = self.start_onnx(result, frame)
        with self.open_stores(write=False) as stores:
            evaluation = _evaluation_of(result, self.model.task_type, stores.now())
            write_evaluation(self.folder / FOLDER, evaluation)
            self._log_artifacts(stores, result, mlflow_run_id)
            self._log_sample(stores, frame[list(result.feature_columns)], mlflow_run_id)
            example = _example_of(frame, list(result.feature_columns))
            saved = stores.runs.log_model(
                mlflow_run_id, result.estimator, input_example=example, optional=result.optional_columns,
                written=result.estimator.named_steps["columns"].written,
            )  # fmt: skip
        files = export_model(result.estimator, self.folder, deadline=self.deadline(), log=reporter.log)
        check = None if export is None else export.result(reporter.log)
        if export is not None and check is not None and check.passed:
            files[FileFormat.ONNX] = export.path
        with self.open_stores(write=True) as stores:
            return versions.register_version(
                stores,
                self.model.id,
                run_id=self.run.run_id,
                mlflow_run_id=mlflow_run_id,
                source=saved.uri,
                algorithm=result.algorithm,
                hyperparameters=dict(result.hyperparameters),
                config=dict(self.run.config),
                metrics=dict(result.metrics["test"]),
                duration_s=round(self.before_s + time.monotonic() - self.started, 3),
                trained_by=self.run.created_by,
                model_file=files.pop(FileFormat.PKL),
                more_files=files,
                background=background_of(frame, result),
                digest=saved.digest,
                onnx=check,
                description=self.run.run_label or "",
            )

    def start_onnx(self, result: SearchResult, frame: pd.DataFrame) -> OnnxExport | None:
        """The conversion of the model, under way; None where none is asked for."""
        if not self.run.config["export_onnx"]:
            return None
        return OnnxExport(
            result, frame, self.folder / versions.NAMES[FileFormat.ONNX],
            deadline=self.deadline() - REGISTER_RESERVE_S, memory_cap_mb=memory_cap_mb(self.config) * SHARE_FOR_SEARCH,
        )  # fmt: skip

    def finish(self, version: ModelVersion, stage_seconds: Mapping[str, float]) -> None:
        """Write the outcome."""
        with self.open_stores(write=True) as stores:
            trials = len(_told_trials(stores, self.run.run_id)[0])
            row = find_row(stores, self.run.run_id, lock=True)
            row.elapsed_s = round(self.before_s + time.monotonic() - self.started, 3)
            timed_out = self.is_cut_by_timeout(trials)
            complete_run(stores, self.run.run_id, version=version, timed_out=timed_out, stage_seconds=stage_seconds)

    def _log_artifacts(self, stores: Stores, result: SearchResult, mlflow_run_id: str) -> None:
        runs = stores.runs
        for file in sorted((self.folder / FOLDER).iterdir()):
            runs.log_file(mlflow_run_id, file, folder=FOLDER)
        candidates = [
            {
                "number": t.number,
                "algorithm": t.algorithm,
                "params": dict(t.params),
                "score": t.score,
                "state": str(t.state),
                "fold_scores": t.fold_scores,
                "latency_ms": t.footprint.latency_ms,
                "size_mb": t.footprint.size_mb,
                "reason": t.message or None,
            }
            for t in result.candidates
        ]
        runs.log_text(mlflow_run_id, "candidates.json", json.dumps(candidates, default=str, indent=1))
        importances = dict(result.importances)
        if result.shap is not None:
            runs.log_text(mlflow_run_id, "shap.json", json.dumps(dataclasses.asdict(result.shap), indent=1))
            importances["shap"] = result.shap.shares
        runs.log_text(mlflow_run_id, "importances.json", json.dumps(importances, indent=1))
        runs.log_text(mlflow_run_id, "training.log", _log_text(stores, self.run.run_id))
        points = [
            MetricPoint(f"{split}_{name}", value, step=0, at=stores.now())
            for split, values in result.metrics.items()
            for name, value in values.items()
            if value is not None
        ]
        runs.log_metrics(mlflow_run_id, points)
        runs.log_tags(mlflow_run_id, {"algorithm": result.algorithm})

    def _log_sample(self, stores: Stores, features: pd.DataFrame, mlflow_run_id: str) -> None:
        """Keep some of the rows, so that what serves the model in another form can be compared with it."""
        folder, _, name = SERVING_SAMPLE.rpartition("/")
        places = np.unique(np.linspace(0, len(features) - 1, SAMPLE_ROWS).astype(np.int64))
        features.iloc[places].to_parquet(self.folder / name, index=False)
        stores.runs.log_file(mlflow_run_id, self.folder / name, folder=folder)

    def _target_is_there(self, frame: pd.DataFrame) -> bool:
        return self.run.config["target_column"] in frame.columns


def _example_of(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """A few rows; truth values with gaps are of a type that says so, as a few objects could be anything."""
    truths = [
        name
        for name in columns
        if frame[name].dtype == object and pd.api.types.infer_dtype(frame[name], skipna=True) == "boolean"
    ]
    return frame[columns].head(EXAMPLE_ROWS).astype(dict.fromkeys(truths, "boolean"))


def _evaluation_of(result: SearchResult, task: str, now: datetime) -> Evaluation:
    return Evaluation(
        task=task,
        labels=result.labels,
        positive_label=result.positive_label,
        primary_metric=result.metric,
        metrics=result.metrics,
        intervals=result.intervals,
        feature_columns=result.feature_columns,
        computed_at=now,
        splits={
            name: SplitEvaluation(
                split.row_index, split.y_true, split.y_pred, split.proba, split.naive_errors, split.times
            )
            for name, split in result.splits.items()
        },
    )


def _fail(open_stores: OpenStores, run: TrainingRun, code: str, message: str) -> None:
    logger.warning("run failed", extra={"run_id": run.run_id, "code": code})
    with open_stores(write=True) as stores:
        row = find_row(stores, run.run_id, lock=True)
        if RunStatus(row.status).is_finished:
            return  # cancelled with its model
        stage = row.phase or "startup"
        append_events(stores, run.run_id, [(EventType.LOG, {"level": "error", "message": f"[Pipeline] {message}"})])
        fail_run(stores, run.run_id, Failure(code, message, stage))


def _told_trials(stores: Stores, run_id: str) -> tuple[set[int], float | None]:
    """Numbers of the trials that listeners know of, and the best score they know."""
    told: set[int] = set()
    best: float | None = None
    after = 0
    while events := read_events(stores.db, run_id, after=after):
        for event in events:
            if event.type is EventType.TRIAL:
                told.add(event.payload["number"])
                best = event.payload["best_score"]
        after = events[-1].seq
    return told, best


def _log_text(stores: Stores, run_id: str) -> str:
    lines: list[str] = []
    after = 0
    while events := read_events(stores.db, run_id, after=after):
        for event in events:
            if event.type is EventType.LOG:
                level = event.payload["level"].upper()
                lines.append(f"{event.timestamp:%Y-%m-%dT%H:%M:%SZ} {level} {event.payload['message']}")
        after = events[-1].seq
    return "\n".join(lines) + "\n"


def _flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and key != "hyperparameters":
            flat.update(_flatten(value, f"{name}."))
        else:
            flat[name] = value
    return flat
