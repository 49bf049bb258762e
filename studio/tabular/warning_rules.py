"""What a modeller is warned of before training on a table."""

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from studio.tabular.column_profile import ColumnProfile
from studio.tabular.table import ColumnType
from studio.tabular.written import PERCENT, UndecidedDate, Written, WrittenDate

FEWEST_ROWS = 20
ID_SHARE = 0.95
ID_NAME = re.compile(r"(^|[_\W])(id|uuid|guid|key|nr|no|number|index|row)$|[a-z](Id|ID)$|^unnamed", re.IGNORECASE)
HIGH_CARDINALITY = 50
MOSTLY_MISSING = 0.5


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
    if found.distinct <= 1:
        warnings.append(("constant", "no value" if not found.distinct else "a single value"))
    if found.missing > MOSTLY_MISSING * rows:
        warnings.append(("mostly_missing", f"{found.missing / rows:.0%} of the values are missing"))
    if _is_id(found, values, present):
        warnings.append(("id_like", f"{found.distinct} different values in {present} rows: names rows"))
    elif found.type is ColumnType.CATEGORY and found.distinct > HIGH_CARDINALITY:
        warnings.append(("high_cardinality", f"{found.distinct} distinct values"))
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
