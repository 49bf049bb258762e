"""Which rows of a table repeat an earlier one, from one number per row."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Hashes = npt.NDArray[np.uint64]
ODD = np.uint64(0x9E3779B97F4A7C15)
MISSING = np.uint64(0xD1B54A32D192ED03)


def add_column(hashes: Hashes, values: pa.Array) -> None:
    """Mix one more column into the hashes of its rows, in place.

    Args:
        hashes: Of shape (n_rows,); zeros before the first column.
        values: The whole column, as a typed table stores it; strings as dictionary.
    """
    bits = _to_bits(values)
    if values.null_count:
        bits = np.where(values.is_null().to_numpy(zero_copy_only=False), MISSING, bits)
    hashes *= ODD
    hashes ^= bits
    # The finaliser of SplitMix64: every bit of a value reaches every bit of the hash.
    hashes ^= hashes >> np.uint64(30)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(27)
    hashes *= np.uint64(0x94D049BB133111EB)
    hashes ^= hashes >> np.uint64(31)


def _to_bits(values: pa.Array) -> Hashes:
    """64 bits per value, equal where values are; any where missing."""
    if pa.types.is_dictionary(values.type):
        values = values.indices
    elif pa.types.is_floating(values.type):
        numbers = np.ascontiguousarray(pc.fill_null(values, 0.0).to_numpy(zero_copy_only=False))
        return (numbers + 0.0).view(np.uint64)  # adding zero makes -0.0 equal to 0.0
    elif not pa.types.is_boolean(values.type):
        values = values.cast(pa.int64())
    filled = pc.fill_null(values, pa.scalar(0).cast(values.type)).cast(pa.int64())
    return np.asarray(filled.to_numpy(zero_copy_only=False)).astype(np.int64).view(np.uint64)


def count_repeats(hashes: Hashes) -> int:
    """How many rows equal one before them; different ones are taken as equal once in 2**64 pairs."""
    return len(hashes) - len(np.unique(hashes))
