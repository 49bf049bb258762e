"""Loaders and models for hosts under test. Those that wait do so at named pipes, until the test lets them go."""

import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from tests.backends.process_model import Process, load_process  # noqa: F401  a loader too

LOADERS = "tests.backends.toy_models"


def load_factor(factor: float):
    """Predicts ``factor * x``."""
    frame = pd.DataFrame({"x": [0.0, 1.0, 2.0]})
    return make_pipeline(SimpleImputer(), LinearRegression()).fit(frame, frame["x"] * factor)


def load_carriers():
    """Tells from the carrier whether a parcel is late."""
    frame = pd.DataFrame({"carrier": ["slow", "slow", "fast", "fast"]})
    tree = make_pipeline(OneHotEncoder(handle_unknown="ignore"), DecisionTreeClassifier(random_state=0))
    return tree.fit(frame, ["late", "late", "on_time", "on_time"])


def load_broken(secret: str = ""):
    raise FileNotFoundError("no such model")


def load_crashing():
    os._exit(9)


def load_waiting(arrived: str, go: str):
    Path(arrived).write_text(f"{os.getpid()}\n")
    Path(go).read_text()
    return Process()


def load_odd(kind: str):
    return Odd(kind)


def load_touchy():
    return Touchy()


def load_mortal():
    return Mortal()


def load_blocking(arrived: str, go: str):
    return Blocking(arrived, go)


def load_heavy(size_bytes: int):
    model = Process()
    model.weight = np.ones(size_bytes, dtype=np.uint8)
    return model


class Odd:
    """Predicts what JSON has no word for."""

    def __init__(self, kind):
        self.kind = kind

    def predict(self, frame):
        return {
            "missing": np.array([1.5, np.nan, np.inf]),
            "texts": pd.Series(["a", None, "ü"]),
            "dates": pd.to_datetime(pd.Series(["2026-01-02T00:00:00", None, "2026-01-03T04:05:06"])).to_numpy(),
            "aware": [datetime(2026, 1, 2, tzinfo=UTC), pd.NaT, pd.NA],
            "scalars": [np.int64(7), np.float32(0.5), np.bool_(True)],
            "mixed": ["a", 1, None],
            "table": np.array([[1, 2], [3, 4], [5, 6]]),
            "frame": pd.DataFrame({"mean": [1.0, 2.0, np.nan]}),
            "short": [1],
            "half": ["\ud800", "b", "c"],
        }[self.kind]


class Touchy:
    """Raises at negative numbers."""

    def predict(self, frame):
        if (frame["x"] < 0).any():
            raise ValueError(f"cannot take {frame['x'].min()}")
        return frame["x"].to_numpy() * 10


class Mortal:
    """Does not survive its first row."""

    def predict(self, frame):
        os.kill(os.getpid(), signal.SIGKILL)


class Blocking:
    """Tells that it is asked, with the rows it got, and waits to be let go."""

    def __init__(self, arrived, go):
        self.arrived, self.go = arrived, go

    def predict(self, frame):
        Path(self.arrived).write_text(f"{os.getpid()} {len(frame)}\n")
        Path(self.go).read_text()
        return frame["x"].to_numpy() * 10


class Framed(Touchy):
    """Makes its frame itself."""

    def input_frame(self, rows):
        return pd.DataFrame({"x": [abs(row["x"]) for row in rows]})


def load_framed():
    return Framed()
