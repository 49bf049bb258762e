"""Pipelines as the search hands them back, without a search."""

import numpy as np
import pandas as pd

from studio.automl.columns import ColumnReader
from studio.automl.estimators import FitContext, TrainingRows, installed_families
from studio.automl.pipeline import Member, build_pipeline
from studio.automl.plan import Preprocessing
from studio.automl.preprocessing import Encoder, choose_encoding

TYPES = {
    "size": "number", "skewed": "number", "carrier": "category", "code": "category", "fragile": "boolean",
    "sent": "datetime",
}  # fmt: skip
QUICK = {  # small enough for a test, large enough to split on everything
    "lightgbm": {"n_estimators": 20, "min_child_samples": 5},
    "xgboost": {"n_estimators": 20},
    "hist_gradient_boosting": {"max_iter": 20},
    "random_forest": {"n_estimators": 10},
    "extra_trees": {"n_estimators": 10},
    "neural_network": {"max_iter": 5, "width": 16},
}


def orders(rows=300, *, seed=5):
    """A table with every kind of column but texts, with gaps, and a target of each kind."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=rows),
            "skewed": rng.exponential(9, rows) ** 2,
            "carrier": rng.choice(["Nordvik", "Ansa", "Pelikan ✈", 'O\'Hare "x"'], rows, p=[0.5, 0.3, 0.15, 0.05]),
            "code": rng.integers(0, 40, rows),
            "fragile": pd.Series(rng.random(rows) < 0.4, dtype=object),
            "sent": pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.integers(0, 4 * 365 * 86400, rows), unit="s"),
        }
    )
    hours = frame["size"] * 3 + np.log1p(frame["skewed"]) + (frame["carrier"] == "Ansa") * 4 + frame["code"] % 3
    frame["hours"] = hours + (frame["sent"].dt.month > 6) + rng.normal(0, 0.3, rows)
    frame["late"] = np.where(frame["hours"] > frame["hours"].median(), "late", "on_time")
    frame["class"] = pd.qcut(frame["hours"], 3, labels=False).astype(int)
    for place, name in enumerate(TYPES):
        frame.loc[place :: 7 + place, name] = None
    return frame


def fit_member(name, reader, frame, target, *, preprocessing=Preprocessing(), params=None, rows=None):  # noqa: B008
    """One member, fitted on some rows."""
    family, rows = installed_families()[name], np.arange(len(frame)) if rows is None else rows
    encoding = choose_encoding(
        preprocessing, categories=family.categories, accepts_missing=family.accepts_missing, scale=family.scale
    )
    encoder = Encoder(encoding, 0)
    codes = None if target == "hours" else pd.factorize(frame[target], sort=True)[0]
    y = frame["hours"].to_numpy()[rows] if codes is None else codes[rows]
    present = np.empty(0, dtype=np.int64)
    if codes is not None:
        present, y = np.unique(y, return_inverse=True)
    n_classes = 0 if codes is None else len(np.unique(codes))
    matrix = encoder.fit_transform(reader.transform(frame).take(rows), y, is_classification=codes is not None)
    if len(present) == 1:
        return Member(encoder, None, present, n_classes)
    task = "regression" if codes is None else "classification"
    context = FitContext(
        task=task, metric="rmse", n_classes=len(present), threads=1, random_state=0, categorical=encoder.categorical_
    )
    chosen = {**family.default(task), **QUICK.get(name, {}), **(params or {})}
    return Member(encoder, family.fit(chosen, TrainingRows(matrix, y), context), present, n_classes)


def pipeline_of(frame, target, *members, weights=None, reader=None, calibration=None):
    """A pipeline of members."""
    classes = None if target == "hours" else np.array(sorted(frame[target].unique()))
    if classes is not None and classes.dtype.kind in "US":
        classes = classes.astype(object)
    reader = reader or ColumnReader(TYPES).fit(frame)
    return build_pipeline(reader, members, weights or [1 / len(members)] * len(members), classes, calibration)


def fit_clusters(name, frame, **params):
    """A pipeline that finds clusters."""
    family, reader = installed_families()[name], ColumnReader(TYPES).fit(frame)
    encoder = Encoder(choose_encoding(Preprocessing(), categories="onehot", accepts_missing=False, scale=True), 0)
    nothing = np.zeros(len(frame))
    matrix = encoder.fit_transform(reader.transform(frame), nothing, is_classification=False)
    context = FitContext(task="clustering", metric="silhouette", n_classes=0, threads=1, random_state=0)
    found = family.fit({**family.default("clustering"), **params}, TrainingRows(matrix, nothing), context)
    return build_pipeline(reader, [Member(encoder, found, np.empty(0, dtype=np.int64), 0)], [1.0], None)


def fit_pipeline(name, frame, target, **choices):
    """A pipeline of one member."""
    reader = ColumnReader(choices.pop("types", TYPES)).fit(frame)
    return pipeline_of(frame, target, fit_member(name, reader, frame, target, **choices), reader=reader)
