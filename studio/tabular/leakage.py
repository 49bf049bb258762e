"""Whether one column alone gives the target away.

A column leaks when a rule that sees nothing else predicts the target almost without error, on rows the rule
was not made from (each row is predicted from the others that share its value, so a column of ids predicts
nothing). Almost means: 98 % of the error that is left by always guessing the most frequent class is gone, or
99.9 % of the variance of a number. Honest features, strong ones too, stay below.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

SAMPLE_ROWS = 50_000
FEWEST_ROWS = 30
MOST_CLASSES = 20
SLICES = 256
ROWS_PER_SLICE = 20
LEAKING_SKILL = 0.98
LEAKING_R2 = 0.999

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Target:
    """The sampled values of the column to be predicted.

    Attributes:
        name: Of the column.
        is_known: Of shape (n_sample,), False where the target is missing; such rows are left out.
        classes: Class codes from 0, of shape (n_known,), or None where numbers are predicted.
        numbers: Numbers, of shape (n_known,), or None where classes are predicted.
    """

    name: str
    is_known: npt.NDArray[np.bool_]
    classes: Codes | None
    numbers: Floats | None


def read_target(name: str, values: pa.Array) -> Target | None:
    """Make a target of a column's sampled values.

    Args:
        name: Of the column.
        values: As a typed table stores them, strings as dictionary.

    Returns:
        Classes for up to 20 different values, numbers for more; None where there is nothing to judge: a time,
        a single value, more than 20 categories or fewer than 30 rows.
    """
    is_known = values.is_valid().to_numpy(zero_copy_only=False)
    known = pc.drop_null(values)
    if len(known) < FEWEST_ROWS or pa.types.is_timestamp(values.type):
        return None
    codes = encode(known)
    n_classes = int(codes.max()) + 1
    if 1 < n_classes <= MOST_CLASSES:
        return Target(name, is_known, codes, None)
    if n_classes > MOST_CLASSES and _is_number(values):
        return Target(name, is_known, None, known.to_numpy().astype(np.float64))
    return None


def is_leaking(values: pa.Array, target: Target) -> bool:
    """Whether a column alone nearly determines the target.

    Args:
        values: The column at the sampled rows, of shape (n_sample,), strings as dictionary.
        target: Of the same rows.
    """
    values = values.filter(pa.array(target.is_known))
    if target.classes is not None:
        return _class_skill(_slice(values), target.classes) >= LEAKING_SKILL
    assert target.numbers is not None
    return _is_monotone(values, target.numbers) or _explained(_slice(values), target.numbers) >= LEAKING_R2


def encode(values: pa.Array) -> Codes:
    """Codes from 0 for the distinct values; missing ones get a code of their own."""
    encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    indices = pc.fill_null(encoded.indices, len(encoded.dictionary)).to_numpy(zero_copy_only=False)
    return np.unique(indices, return_inverse=True)[1].astype(np.int64)


def _is_number(values: pa.Array) -> bool:
    return bool(pa.types.is_integer(values.type) or pa.types.is_floating(values.type))


def _slice(values: pa.Array) -> Codes:
    """Codes for categories and for few numbers; many numbers or times are cut into slices of equal size."""
    codes = encode(values)
    if pa.types.is_dictionary(values.type) or codes.max() < SLICES:
        return codes
    values = values.cast(pa.int64()) if pa.types.is_timestamp(values.type) else values
    numbers = pc.drop_null(values).to_numpy()
    n_slices = max(2, min(SLICES, len(numbers) // ROWS_PER_SLICE))
    edges = np.unique(np.quantile(numbers, np.linspace(0, 1, n_slices + 1)[1:-1]))
    sliced = np.full(len(values), len(edges) + 1, dtype=np.int64)
    sliced[values.is_valid().to_numpy(zero_copy_only=False)] = np.searchsorted(edges, numbers, side="right")
    return sliced


def _class_skill(codes: Codes, classes: Codes) -> float:
    """Share of the error of always guessing the most frequent class that knowing the codes removes."""
    n_classes = int(classes.max()) + 1
    counts = np.bincount(codes * n_classes + classes, minlength=(int(codes.max()) + 1) * n_classes)
    table = counts.reshape(-1, n_classes)
    # Seen from a row, its class is guessed when it is the most frequent one even without that row.
    ordered = np.sort(table, axis=1)
    is_guessed = (table == ordered[:, -1:]) & (table - 1 > ordered[:, -2:-1])
    hits = int(table[is_guessed].sum())
    chance = int(np.bincount(classes).max())
    return (hits - chance) / max(len(classes) - chance, 1)


def _explained(codes: Codes, numbers: Floats) -> float:
    """R squared of predicting each number by the mean of the others of its code (overall mean if alone)."""
    centred = numbers - numbers.mean()
    counts = np.bincount(codes)
    sums = np.bincount(codes, weights=centred)
    others = counts[codes] - 1
    predicted = np.divide(sums[codes] - centred, others, out=np.zeros_like(centred), where=others > 0)
    variance = float(np.square(centred).sum())
    return 1.0 - float(np.square(centred - predicted).sum()) / variance if variance > 0 else 0.0


def _is_monotone(values: pa.Array, numbers: Floats) -> bool:
    """Whether the ranks of a column are nearly those of the target, or their reverse."""
    if not _is_number(values) or values.null_count > len(values) / 2:
        return False
    is_valid = values.is_valid().to_numpy(zero_copy_only=False)
    feature = pc.drop_null(values).to_numpy().astype(np.float64)
    if len(feature) < FEWEST_ROWS or np.ptp(feature) == 0 or np.ptp(numbers[is_valid]) == 0:
        return False
    correlation = np.corrcoef(_ranks(feature), _ranks(numbers[is_valid]))[0, 1]
    return bool(correlation**2 >= LEAKING_R2)


def _ranks(numbers: Floats) -> Floats:
    """Ranks, equal numbers sharing their mean rank."""
    _, codes, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2.0)[codes], dtype=np.float64)
