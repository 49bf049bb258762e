"""The table the demo goes with: the user's own, or a real one that ships with scikit-learn."""

import io
from dataclasses import dataclass
from pathlib import Path

from sklearn.datasets import load_breast_cancer

FORMATS = {".csv", ".parquet", ".gz", ".tsv", ".txt"}


class BadTable(Exception):
    """The file given cannot be used; the message says why."""


@dataclass(frozen=True)
class DemoTable:
    """A table and what to predict.

    Attributes:
        content: The file as it is uploaded.
        target: Column to predict; None to be asked for among the columns.
    """

    name: str
    filename: str
    content: bytes
    target: str | None


def load_table(data: Path | None, target: str | None) -> DemoTable:
    """The user's file, or the Wisconsin breast cancer data (569 tumours, 30 measurements each; scikit-learn's copy).

    Raises:
        BadTable: The file is not there, or no target was named for it.
    """
    if data is None:
        return _breast_cancer()
    if not data.is_file():
        raise BadTable(f"{data} is not a file.")
    if not target:
        raise BadTable("Say which column to predict: make demo DATA=... TARGET=column")
    return DemoTable(data.stem, data.name, data.read_bytes(), target)


def _breast_cancer() -> DemoTable:
    bunch = load_breast_cancer(as_frame=True)
    frame = bunch.frame.rename(columns={"target": "diagnosis"})
    frame["diagnosis"] = frame["diagnosis"].map(dict(enumerate(bunch.target_names)))
    buffer = io.StringIO()
    frame.to_csv(buffer, index=False)
    return DemoTable("Breast cancer", "breast-cancer.csv", buffer.getvalue().encode(), "diagnosis")
