"""Finds, block by block, what the text of each column of a CSV file means, by the rules of ``csv_values``."""

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from studio.tabular.csv_numbers import NumberForms
from studio.tabular.csv_values import (
    BOOLEAN,
    DECIMAL,
    GROUPS,
    IN_EITHER_ORDER,
    PLAIN_NUMBERS,
    Reading,
    blank_missing,
    written_number,
)
from studio.tabular.masks import is_any
from studio.tabular.table import ColumnType
from studio.tabular.text_shape import TextShape
from studio.tabular.written import UndecidedDate, Written, WrittenNumber


@dataclass(frozen=True)
class Habits:
    """How a file is written, by those of its columns that leave no doubt; None where they show nothing or differ.

    Attributes:
        decimal: A point or a comma.
        day_first: Whether dates with slashes have the day first.
    """

    decimal: str | None = None
    day_first: bool | None = None

    @classmethod
    def of(cls, observers: "Iterable[ColumnObserver]") -> "Habits":
        """What all columns show together."""
        marks, orders = set(), set()
        for observer in observers:
            marks.add(observer.decimal)
            orders.add(observer.day_first)
        marks.discard(None)
        orders.discard(None)
        return cls(marks.pop() if len(marks) == 1 else None, orders.pop() if len(orders) == 1 else None)


@dataclass(frozen=True)
class Conclusion:
    """The type of a column, how to read it (None keeps the text), and how its values are written."""

    type: ColumnType
    reading: Reading | None
    written: Written | None = None


class ColumnObserver:
    """Narrows down how a column can be read, block by block."""

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._groups: list[tuple[Reading, ...]] = list(GROUPS)
        self._forms: NumberForms | None = None
        self._has_digit = False
        self._shape = TextShape()

    def observe(self, values: pa.Array) -> None:
        """Take in the strings of one block."""
        text = pc.drop_null(blank_missing(values))
        if not len(text):
            return
        self._forms = self._forms or NumberForms(text[0].as_py(), self._delimiter)
        self._has_digit = self._has_digit or is_any(pc.match_substring_regex(text, r"\d"))
        groups = [_first_that_accepts(group, text) for group in self._groups]
        self._groups = [group for group in groups if group]
        self._forms.observe(text, is_whole=PLAIN_NUMBERS in self._groups, is_plain=(DECIMAL,) in self._groups)
        if not self._groups:
            self._shape.observe(text)

    @property
    def decimal(self) -> str | None:
        """The decimal mark of its numbers, where they leave no doubt."""
        if self._forms is None:
            return None
        if (DECIMAL,) in self._groups:
            return None if self._forms.reads_plain_otherwise() else "."
        return self._forms.decimal

    @property
    def day_first(self) -> bool | None:
        """Whether its dates have the day first, where they leave no doubt."""
        left = {group[0] for group in self._groups}
        for day_first, month_first in IN_EITHER_ORDER:
            if (day_first in left) != (month_first in left) and self._has_digit:
                return day_first in left
        return None

    def conclude(self, habits: Habits) -> Conclusion:
        """What the column is, after the last block.

        Args:
            habits: What all columns of the file show.
        """
        readings = [group[0] for group in self._groups]
        if not self._has_digit:
            # Infinity alone is no number; where only missing values were seen every reading is left.
            readings = [BOOLEAN] if readings == [BOOLEAN] else []
        for day_first, month_first in IN_EITHER_ORDER:
            if day_first in readings and month_first in readings:
                if habits.day_first is None:
                    return Conclusion(self._shape.type, None, UndecidedDate())
                readings = [day_first if habits.day_first else month_first]
        if not readings:
            readings = self._formatted(habits)
        elif readings[0] is DECIMAL:
            return self._conclude_plain(habits)
        if readings:
            return Conclusion(readings[0].type, readings[0], readings[0].written)
        return Conclusion(self._shape.type, None)

    def _formatted(self, habits: Habits) -> list[Reading]:
        chosen = self._forms.choose(habits.decimal) if self._forms and self._has_digit else None
        return [written_number(chosen[0], is_whole=chosen[1])] if chosen else []

    def _conclude_plain(self, habits: Habits) -> Conclusion:
        """Plain numbers, which 1.234 is too, unless the rest of the file has decimal commas."""
        otherwise = self._forms and self._forms.reads_plain_otherwise()
        if otherwise and habits.decimal == ",":
            return Conclusion(ColumnType.NUMBER, written_number(otherwise, is_whole=True), otherwise)
        is_ambiguous = otherwise is not None and self._delimiter == ";"
        return Conclusion(
            ColumnType.NUMBER, DECIMAL, WrittenNumber("", ".", is_ambiguous=True) if is_ambiguous else None
        )


def _first_that_accepts(group: tuple[Reading, ...], text: pa.Array) -> tuple[Reading, ...]:
    """The group from the first reading that accepts the values on; empty when none does."""
    for position, reading in enumerate(group):
        if reading.accepts(text):
            return group[position:]
    return ()
