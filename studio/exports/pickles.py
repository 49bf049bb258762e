"""Pickle and skops files of a fitted estimator."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import skops.io

import studio


def write_pickle(estimator: Any, path: Path) -> None:
    """Write a file that ``pickle.load`` and ``joblib.load`` read, where Model Studio is not installed too.

    Our classes lie in it by value, so it wants the Python it was written with, beside the estimator's libraries and
    cloudpickle.
    """
    with path.open("wb") as file, _own_code_by_value():
        cloudpickle.dump(estimator, file)


def write_skops(estimator: Any, path: Path) -> None:
    """Write a file that ``skops.io.load`` reads without running code it was not told to trust.

    It names our classes: they must be importable where it is read, from ``code`` in the MLflow folder or installed.
    """
    skops.io.dump(estimator, path)


@contextmanager
def _own_code_by_value() -> Iterator[None]:
    cloudpickle.register_pickle_by_value(studio)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(studio)
