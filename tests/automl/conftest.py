"""Tables, observers and a plugin family for the searches under test."""

import numpy as np
import pandas as pd
import pytest

from tests.plugins import installed_family


class Recorder:
    """Keeps what an observer hears."""

    def __init__(self):
        self.phases, self.logs, self.trials, self.facts = [], [], [], []

    def phase(self, phase, fraction, message):
        self.phases.append((phase, fraction, message))

    def log(self, level, message, **facts):
        self.logs.append((level, message))
        self.facts.append(facts)

    def trial(self, trial):
        self.trials.append(trial)


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def toy_family(tmp_path):
    """Installs the toy family as a plugin; gives the folder it lies in."""
    with installed_family(tmp_path, "toy", "tests.automl.toy_family:ToyFamily") as folder:
        yield folder


@pytest.fixture
def messy():
    """200 rows with every column type and most faults a column can have; ``y`` follows ``word``."""
    rng = np.random.default_rng(0)
    n = 200
    word = np.array(["red", "green", "blue", "grey", None], dtype=object)[rng.integers(5, size=n)]
    return pd.DataFrame(
        {
            "empty": [None] * n,
            "infinite": np.where(rng.random(n) < 0.1, np.inf, rng.normal(size=n)),
            "huge": rng.normal(size=n) * 1e300,
            "constant": 1,
            "mixed": pd.Series([[1, "1", None, 2.5, "x", True][i % 6] for i in range(n)], dtype=object),
            "day": pd.date_range("2020-01-01", periods=n, freq="7h").astype(str),
            "text": [f"some words and the number {i % 5}" for i in range(n)],
            "flag": pd.Series([[True, False, None, "yes"][i % 4] for i in range(n)], dtype=object),
            "number": [str(i) if i % 7 else "n/a" for i in range(n)],
            "id": [f"id{i}" for i in range(n)],
            "word": word,
            "y": np.where(np.isin(word, ["red", "blue"]) ^ (rng.random(n) < 0.1), "yes sir", "no"),
        }
    )


MESSY_TYPES = {
    "empty": "number",
    "infinite": "number",
    "huge": "number",
    "constant": "number",
    "mixed": "category",
    "day": "datetime",
    "text": "text",
    "flag": "boolean",
    "number": "number",
    "id": "category",
    "word": "category",
    "y": "category",
}
