"""What a modeller is warned of before training on a table."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from studio.tabular.column_profile import ColumnProfile
from studio.tabular.table import ColumnType
from studio.tabular.written import PERCENT, UndecidedDate, Written, WrittenDate

FEWEST_ROWS = 20
ID_SHARE = 0.95
ID_NAME = re.compile(r"(^|[_\W])(id|uuid|guid|key|nr|no|number|index|row)$|[a-z](Id|ID)$|^unnamed", re.IGNORECASE)
HIGH_CARDINALITY = 50
MOSTLY_MISSING = 0.5
NEARLY_CONSTANT = 0.99
RARE_ROWS = 5  # fewer are rare
ROWS_FOR_RARE = 100
FAR_OUT = 10.0  # in spreads between the quartiles, beyond them
FAR_OUT_IN_LOGARITHMS = 3.0  # as well where most values are above 0: honest long tails end before
EVEN_SHARE = 0.2  # of what each class would have if all were equally frequent


@dataclass(frozen=True)
class ProfileWarning:
    """One warning: a stable code, the column it is about (None for the whole table), and a sentence."""

    code: str
    column: str | None
    message: str

    def to_json(self) -> dict[str, str | None]:
        """As JSON."""
        return {"code": self.code, "column": self.column, "message": self.message}


def warn_of_column(found: ColumnProfile, values: pa.Array) -> list[ProfileWarning]:
    """The warnings a column gives by itself.

    Args:
        found: Its profile.
        values: The whole column, in file order.
    """
    rows = len(values)
    present = rows - found.missing
    warnings = []
    if not found.distinct or (found.distinct == 1 and not found.missing):  # gaps in one value can tell much
        warnings.append(("constant", "no value" if not found.distinct else "a single value"))
    if found.missing > MOSTLY_MISSING * rows:
        warnings.append(("mostly_missing", f"{found.missing / rows:.0%} of the values are missing"))
    if _is_id(found, values, present):
        warnings.append(("id_like", f"{found.distinct} different values in {present} rows: names rows"))
    else:
        warnings += _find_oddities(found, values, present)
    return [ProfileWarning(code, found.name, message) for code, message in warnings]


def _is_id(found: ColumnProfile, values: pa.Array, present: int) -> bool:
    """Whether a column names rows instead of describing them.

    Categories do when nearly all differ. Whole numbers do when all differ and they count up, leave few gaps
    or are called an id: amounts may all differ too.
    """
    if present < FEWEST_ROWS:
        return False
    if found.type is ColumnType.CATEGORY:
        return found.distinct >= ID_SHARE * present
    if found.type is not ColumnType.NUMBER or not pa.types.is_integer(values.type):
        return False
    if found.distinct < present or found.missing:
        return False
    has_few_gaps = found.max - found.min < 2 * present
    counts_up = bool(np.all(np.diff(values.to_numpy()) > 0))
    return has_few_gaps or counts_up or ID_NAME.search(found.name) is not None


def _find_oddities(found: ColumnProfile, values: pa.Array, present: int) -> list[tuple[str, str]]:
    """What is unusual about values that describe rows: nearly all the same, many, rare or far out."""
    warnings = []
    if found.distinct > 1 and present >= FEWEST_ROWS:
        top = _share_of_top(found, values, present)
        if top >= NEARLY_CONSTANT:
            warnings.append(("nearly_constant", f"{top:.2%} of the values are the same"))
    if found.type is ColumnType.CATEGORY:
        if found.distinct > HIGH_CARDINALITY:
            warnings.append(("high_cardinality", f"{found.distinct} distinct values"))
        if found.distinct > 2 and present >= ROWS_FOR_RARE and (rare := _count_rare(values)):
            warnings.append(
                ("rare_categories", f"{rare} of {found.distinct} values stand in fewer than {RARE_ROWS} rows")
            )
    if found.type is ColumnType.NUMBER and found.quantiles:
        warnings += _find_far_out(found.quantiles, values)
    return warnings


def _share_of_top(found: ColumnProfile, values: pa.Array, present: int) -> float:
    """How much of a column its most frequent value is; 0 where that is surely little."""
    if found.top_values is not None:
        return found.top_values[0][1] / present if found.top_values else 0.0
    median = (found.quantiles or {}).get("0.5")
    if median is None or len(set((found.quantiles or {}).values())) > 1:
        return 0.0
    return float(pc.sum(pc.equal(values, pa.scalar(median).cast(values.type, safe=False))).as_py() or 0) / present


def _count_rare(values: pa.Array) -> int:
    counts = pc.value_counts(pc.drop_null(values)).field("counts").to_numpy()
    return int((counts < RARE_ROWS).sum())


def _find_far_out(quantiles: dict[str, float | None], values: pa.Array) -> list[tuple[str, str]]:
    low, high = quantiles["0.25"], quantiles["0.75"]
    if low is None or high is None or not high > low:
        return []
    reach = FAR_OUT * (high - low)
    numbers = pc.drop_null(values).to_numpy()
    far_out = numbers[(numbers < low - reach) | (numbers > high + reach)]
    if low > 0:
        spread = FAR_OUT_IN_LOGARITHMS * np.log(high / low)
        far_out = far_out[(far_out <= 0) | (np.abs(np.log(np.abs(far_out) / np.sqrt(low * high))) > spread)]
    count = len(far_out)
    if not count:
        return []
    return [("outliers", f"{count} values lie far out, half of all being from {low:.6g} to {high:.6g}")]


def warn_of_target(target: str, rows: int, missing: int, class_counts: Sequence[int] | None) -> list[ProfileWarning]:
    """What the column to be predicted is warned of.

    Args:
        target: Its name.
        rows: Of the table.
        missing: Rows without a value in it.
        class_counts: Rows of each class, None where numbers are predicted.
    """
    found = []
    if missing:
        message = f"{missing} of {rows} rows have no value to learn from and are left out"
        found.append(ProfileWarning("missing_target", target, message))
    if class_counts is not None and len(class_counts) > 1:
        share = min(class_counts) / sum(class_counts)
        if share < EVEN_SHARE / len(class_counts):
            message = f"the rarest of {len(class_counts)} classes has {share:.2%} of the rows"
            found.append(ProfileWarning("imbalanced_target", target, message))
    return found


def warn_of_form(column: str, written: Written | None) -> list[ProfileWarning]:
    """What was made of values that are not written the plain way.

    Args:
        column: Name of the column.
        written: Its form; None for the plain way.
    """
    if written is None:
        return []
    if isinstance(written, UndecidedDate):
        message = "dates that could have the day or the month first stay text; write them like 2026-01-31"
        return [ProfileWarning("ambiguous_dates", column, message)]
    if isinstance(written, WrittenDate):
        first = "day" if written.order == "dmy" else "month"
        return [ProfileWarning("converted", column, f"read as times, the {first} first, as in {written.example()}")]
    found = []
    if not written.is_plain:
        percent = "; 12.5% is 12.5" if written.mark == PERCENT else ""
        message = f"read as numbers, written like {written.example()}{percent}"
        found.append(ProfileWarning("converted", column, message))
    if written.is_ambiguous:
        message = f"marks before three digits may part thousands or decimals; {written.decimal!r} parts decimals here"
        found.append(ProfileWarning("ambiguous_numbers", column, message))
    return found


def warn_of_leak(column: str, target_column: str) -> ProfileWarning:
    """The warning that a column alone gives the target away."""
    message = f"alone it nearly determines {target_column!r}; would it be known before the outcome?"
    return ProfileWarning("leaking", column, message)


def warn_of_repeats(repeats: int, rows: int) -> list[ProfileWarning]:
    """The warning about rows that repeat earlier ones, if there are any."""
    if not repeats:
        return []
    message = f"{repeats} of {rows} rows repeat an earlier one ({repeats / rows:.2%})"
    return [ProfileWarning("duplicate_rows", None, message)]
