"""The AutoML comparison's tables: real ones from a folder, real ones that ship with scikit-learn, generated ones.

Needs numpy, pandas and scikit-learn alone, as the peers' environments read the tables with this file too.
"""

import numpy as np
import pandas as pd
from sklearn import datasets as bundled

FROM_FOLDER = {"telco": "Churn", "diamonds": "price", "titanic": "survived", "elec": "class"}
BUNDLED = {"breast_cancer": "binary", "wine": "multiclass", "digits": "multiclass", "diabetes": "regression"}
MADE_ROWS = {
    "imbalanced": 20_000,
    "many_categories": 8_000,
    "mostly_missing": 6_000,
    "wide": 1_200,
    "tiny": 120,
    "noisy": 4_000,
    "drifting": 8_000,
    "skewed": 6_000,
    "many_classes": 5_000,
    "million": 1_000_000,
}
NAMES = (*FROM_FOLDER, *BUNDLED, *MADE_ROWS)


def load(name, root):
    """Read or make one table.

    Args:
        root: Folder with the CSV files of ``FROM_FOLDER``.

    Returns:
        The frame, its target column, and "binary", "multiclass" or "regression".
    """
    if name in FROM_FOLDER:
        return _read(name, root)
    if name in BUNDLED:
        frame = getattr(bundled, f"load_{name}")(as_frame=True).frame
        return frame, "target", BUNDLED[name]
    return _make(name, MADE_ROWS[name])


def _read(name, root):
    frame = pd.read_csv(root / f"{name}.csv")
    if name == "telco":
        frame = frame.drop(columns="customerID")
        frame["TotalCharges"] = pd.to_numeric(frame["TotalCharges"], errors="coerce")
    if name == "titanic":
        frame = frame.drop(columns="alive")  # the target in words
    return frame, FROM_FOLDER[name], "regression" if name == "diamonds" else "binary"


def _make(name, n_rows):
    rng = np.random.default_rng([len(name), n_rows])
    frame, signal = _columns(rng, n_rows, 200 if name == "wide" else 30 if name == "million" else 14)
    task = "binary"
    noise = {"noisy": 6.0, "tiny": 0.5, "drifting": 0.7}.get(name, 1.0)
    if name == "many_categories":
        for column, n_values in (("street", 900), ("shop", 300), ("code", 60)):
            codes = np.minimum(rng.zipf(1.3, n_rows), n_values) - 1
            frame[column] = [f"{column}-{code}" for code in codes]
            signal = signal + rng.normal(0, 1.0, n_values)[codes]
    if name == "drifting":
        day = np.sort(rng.integers(0, 700, n_rows))
        frame["day"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(day, unit="D")
        frame["day"] = frame["day"].dt.strftime("%Y-%m-%d")
        signal = signal * np.cos(day / 230) + day / 300 + 0.8 * (day % 7 > 4)
        task = "regression"
    if name == "skewed":
        task = "regression"
    if name == "mostly_missing":
        for column in frame.columns:
            hidden = rng.random(n_rows) < np.where(signal > np.median(signal), 0.55, 0.75)
            frame[column] = frame[column].astype(object).where(~hidden, None)
            if frame[column].map(type).eq(float).any():
                frame[column] = pd.to_numeric(frame[column])
    noisy = signal + noise * rng.normal(size=n_rows)
    if name == "skewed":
        frame["y"] = np.exp(2 + noisy).round(2)
    elif task == "regression":
        frame["y"] = noisy
    elif name == "many_classes":
        frame["y"] = pd.qcut(noisy, 12, labels=[f"grade {i}" for i in range(12)]).astype(str)
        task = "multiclass"
    else:
        share = 0.97 if name == "imbalanced" else 0.6
        frame["y"] = np.where(noisy > np.quantile(noisy, share), "yes", "no")
    return frame, "y", task


def _columns(rng, n_rows, n_columns):
    """Numbers, most of which say something, and two category columns; and what they say, with spread 1 to 2."""
    X = rng.normal(size=(n_rows, n_columns))
    X[:, 1] = np.exp(X[:, 1])
    X[:, 2] = np.round(X[:, 2] * 3)
    X[:, 4] = 0.7 * X[:, 3] + 0.3 * X[:, 4]
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(n_columns)])
    city, size = rng.integers(0, 12, n_rows), rng.integers(0, 4, n_rows)
    frame["city"] = np.array([f"city {i}" for i in range(12)], dtype=object)[city]
    frame["size"] = np.array(["S", "M", "L", "XL"], dtype=object)[size]
    signal = 0.8 * X[:, 0] - 0.5 * np.log(X[:, 1]) + 0.7 * np.sin(2 * X[:, 3]) + 0.6 * X[:, 5] * X[:, 6]
    signal += 0.5 * (X[:, 2] > 1) * X[:, 7] + rng.normal(0, 0.6, 12)[city] + 0.3 * size * (X[:, 0] > 0)
    return frame, signal
