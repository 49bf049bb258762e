"""From cells to the matrix an estimator is fitted on, learned from the training rows alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler, TargetEncoder

from studio.automl.columns import UNKNOWN, Cells
from studio.automl.plan import Preprocessing

FloatArray = npt.NDArray[np.float64]

MAX_INDICATORS = 2_000  # one-hot columns of a matrix at most; wider tables keep fewer values per column
MAX_TEXT_TERMS = 5_000
TEXT_COMPONENTS = 16
SKEWED = 1.0  # from this skewness on a bell-shaped column is made by ranks, as outliers would rule a linear model
SPIKE_SHARE = 0.1  # of the rows, from which on a value at an end is no part of a tail
SCALER_ROWS = 10_000


@dataclass(frozen=True)
class Encoding:
    """How one kind of estimator wants its columns; trials with equal encodings share the encoded matrices.

    Attributes:
        categories: ``native`` hands codes to an estimator that splits on them as sets.
        missing: ``native`` leaves NaN; the others fill, ``median`` and ``mean`` with an indicator beside.
    """

    categories: str
    missing: str
    scale: bool
    max_categories: int


def choose_encoding(settings: Preprocessing, *, categories: str, accepts_missing: bool, scale: bool) -> Encoding:
    """The encoding of a family under a plan.

    Args:
        categories: What the family likes best: ``native``, ``ordinal``, ``onehot`` or ``target``.
        accepts_missing: Whether it is fitted on NaN.
        scale: Whether it gains by scaled columns.
    """
    missing_as: str = settings.handle_missing
    if missing_as in ("auto", "drop"):
        missing_as = "native" if accepts_missing else "median"
    wanted = categories if settings.encode_categories == "auto" else settings.encode_categories
    return Encoding(wanted, missing_as, scale and settings.scale_features, settings.max_categories)


class Encoder(BaseEstimator):  # type: ignore[misc]
    """Learns the matrix from training cells and makes it of any others.

    Attributes (after ``fit_transform``):
        sources_: Input column of each matrix column, of shape (n_columns,).
        categorical_: Matrix columns that hold codes of a set, empty unless the encoding is native.
    """

    def __init__(self, encoding: Encoding, random_state: int) -> None:
        self.encoding = encoding
        self.random_state = random_state

    def fit_transform(self, cells: Cells, y: npt.NDArray[Any], *, is_classification: bool) -> FloatArray:
        """Learn from the training rows and give their matrix, of shape (n_rows, n_columns)."""
        numbers, categories = _useful(cells)
        self._number_cells, self._numbers = numbers, _Numbers(self.encoding, self.random_state)
        self._category_cells = categories
        self._categories = _Categories(self.encoding, self.random_state, is_classification)
        self._texts = [_fit_text(text, self.random_state) for text in cells.texts]
        blocks = [
            self._numbers.fit_transform(cells.values[:, numbers]),
            self._categories.fit_transform(cells.values[:, categories], cells.n_codes[categories], y),
            *self._transform_texts(cells),
        ]
        self._set_sources(cells, [block.shape[1] for block in blocks])
        return self._join(blocks)

    def transform(self, cells: Cells) -> FloatArray:
        """The matrix of other rows."""
        blocks = [
            self._numbers.transform(cells.values[:, self._number_cells]),
            self._categories.transform(cells.values[:, self._category_cells]),
            *self._transform_texts(cells),
        ]
        return self._join(blocks)

    def _join(self, blocks: Sequence[FloatArray]) -> FloatArray:
        """Side by side; where nothing varies, one column of zeros lets every estimator answer."""
        matrix = np.hstack(blocks)
        return matrix if matrix.shape[1] else np.zeros((len(matrix), 1))

    def _transform_texts(self, cells: Cells) -> list[FloatArray]:
        return [
            model.transform(text) for model, text in zip(self._texts, cells.texts, strict=True) if model is not None
        ]

    def _set_sources(self, cells: Cells, widths: Sequence[int]) -> None:
        texts = [source for source, model in zip(cells.text_sources, self._texts, strict=True) if model]
        text_sources = np.repeat(np.array(texts, dtype=np.int64), widths[2:])
        number_sources = cells.sources[self._number_cells][self._numbers.origins]
        category_sources = cells.sources[self._category_cells][self._categories.origins]
        sources = np.concatenate([number_sources, category_sources, text_sources])
        self.sources_ = sources if len(sources) else np.zeros(1, dtype=np.int64)
        first = len(number_sources)
        is_native = self.encoding.categories == "native"
        self.categorical_ = list(range(first, first + len(category_sources))) if is_native else []


class NoColumns:
    """Encodes rows as one column of zeros, for what learns from no column."""

    sources_ = np.zeros(1, dtype=np.int64)

    def transform(self, cells: Cells) -> FloatArray:
        """Of shape (n_rows, 1)."""
        return np.zeros((len(cells.values), 1))


def telling_columns(cells: Cells) -> set[int]:
    """Positions of the input columns that tell rows apart; texts always count as such."""
    return {*cells.sources[np.concatenate(_useful(cells))].tolist(), *cells.text_sources}


def _useful(cells: Cells) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Number cells and category cells that are not the same in every training row."""
    values = cells.values
    low, high = np.fmin.reduce(values, axis=0, initial=np.inf), np.fmax.reduce(values, axis=0, initial=-np.inf)
    is_gappy = np.isnan(values.sum(axis=0))  # nothing is infinite or near it
    varies = (high > low) | (is_gappy & (high >= low))
    varies[: cells.n_kept] = True
    return np.flatnonzero(varies & ~cells.is_category), np.flatnonzero(varies & cells.is_category)


class _Numbers:
    """Fills gaps and scales."""

    def __init__(self, encoding: Encoding, random_state: int) -> None:
        self.encoding = encoding
        self.random_state = random_state
        self.origins: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def fit_transform(self, values: FloatArray) -> FloatArray:
        n_cells = values.shape[1]
        self.origins = np.arange(n_cells)
        self.gappy = np.empty(0, dtype=np.int64)
        self.scalers: list[tuple[npt.NDArray[np.int64], Any]] = []
        if self.encoding.missing != "native":
            self.fills = np.array([_fill_value(column, self.encoding.missing) for column in values.T])
            if self.encoding.missing in ("median", "mean"):
                self.gappy = np.flatnonzero(np.isnan(values).any(axis=0))
        if self.encoding.scale and n_cells:
            self._fit_scalers(self._fill(values))
        self.origins = np.concatenate([self.origins, self.gappy])
        return self.transform(values)

    def transform(self, values: FloatArray) -> FloatArray:
        indicators = np.isnan(values[:, self.gappy]).astype(np.float64)
        filled = self._fill(values)
        if self.scalers:
            filled = filled.copy()
            for cells, scaler in self.scalers:
                filled[:, cells] = scaler.transform(filled[:, cells])
        return np.hstack([filled, indicators]) if indicators.shape[1] else filled

    def _fill(self, values: FloatArray) -> FloatArray:
        if self.encoding.missing == "native" or not values.shape[1]:
            return values
        return np.where(np.isnan(values), self.fills, values)

    def _fit_scalers(self, values: FloatArray) -> None:
        skewed = np.array([abs(_skewness(_without_spikes(column))) > SKEWED for column in values.T])
        for cells, scaler in (
            (np.flatnonzero(~skewed), StandardScaler()),
            (np.flatnonzero(skewed), self._by_ranks(len(values))),
        ):
            if len(cells):
                self.scalers.append((cells, scaler.fit(values[:, cells])))

    def _by_ranks(self, n_rows: int) -> Any:
        ranks = QuantileTransformer(
            n_quantiles=min(1000, n_rows),
            output_distribution="normal",
            subsample=SCALER_ROWS,
            random_state=self.random_state,
        )
        return make_pipeline(ranks, StandardScaler())  # where many values are the least, ranks alone put them at -5.2


def _fill_value(column: FloatArray, how: str) -> float:
    known = column[~np.isnan(column)]
    if how == "constant" or not len(known):
        return 0.0
    if how == "mean":
        return float(known.mean())
    if how == "most_frequent":
        values, counts = np.unique(known, return_counts=True)
        return float(values[np.argmax(counts)])
    return float(np.median(known))


def _without_spikes(column: FloatArray) -> FloatArray:
    """The values but for the least and the largest where many are the same, as the zeros of what is mostly nothing."""
    kept = np.ones(len(column), dtype=bool)
    for end in (column.min(), column.max()):
        is_end = column == end
        if is_end.mean() >= SPIKE_SHARE:
            kept &= ~is_end
    return column[kept]


def _skewness(column: FloatArray) -> float:
    known = column[~np.isnan(column)]
    spread = known.std() if len(known) else 0.0
    return float((((known - known.mean()) / spread) ** 3).mean()) if spread > 0 else 0.0


class _Categories:
    """Pools rare values and turns codes into what the encoding asks for."""

    def __init__(self, encoding: Encoding, random_state: int, is_classification: bool) -> None:
        self.encoding = encoding
        self.random_state = random_state
        self.is_classification = is_classification
        self.origins: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def fit_transform(self, codes: FloatArray, n_codes: npt.NDArray[np.int64], y: npt.NDArray[Any]) -> FloatArray:
        n_cells = codes.shape[1]
        limit = self.encoding.max_categories
        if self.encoding.categories == "onehot" and n_cells:
            limit = max(2, min(limit, MAX_INDICATORS // n_cells))
        self.lookups = [
            _Lookup(codes[:, cell], int(n_codes[cell]), limit, self.encoding.missing) for cell in range(n_cells)
        ]
        self.origins = np.arange(n_cells)
        slots = self._slots(codes)
        if self.encoding.categories == "onehot":
            widths = [lookup.n_slots for lookup in self.lookups]
            self.origins = np.repeat(self.origins, widths)
        if self.encoding.categories == "target" and n_cells:
            return self._fit_targets(slots, y)
        return self._arrange(slots)

    def transform(self, codes: FloatArray) -> FloatArray:
        slots = self._slots(codes)
        if self.encoding.categories == "target" and codes.shape[1]:
            return np.asarray(self.targets.transform(slots), dtype=np.float64)
        return self._arrange(slots)

    def _slots(self, codes: FloatArray) -> FloatArray:
        if not self.lookups:
            return np.empty((len(codes), 0))
        return np.column_stack([lookup.find(codes[:, cell]) for cell, lookup in enumerate(self.lookups)])

    def _arrange(self, slots: FloatArray) -> FloatArray:
        if self.encoding.categories == "onehot":
            blocks = [
                (slots[:, [cell]] == np.arange(lookup.n_slots)).astype(np.float64)
                for cell, lookup in enumerate(self.lookups)
            ]
            return np.hstack(blocks) if blocks else slots
        if self.encoding.missing == "native":
            for cell, lookup in enumerate(self.lookups):
                slots[slots[:, cell] == lookup.missing_slot, cell] = np.nan
        return slots

    def _fit_targets(self, slots: FloatArray, y: npt.NDArray[Any]) -> FloatArray:
        n_classes = len(np.unique(y)) if self.is_classification else 0
        kind = "continuous" if not self.is_classification else "binary" if n_classes == 2 else "multiclass"
        smallest = int(np.bincount(np.unique(y, return_inverse=True)[1]).min()) if n_classes else len(y)
        folds = StratifiedKFold if n_classes and smallest > 1 else KFold
        parts = folds(max(2, min(5, smallest)), shuffle=True, random_state=self.random_state)
        self.targets = TargetEncoder(target_type=kind, cv=parts)
        encoded = np.asarray(self.targets.fit_transform(slots, y), dtype=np.float64)
        self.origins = np.repeat(self.origins, encoded.shape[1] // slots.shape[1])
        return encoded


class _Lookup:
    """Slot of each code of one column: the kept ones in order, one for the rare, one for the missing."""

    def __init__(self, codes: FloatArray, n_codes: int, limit: int, missing: str) -> None:
        known = codes[~np.isnan(codes)]
        counts = np.bincount(known.astype(np.int64), minlength=n_codes) if len(known) else np.zeros(n_codes)
        seen = np.flatnonzero(counts)
        kept = seen
        if len(seen) > limit:
            kept = np.sort(seen[np.argsort(-counts[seen], kind="stable")][: limit - 1])
        self.rare_slot = len(kept)
        self.missing_slot = len(kept) + 1
        self.n_slots = len(kept) + 2
        fill = int(np.argmax(counts)) if missing == "most_frequent" and len(seen) else None
        table = np.full(n_codes + 2, self.rare_slot, dtype=np.float64)  # the last two: unknown, missing
        table[kept] = np.arange(len(kept))
        table[n_codes + 1] = self.missing_slot if fill is None else table[fill]
        self.table = table

    def find(self, codes: FloatArray) -> FloatArray:
        n_codes = len(self.table) - 2
        positions = np.where(codes == UNKNOWN, n_codes, codes)
        return self.table[np.where(np.isnan(codes), n_codes + 1, positions).astype(np.int64)]


def _fit_text(texts: npt.NDArray[Any], random_state: int) -> Pipeline | None:
    """Word weights and their main directions; None where the training rows hold too few words."""
    terms = TfidfVectorizer(max_features=MAX_TEXT_TERMS, token_pattern=r"\b\w+\b", sublinear_tf=True, dtype=np.float32)  # noqa: S106
    try:
        weights = terms.fit_transform(texts)
    except ValueError:  # no words at all
        return None
    n_components = min(TEXT_COMPONENTS, weights.shape[1] - 1, weights.shape[0] - 1)
    if n_components < 1:
        return None
    directions = TruncatedSVD(n_components, random_state=random_state).fit(weights)
    return make_pipeline(terms, directions)
