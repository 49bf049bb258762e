"""Rows from JSON as a graph of ours takes them, read cell by cell without a data frame in between.

A cell of a kind that its column seldom holds is left to ``ColumnReader``'s own functions, so that it is read as they
read it.
"""

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from studio.automl.columns import EPOCH, read_numbers, read_stamps, read_text, read_truth
from studio.exports.onnx.graph import CannotConvert
from studio.tabular.written import Readable, WrittenDate

FloatArray = npt.NDArray[np.float64]
Rows = Sequence[Mapping[str, Any]]
_Read = Callable[[list[Any]], npt.NDArray[Any]]

ABSENT: Final = "\ufdd0"  # a word that is missing: a noncharacter, which no text is to hold
_PLAIN_NUMBERS: Final = frozenset({int, float, bool, type(None)})
_NUMBERS: Final = {"integer": int, "long": int, "float": float, "double": float}
_TRUTH: Final = {True: 1.0, False: 0.0, None: np.nan}
_STAMP: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)?)?", re.ASCII)


class RowFeeds:
    """Reads rows for one model."""

    def __init__(
        self,
        column_types: Mapping[str, str],
        stored_as: Mapping[str, str],
        written: Mapping[str, Readable] | None = None,
    ) -> None:
        """
        Args:
            column_types: Kind of each column, as ``ColumnReader`` or ``convert_plain`` has it.
            stored_as: MLflow's word for the type the model was trained on, by column: a number is read as a category
                of that type.
            written: How numbers and dates are written where they come as text, as ``ColumnReader`` has it.

        Raises:
            CannotConvert: A column cannot be read cell by cell.
        """
        self._readers = [
            (name, _reader_of(kind, stored_as.get(name, "string"), (written or {}).get(name)))
            for name, kind in column_types.items()
            if kind != "text"
        ]

    def read(self, rows: Rows) -> dict[str, npt.NDArray[Any]]:
        """One array of shape (n_rows, 1) per column.

        Args:
            rows: Column -> JSON value; None, or no value at all, is a missing one.
        """
        return {name: read([row.get(name) for row in rows])[:, None] for name, read in self._readers}


def _reader_of(kind: str, stored_as: str, written: Readable | None) -> _Read:
    if kind == "number":
        return functools.partial(_read_numbers, written=written)
    if kind == "datetime":
        return functools.partial(_read_stamps, written=written)
    if kind == "category":
        if stored_as == "datetime":
            raise CannotConvert("time stamps as categories")
        return functools.partial(_read_texts, numbers_are=_NUMBERS.get(stored_as))
    return _READERS[kind]


def _read_numbers(cells: list[Any], written: Readable | None = None) -> FloatArray:
    if {type(cell) for cell in cells} <= _PLAIN_NUMBERS:
        return np.array(cells, dtype=np.float64)  # None becomes NaN
    return _read_each(cells, _number_of, functools.partial(read_numbers, written=written))


def _read_truths(cells: list[Any]) -> FloatArray:
    return _read_each(cells, _truth_of, read_truth)


def _read_words(cells: list[Any]) -> npt.NDArray[Any]:
    return np.array(
        [ABSENT if cell is None else cell if type(cell) is str else str(cell) for cell in cells], dtype=object
    )


def _read_stamps(cells: list[Any], written: Readable | None = None) -> FloatArray:
    return _read_each(cells, _seconds_of, functools.partial(_read_odd_stamps, written=written))


def _read_each(
    cells: list[Any], read: Callable[[Any], float | None], read_odd: Callable[["pd.Series[Any]"], FloatArray]
) -> FloatArray:
    """Numbers of shape (n_rows,); cells that ``read`` gives none for are left to ``read_odd``, which looks at each
    by itself, so that no row depends on the others."""
    found = [read(cell) for cell in cells]
    odd = [place for place, number in enumerate(found) if number is None]
    numbers = np.array(found, dtype=np.float64)
    if odd:
        numbers[odd] = read_odd(pd.Series([cells[place] for place in odd], dtype=object))
    return numbers


def _number_of(cell: Any) -> float | None:
    return np.nan if cell is None else float(cell) if type(cell) in _PLAIN_NUMBERS else None


def _truth_of(cell: Any) -> float | None:
    return _TRUTH[cell] if cell is None or type(cell) is bool else None


def _seconds_of(cell: Any) -> float | None:
    if type(cell) is not str or not _STAMP.fullmatch(cell):
        return np.nan if cell is None else None
    try:
        stamp = datetime.fromisoformat(cell)
    except ValueError:  # such as the 30th of February
        return None
    return (stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=UTC)).timestamp()


def _read_odd_stamps(cells: "pd.Series[Any]", written: Readable | None) -> FloatArray:
    if isinstance(written, WrittenDate):
        cells = cells.map(lambda cell: written.as_iso(cell) if isinstance(cell, str) else cell)
    seconds = (read_stamps(cells) - EPOCH) / pd.Timedelta(seconds=1)
    return np.asarray(seconds.to_numpy(np.float64, na_value=np.nan))


def _read_texts(cells: list[Any], numbers_are: type | None = None) -> npt.NDArray[Any]:
    if numbers_are is not None:
        cells = [numbers_are(cell) if type(cell) in (int, float) else cell for cell in cells]
    texts = [cell.strip() if type(cell) is str else read_text(cell) or "" for cell in cells]
    return np.array(texts, dtype=object)


_READERS: Final[Mapping[str, _Read]] = {"boolean": _read_truths, "float": _read_numbers, "word": _read_words}
