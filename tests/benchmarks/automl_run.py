"""The service's search on one table: ``python -m tests.benchmarks.automl_run TABLE DATA_FOLDER SECONDS SEED``.

Prints one JSON line as ``peer.py`` of the comparison does, for the same split, score and cores. The table is typed as
an upload is. Of the rows given to train on one in a hundred is kept from the search for its own evaluation, the least
that the service lets a user choose.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss, roc_auc_score, root_mean_squared_error
from sklearn.model_selection import train_test_split

from studio.automl.plan import Plan, Validation
from studio.automl.search import search
from studio.tabular.csv_reading import type_csv
from tests.benchmarks import automl_tables

TEST_SIZE = 0.01


class Teller:
    """Hears of a search; says every word where it is asked to."""

    def __init__(self, is_loud):
        self.is_loud, self.started = is_loud, time.monotonic()

    def phase(self, phase, fraction, message):
        """Not needed here."""

    def log(self, level, message, **facts):
        """A line of the log."""
        if self.is_loud:
            print(f"{time.monotonic() - self.started:6.1f} {level:7} {message}", flush=True)

    def trial(self, trial):
        """Logged besides."""


def main():
    """Split, search, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("table", choices=automl_tables.NAMES)
    parser.add_argument("data", type=Path)
    parser.add_argument("seconds", type=float)
    parser.add_argument("seed", type=int)
    parser.add_argument("--loud", action="store_true", help="print the search's log")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    frame, target, task = automl_tables.load(options.table, options.data)
    if task == "multiclass":
        frame = frame[frame[target].map(frame[target].value_counts()) >= 20]
    strata = None if task == "regression" else frame[target]
    train, test = train_test_split(frame, test_size=0.2, random_state=options.seed, stratify=strata)
    with tempfile.TemporaryDirectory() as folder:
        typed, types = type_table(train, Path(folder))
        plan = Plan(
            task="regression" if task == "regression" else "classification",
            target=target,
            column_types=types,
            validation=Validation(test_size=TEST_SIZE, random_state=options.seed),
            budget_s=options.seconds,
            threads=options.threads,
        )
        started = time.monotonic()
        result = search(typed, plan, observer=Teller(options.loud), work_folder=Path(folder))
        elapsed = time.monotonic() - started
    print(
        json.dumps(
            {
                "peer": "studio",
                "dataset": options.table,
                "seconds": options.seconds,
                "seed": options.seed,
                "score": round(score(task, result, test, target), 6),
                "elapsed": round(elapsed, 2),
                "rows": len(train),
                "trials": len(result.candidates),
                "algorithm": result.algorithm,
                "validation": result.score,
                "peak_mb": round(result.peak_memory_mb),
            }
        )
    )


def type_table(frame, folder):
    """The frame and its columns' types as an upload gives them."""
    frame.to_csv(folder / "table.csv", index=False)
    _, columns = type_csv(folder / "table.csv", folder / "table.parquet")
    return pd.read_parquet(folder / "table.parquet"), {column.name: str(column.type) for column in columns}


def score(task, result, test, target):
    """Higher is better: ROC AUC, minus log loss, or minus RMSE."""
    features = test[list(result.feature_columns)]
    if task == "regression":
        return -float(root_mean_squared_error(test[target], result.estimator.predict(features)))
    proba = result.estimator.predict_proba(features)
    classes = [str(value) for value in result.estimator.classes_]
    true = np.array([_text(value) for value in test[target]])
    if task == "multiclass":
        return -float(log_loss(true, proba, labels=classes))
    positive = _text(sorted(test[target].unique())[1])
    return float(roc_auc_score(true == positive, proba[:, _position(classes, positive)]))


def _text(value):
    return {"True": "True", "False": "False"}.get(str(value), str(value))


def _position(classes, positive):
    return [text.lower() for text in classes].index(positive.lower())


if __name__ == "__main__":
    main()
