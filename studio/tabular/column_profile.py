"""What is in one column of a typed table."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from studio.tabular.preview import to_json
from studio.tabular.table import Column, ColumnType

TOP_VALUES = 10
BINS = 20
QUANTILES = (0.25, 0.5, 0.75)

Numbers = npt.NDArray[np.generic]


@dataclass(frozen=True)
class Histogram:
    """Values counted in bins: ``edges`` (one more than counts, increasing) as JSON values of the column."""

    edges: tuple[Any, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class ColumnProfile:
    """What is in one column; all values as JSON holds them, None where they do not apply.

    Attributes:
        name: Of the column.
        type: Of its values.
        missing: Number of values that are missing.
        distinct: Number of different values, missing ones left out.
        min: Smallest number or earliest time.
        max: Largest number or latest time.
        mean: Of numbers.
        std: Of numbers, the sample's (divisor n - 1); None below two values.
        quantiles: Of numbers, by ``0.25``, ``0.5`` and ``0.75``.
        top_values: Of all but numbers: up to 10 values and how often each stands, the most frequent first,
            equally frequent ones in order.
        histogram: Of numbers and times, where there are any.
    """

    name: str
    type: ColumnType
    missing: int
    distinct: int
    min: Any = None
    max: Any = None
    mean: float | None = None
    std: float | None = None
    quantiles: dict[str, float | None] | None = None
    top_values: tuple[tuple[Any, int], ...] | None = None
    histogram: Histogram | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON, without the members that do not apply to the type; ``histogram`` is always there."""
        body: dict[str, Any] = {
            "name": self.name,
            "type": self.type.value,
            "missing": self.missing,
            "distinct": self.distinct,
        }
        if self.type in (ColumnType.NUMBER, ColumnType.DATETIME):
            body |= {"min": self.min, "max": self.max}
        if self.type is ColumnType.NUMBER:
            body |= {"mean": self.mean, "std": self.std, "quantiles": self.quantiles}
        if self.top_values is not None:
            body["top_values"] = [{"value": value, "count": count} for value, count in self.top_values]
        bins = self.histogram
        body["histogram"] = bins and {"edges": list(bins.edges), "counts": list(bins.counts)}
        return body


def profile_column(column: Column, values: pa.Array) -> ColumnProfile:
    """Profile one column.

    Args:
        column: Name and type.
        values: The whole column as a typed table stores it; strings as dictionary.
    """
    missing = int(values.null_count)
    present = pc.drop_null(values)
    if column.type is ColumnType.NUMBER:
        return _profile_numbers(column.name, missing, present)
    counted = _count(present)
    found = ColumnProfile(column.name, column.type, missing, distinct=len(counted), top_values=_find_top(counted))
    if column.type is not ColumnType.DATETIME or not len(present):
        return found
    ticks = present.cast(pa.int64()).to_numpy()

    def as_time(tick: Any) -> Any:
        return to_json(pa.scalar(int(tick), present.type).as_py())

    return replace(found, min=as_time(ticks.min()), max=as_time(ticks.max()), histogram=_draw_bins(ticks, as_time))


def _profile_numbers(name: str, missing: int, present: pa.Array) -> ColumnProfile:
    distinct = int(pc.count_distinct(present).as_py())
    if not distinct:
        return ColumnProfile(name, ColumnType.NUMBER, missing, 0)
    numbers = present.to_numpy()
    with np.errstate(over="ignore", invalid="ignore"):  # overflow becomes None
        quantiles = np.quantile(numbers, QUANTILES)
        return ColumnProfile(
            name,
            ColumnType.NUMBER,
            missing,
            distinct,
            min=numbers.min().item(),
            max=numbers.max().item(),
            mean=to_json(float(numbers.mean(dtype=np.float64))),
            std=to_json(float(numbers.std(ddof=1, dtype=np.float64))) if len(numbers) > 1 else None,
            quantiles={str(q): to_json(float(v)) for q, v in zip(QUANTILES, quantiles, strict=True)},
            histogram=_draw_bins(numbers, lambda edge: edge.item()),
        )


def _draw_bins(numbers: Numbers, as_json: Callable[[Any], Any]) -> Histogram | None:
    """Count in 20 bins of equal width; few whole numbers get one bin each; None where the range overflows."""
    low, high = float(numbers.min()), float(numbers.max())
    if np.issubdtype(numbers.dtype, np.integer) and high - low < BINS:
        edges = np.arange(low, high + 2) - 0.5
    else:
        edges = np.linspace(low, high, BINS + 1)
    if not np.all(np.isfinite(edges)):
        return None
    if not np.all(np.diff(edges) > 0):
        edges = np.array([np.nextafter(low, -np.inf), np.nextafter(high, np.inf)])
    # Told as a range, equal widths need no search among the edges.
    counts = np.histogram(numbers, bins=len(edges) - 1, range=(float(edges[0]), float(edges[-1])))[0]
    return Histogram(tuple(as_json(edge) for edge in edges), tuple(counts.tolist()))


def _count(present: pa.Array) -> pa.Table:
    """The distinct values and their counts."""
    counted = pc.value_counts(present)
    values = counted.field("values")
    values = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
    return pa.table({"value": values, "count": counted.field("counts")})


def _find_top(counted: pa.Table) -> tuple[tuple[Any, int], ...]:
    if not len(counted):
        return ()
    if pa.types.is_boolean(counted.schema.field("value").type):
        counted = counted.append_column("order", counted["value"].cast(pa.int8()))
    else:
        counted = counted.append_column("order", counted["value"])
    keys = [("count", "descending"), ("order", "ascending")]
    best = counted.take(pc.select_k_unstable(counted, TOP_VALUES, sort_keys=keys))
    return tuple(
        (to_json(value), count)
        for value, count in zip(best["value"].to_pylist(), best["count"].to_pylist(), strict=True)
    )
