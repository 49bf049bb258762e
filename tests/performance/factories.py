"""Versions with a stored evaluation."""

import tempfile
from pathlib import Path

import numpy as np

from studio.evaluation.metrics import bootstrap_intervals, compute_metrics
from studio.evaluation.stored import FOLDER, Evaluation, SplitEvaluation, write_evaluation
from tests.versions.factories import add_run, add_version

LATE = ("late", "on_time")


def late_split(rows=40, *, seed=1):
    """Two classes, mostly told apart."""
    random = np.random.default_rng(seed)
    is_late = np.arange(rows) % 4 == 0
    late = np.clip(is_late * 0.4 + random.uniform(0, 0.6, rows), 0, 1)
    true, pred = (np.where(column, *LATE) for column in (is_late, late >= 0.5))
    return SplitEvaluation(np.arange(rows), true, pred, np.column_stack([late, 1 - late]))


def evaluation(now, splits, labels=LATE, *, task="classification", positive_label="late", **facts):
    """An evaluation of these predictions, as training computes it."""
    given = {"labels": labels, "positive_label": positive_label} if labels else {}
    scored = {
        name: {"y_true": split.y_true, "y_pred": split.y_pred, "proba": split.proba, **given}
        | ({} if split.naive_errors is None else {"naive_error": split.naive_errors})
        for name, split in splits.items()
    }
    return Evaluation(
        **{
            "task": task,
            "labels": labels,
            "positive_label": positive_label,
            "primary_metric": "roc_auc",
            "metrics": {name: compute_metrics(task, **facts) for name, facts in scored.items()},
            "intervals": {name: bootstrap_intervals(task, **facts, n_resamples=20) for name, facts in scored.items()},
            "splits": splits,
            "feature_columns": ("distance_km",),
            "computed_at": now,
            **facts,
        }
    )


def number_evaluation(now):
    """Of a regression whose residuals are -1, 0, 1 and 2."""
    split = SplitEvaluation(np.arange(4), np.array([1.0, 2, 3, 4]), np.array([2.0, 2, 2, 2]))
    return evaluation(now, {"test": split}, None, task="regression", positive_label=None, primary_metric="rmse")


def add_evaluated(stores, model, made, run_id=None):
    """A ready version whose run, by default one nothing else is known of, has this evaluation."""
    run_id, mlflow_run_id = add_run(stores, model, run_id)
    with tempfile.TemporaryDirectory() as folder:
        for file in write_evaluation(Path(folder), made):
            stores.runs.log_file(mlflow_run_id, file, folder=FOLDER)
    return add_version(stores, model, run_id=run_id, mlflow_run_id=mlflow_run_id)
