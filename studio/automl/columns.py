"""From a data frame as users give it to plain cells: numbers, category codes and texts.

What happens here looks at one row at a time, so it is done once for a whole table without telling the
training rows anything about the others. The list of categories only names the codes; which of them a model
may use, its encoder learns from the training rows.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from studio.tabular.written import Readable, WrittenDate, WrittenNumber

FloatArray = npt.NDArray[np.float64]

UNKNOWN = -1.0  # the code of a category the reader has never seen; a missing one is NaN
LARGEST = 1e30  # forests compute in single precision, and squares must stay finite
FEW_ROWS = 32  # so few are read one by one sooner than their distinct cells are found
EPOCH = pd.Timestamp(0, unit="s", tz=datetime.UTC)  # of whole seconds, or only years 1677..2262 could be compared
DATE_PARTS = ("days", "year", "month", "day", "weekday", "hour", "minute")
# Object columns whose equal cells are of one kind; elsewhere True equals 1, and lists cannot be compared.
_PLAIN_KINDS = frozenset({"string", "integer", "floating", "mixed-integer-float", "boolean", "empty"})
_TRUTH = {"true": 1.0, "t": 1.0, "yes": 1.0, "y": 1.0, "1": 1.0, "on": 1.0}
_TRUTH |= {"false": 0.0, "f": 0.0, "no": 0.0, "n": 0.0, "0": 0.0, "off": 0.0}


@dataclass(frozen=True)
class Cells:
    """Rows as numbers.

    Attributes:
        values: Of shape (n_rows, n_cells); numbers, or category codes where ``is_category``; NaN is missing.
        texts: One array of strings of shape (n_rows,) per text column.
        is_category: Of shape (n_cells,).
        sources: Input column of each cell, of shape (n_cells,).
        text_sources: Input column of each text.
        n_codes: Number of categories of each cell, 0 for numbers.
        n_kept: So many of the first cells stay although they do not vary.
    """

    values: FloatArray
    texts: tuple[npt.NDArray[Any], ...]
    is_category: npt.NDArray[np.bool_]
    sources: npt.NDArray[np.int64]
    text_sources: tuple[int, ...]
    n_codes: npt.NDArray[np.int64]
    n_kept: int = 0

    def take(self, rows: npt.NDArray[Any]) -> "Cells":
        """The given rows, by position or mask."""
        return replace(self, values=self.values[rows], texts=tuple(text[rows] for text in self.texts))


class ColumnReader(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Selects columns by name and reads each as its type says, whatever it is stored as.

    Args:
        column_types: Type of each input column, in the model's order.
        written: How numbers and dates are written where they come as text, for columns with a way of their own.
    """

    written: Mapping[str, Readable] | None = None  # of models that were stored before there was any

    def __init__(self, column_types: Mapping[str, str], written: Mapping[str, Readable] | None = None) -> None:
        self.column_types = column_types
        self.written = written

    def fit(self, X: pd.DataFrame, y: Any = None) -> "ColumnReader":
        """Name the categories of the table."""
        names = list(self.column_types)
        self.feature_names_in_ = np.array(names, dtype=object)
        self.n_features_in_ = len(names)
        self.categories_ = {
            name: _sorted_categories(X[name]) for name in names if self.column_types[name] == "category"
        }
        self._codes = {
            name: {text: float(code) for code, text in enumerate(texts)} for name, texts in self.categories_.items()
        }
        self._set_layout(names)
        return self

    def transform(self, X: pd.DataFrame) -> Cells:
        """Read the rows of a frame that has the input columns, in any order and among others."""
        blocks: list[FloatArray] = []
        texts: list[npt.NDArray[Any]] = []
        forms = self.written or {}
        for name, kind in self.column_types.items():
            column = X[name]
            if kind == "text":
                texts.append(np.array([text or "" for text in read_texts(column)], dtype=object))
            elif kind == "datetime":
                blocks.extend(read_dates(column, forms.get(name)))
            elif kind == "category":
                blocks.append(self._read_codes(name, column))
            elif kind == "boolean":
                blocks.append(read_truth(column))
            else:
                blocks.append(read_numbers(column, forms.get(name)))
        values = np.column_stack(blocks) if blocks else np.empty((len(X), 0))
        return Cells(values, tuple(texts), self._is_category, self._sources, self._text_sources, self._n_codes)

    def _read_codes(self, name: str, column: "pd.Series[Any]") -> FloatArray:
        codes = self._codes[name]
        unique, positions = _distinct(column)
        texts = map(read_text, unique)
        found = [np.nan if text is None else codes.get(text, UNKNOWN) for text in texts]
        return _pick(found, positions)

    def _set_layout(self, names: list[str]) -> None:
        sources: list[int] = []
        n_codes: list[int] = []
        text_sources: list[int] = []
        for position, name in enumerate(names):
            kind = self.column_types[name]
            if kind == "text":
                text_sources.append(position)
                continue
            width = len(DATE_PARTS) if kind == "datetime" else 1
            sources += [position] * width
            n_codes += [len(self.categories_[name]) if kind == "category" else 0] * width
        self._sources = np.array(sources, dtype=np.int64)
        self._n_codes = np.array(n_codes, dtype=np.int64)
        kinds = [self.column_types[names[source]] for source in sources]
        self._is_category = np.array([kind == "category" for kind in kinds], dtype=bool)
        self._text_sources = tuple(text_sources)


def read_text(value: Any) -> str | None:
    """A cell as text, the same for 1, 1.0 and "1"; None where it is missing."""
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return None
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating) and float(value).is_integer() and abs(float(value)) < 1e15:
        return str(int(value))
    text = str(value).strip()
    return text or None


def read_texts(column: "pd.Series[Any]") -> list[str | None]:
    """Every cell as text."""
    return [read_text(value) for value in column.tolist()]


def has_text(column: "pd.Series[Any]") -> npt.NDArray[np.bool_]:
    """Where a cell is not missing, of shape (n_rows,)."""
    unique, positions = _distinct(column)
    found: npt.NDArray[np.bool_] = np.array([*(read_text(value) is not None for value in unique), False])[positions]
    return found


def read_numbers(column: "pd.Series[Any]", written: Readable | None = None) -> FloatArray:
    """Numbers of shape (n_rows,); what is none is NaN, infinities too, and huge values are cut.

    Args:
        written: How the column's numbers are written as text; None for the plain way.
    """
    if column.dtype.kind in "iufb" and isinstance(column.dtype, np.dtype):
        numbers = column.to_numpy(dtype=np.float64)
    else:
        plain = column.astype(object)
        if isinstance(written, WrittenNumber):
            plain = plain.map(lambda value: written.read(value) if isinstance(value, str) else value)
        parsed = pd.to_numeric(plain, errors="coerce")
        numbers = np.array(parsed.to_numpy(dtype=np.float64, na_value=np.nan))
    finite: FloatArray = np.where(np.isfinite(numbers), np.clip(numbers, -LARGEST, LARGEST), np.nan)
    return finite


def read_truth(column: "pd.Series[Any]") -> FloatArray:
    """1 and 0 of shape (n_rows,), NaN where the cell is neither."""
    if column.dtype == bool:
        return np.asarray(column.to_numpy(dtype=np.float64))
    unique, positions = _distinct(column)
    found = [_TRUTH.get((read_text(value) or "").lower(), np.nan) for value in unique]
    return _pick(found, positions)


def read_dates(column: "pd.Series[Any]", written: Readable | None = None) -> list[FloatArray]:
    """The ``DATE_PARTS`` of time stamps, each of shape (n_rows,), in UTC; days count from 1970.

    Args:
        written: How the column's dates are written as text, beside ISO 8601; None for no way of their own.
    """
    if isinstance(written, WrittenDate) and not pd.api.types.is_datetime64_any_dtype(column.dtype):
        column = column.astype(object).map(lambda value: written.as_iso(value) if isinstance(value, str) else value)
    stamps = read_stamps(column)
    clock = stamps.dt
    days = (stamps - EPOCH) / pd.Timedelta(days=1)
    parts = [days, clock.year, clock.month, clock.day, clock.weekday, clock.hour, clock.minute]
    return [part.to_numpy(dtype=np.float64, na_value=np.nan) for part in parts]


def read_stamps(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Time stamps in UTC, NaT where a cell is none."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return pd.to_datetime(column, utc=True)
    texts = column.astype(object)
    stamps = pd.to_datetime(texts, errors="coerce", utc=True, format="ISO8601")
    left = stamps.isna() & texts.notna()
    if left.any():
        stamps = stamps.copy()
        stamps[left] = pd.to_datetime(texts[left], errors="coerce", utc=True, format="mixed")
    return stamps


def _distinct(column: "pd.Series[Any]") -> tuple[list[Any], npt.NDArray[np.int64]]:
    """Distinct cells, and for each row which it is (-1 for missing)."""
    values = column.to_numpy(dtype=object)
    is_plain = column.dtype != object or pd.api.types.infer_dtype(values) in _PLAIN_KINDS
    if len(values) <= FEW_ROWS or not is_plain:
        return values.tolist(), np.arange(len(values))
    positions, unique = pd.factorize(column if column.dtype != object else values)
    return list(unique), positions.astype(np.int64)


def _pick(found: list[float], positions: npt.NDArray[np.int64]) -> FloatArray:
    values: FloatArray = np.array([*found, np.nan], dtype=np.float64)[positions]
    return values


def _sorted_categories(column: "pd.Series[Any]") -> list[str]:
    texts = {text for value in _distinct(column)[0] if (text := read_text(value)) is not None}
    return sorted(texts, key=_category_order)


def _category_order(text: str) -> tuple[float, str]:
    """Numbers by size, then the others by letters."""
    try:
        number = float(text)
    except ValueError:
        return float("inf"), text
    return (number, text) if np.isfinite(number) else (float("inf"), text)
