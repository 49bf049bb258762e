"""What the text of a CSV column means: which values are missing, and the type and value of all others.

Missing are, white space around them aside: the empty text, ``NA``, ``N/A``, ``n/a``, ``#N/A``, ``<NA>``,
``NaN``, ``nan``, ``null``, ``NULL`` and ``None``.

A column gets the first type that every value of it that is not missing has:

- boolean: ``true`` and ``false`` in any case. ``yes``/``no`` stay categories, ``0``/``1`` numbers.
- number: whole or decimal, with exponents. Infinity is missing. A column with a leading zero (``007``), a whole
  number of 2**53 or more or a plus sign before seven digits or more holds codes, not quantities, and stays a
  category. Also with separators of thousands, a decimal comma, a currency or a percent sign, where one such form
  fits all values (``csv_numbers``).
- datetime: ISO 8601 date or date and time; with a zone it is converted to UTC, without one taken to be UTC.
  Also ``2026/1/31``, ``31.1.2026``, and ``31/1/2026`` or ``1/31/2026``, with ``2:30 PM`` too, where only one order
  fits all values of the column, or only one fits other columns of the file.
- text: mostly four words or more, rarely repeated; otherwise category. Both keep their white space.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from studio.tabular.csv_numbers import LARGEST_EXACT_INTEGER, NumberForms, read_number
from studio.tabular.table import ColumnType
from studio.tabular.written import TIME_TAIL, UndecidedDate, Written, WrittenDate, WrittenNumber

MISSING = ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "null", "NULL", "None")
CODE = r"^[+-]?0[\dxX]|^\+\d{7,}$"
WHOLE = r"^[+-]?\d+$"
UTC_TIMESTAMP = pa.timestamp("us", tz="UTC")
TEXT_WORDS = 4

NUMBER_SHAPE = re.compile(r"[+-]?([\d.,]+(e[+-]?\d+)?|inf(inity)?)", re.IGNORECASE)
DATE_SHAPE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?")
BOOLEAN_SHAPE = re.compile("true|false", re.IGNORECASE)

Converter = Callable[[pa.Array], pa.Array]


@dataclass(frozen=True)
class Reading:
    """One way to read text values.

    Attributes:
        type: What the values then are.
        storage: Their Arrow type.
        shape: Matches every such value and little else; asked of one value, to spare failing conversions,
            which are slow because a cast goes on past its first failure.
        convert: Takes trimmed strings with null for missing; raises ArrowInvalid at a value it cannot read.
        has_codes: Takes the strings and what they convert to; true when some are codes, not quantities.
        written: What later readers of the column should know of how its values are written.
    """

    type: ColumnType
    storage: pa.DataType
    shape: re.Pattern[str]
    convert: Converter
    has_codes: Callable[[pa.Array, pa.Array], bool] | None = None
    written: Written | None = None

    def accepts(self, text: pa.Array) -> bool:
        """True when every value, trimmed, none missing, is read so."""
        if not self.shape.fullmatch(text[0].as_py()):
            return False
        try:
            converted = self.convert(text)
        except pa.ArrowInvalid:
            return False
        return self.has_codes is None or not self.has_codes(text, converted)


def blank_missing(values: pa.Array) -> pa.Array:
    """The strings without surrounding white space, null where they stand for a missing value."""
    trimmed = pc.utf8_trim_whitespace(values)
    return pc.if_else(pc.is_in(trimmed, value_set=pa.array(MISSING)), pa.scalar(None, pa.string()), trimmed)


def convert_column(values: pa.Array, reading: Reading | None) -> pa.Array:
    """Strings of a CSV file as what they mean; None as reading keeps them as they are, null where missing."""
    trimmed = blank_missing(values)
    if reading is None:
        return pc.if_else(pc.is_valid(trimmed), values, pa.scalar(None, pa.string()))
    return reading.convert(trimmed)


def _read_boolean(text: pa.Array) -> pa.Array:
    lower = pc.utf8_lower(text)
    if not _all(pc.is_in(lower, value_set=pa.array(["true", "false", None]))):
        raise pa.ArrowInvalid("not a boolean")
    return pc.equal(lower, "true")


def _read_integer(text: pa.Array) -> pa.Array:
    return text.cast(pa.int64())


def _read_decimal(text: pa.Array) -> pa.Array:
    numbers = text.cast(pa.float64())
    return pc.if_else(pc.is_finite(numbers), numbers, pa.scalar(None, pa.float64()))


def _has_codes(text: pa.Array, numbers: pa.Array) -> bool:
    if _any(pc.match_substring_regex(text, CODE)):
        return True
    is_large = pc.or_(pc.greater(numbers, LARGEST_EXACT_INTEGER), pc.less(numbers, -LARGEST_EXACT_INTEGER))
    large = text.filter(is_large)
    return _any(pc.match_substring_regex(large, WHOLE))


def _read_iso(text: pa.Array) -> pa.Array:
    return _to_timestamp(text, pa.timestamp("us")).cast(UTC_TIMESTAMP)


def _read_iso_with_zone(text: pa.Array) -> pa.Array:
    return _to_timestamp(text, UTC_TIMESTAMP)


def _to_timestamp(text: pa.Array, storage: pa.DataType) -> pa.Array:
    """Cast ISO 8601, cutting fractions to the microseconds that are stored."""
    try:
        return text.cast(storage)
    except pa.ArrowInvalid:
        return pc.replace_substring_regex(text, r"(\.\d{6})\d+", r"\1").cast(storage)


def _dates(pattern: str, iso: str) -> Converter:
    """A reader of dates in another order, which the template puts the pattern's groups into that of ISO."""

    def read(text: pa.Array) -> pa.Array:
        if not _all(pc.match_substring_regex(text, pattern)):
            raise pa.ArrowInvalid("another way to write a date")
        ordered = pc.utf8_trim_whitespace(pc.replace_substring_regex(text, pattern, iso))
        for single, padded in ((r"-(\d)-", r"-0\1-"), (r"-(\d)( |$)", r"-0\1\2"), (r" (\d):", r" 0\1:")):
            ordered = pc.replace_substring_regex(ordered, single, padded)
        return _read_iso(ordered)

    return read


def _half_days(written: WrittenDate) -> Converter:
    """A reader of dates with times of a clock of 12 hours; those without a time are of midnight."""
    read_clock = _dates(written.pattern, written.iso)

    def read(text: pa.Array) -> pa.Array:
        stamps = read_clock(text)
        half = pc.utf8_lower(pc.replace_substring_regex(text, written.pattern, r"\5"))
        hours = pc.hour(stamps)
        has_time = pc.not_equal(half, "")
        if _any(pc.and_(has_time, pc.or_(pc.equal(hours, 0), pc.greater(hours, 12)))):
            raise pa.ArrowInvalid("no hour of such a clock")
        shift = pc.subtract(pc.if_else(pc.equal(half, "p"), 12, 0), pc.if_else(pc.equal(hours, 12), 12, 0))
        right = pc.if_else(has_time, shift, 0)
        return pc.add(stamps, pc.multiply(right.cast(pa.int64()), 3_600_000_000).cast(pa.duration("us")))

    return read


def _any(mask: pa.Array) -> bool:
    return bool(pc.any(mask).as_py())


def _all(mask: pa.Array) -> bool:
    """True where nothing is false; null does not count."""
    return pc.all(mask).as_py() is not False


def _datetime(convert: Converter, written: Written | None = None) -> Reading:
    return Reading(ColumnType.DATETIME, UTC_TIMESTAMP, DATE_SHAPE, convert, written=written)


def _written_date(written: WrittenDate) -> Reading:
    convert = _half_days(written) if written.has_half_days else _dates(written.pattern, written.iso)
    return _datetime(convert, written)


def _written_number(written: WrittenNumber, *, is_whole: bool) -> Reading:
    storage = pa.int64() if is_whole else pa.float64()
    convert = partial(read_number, form=written, storage=storage)
    return Reading(ColumnType.NUMBER, storage, NUMBER_SHAPE, convert, written=written)


BOOLEAN = Reading(ColumnType.BOOLEAN, pa.bool_(), BOOLEAN_SHAPE, _read_boolean)
INTEGER = Reading(ColumnType.NUMBER, pa.int64(), NUMBER_SHAPE, _read_integer, _has_codes)
DECIMAL = Reading(ColumnType.NUMBER, pa.float64(), NUMBER_SHAPE, _read_decimal, _has_codes)
ISO = _datetime(_read_iso)
ISO_WITH_ZONE = _datetime(_read_iso_with_zone)
YEAR_FIRST = _datetime(_dates(r"^(\d{4})[/.-](\d{1,2})[/.-](\d{1,2})" + TIME_TAIL, r"\1-\2-\3 \4"))
DAY_FIRST_DOTTED = _written_date(WrittenDate("dmy", "."))
DAY_FIRST = _written_date(WrittenDate("dmy"))
MONTH_FIRST = _written_date(WrittenDate("mdy"))
DAY_FIRST_HALVES = _written_date(WrittenDate("dmy", has_half_days=True))
MONTH_FIRST_HALVES = _written_date(WrittenDate("mdy", has_half_days=True))
IN_EITHER_ORDER = ((DAY_FIRST, MONTH_FIRST), (DAY_FIRST_HALVES, MONTH_FIRST_HALVES))
PLAIN_NUMBERS = (INTEGER, DECIMAL)

# In each group a reading is followed by wider ones, which read all that it does; the groups are independent.
GROUPS = (
    (BOOLEAN,),
    PLAIN_NUMBERS,
    (ISO,),
    (ISO_WITH_ZONE,),
    (YEAR_FIRST,),
    (DAY_FIRST_DOTTED,),
    (DAY_FIRST,),
    (MONTH_FIRST,),
    (DAY_FIRST_HALVES,),
    (MONTH_FIRST_HALVES,),
)


class TextShape:
    """Counts that tell free text from categories; memory does not grow with the number of values."""

    def __init__(self) -> None:
        self._values = 0
        self._distinct = 0
        self._wordy = 0

    def observe(self, values: pa.Array) -> None:
        """Take in the strings of one block, null where missing."""
        distinct = pc.drop_null(pc.unique(values))
        words = pc.count_substring_regex(distinct, r"\S+")
        self._values += len(values) - values.null_count
        self._distinct += len(distinct)
        self._wordy += pc.sum(pc.greater_equal(words, TEXT_WORDS)).as_py() or 0

    @property
    def type(self) -> ColumnType:
        """TEXT when most values are of four words or more and most are not repeated in their block."""
        is_text = self._wordy > self._distinct / 2 and self._distinct > self._values / 2
        return ColumnType.TEXT if is_text else ColumnType.CATEGORY


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
        self._has_digit = self._has_digit or _any(pc.match_substring_regex(text, r"\d"))
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
        return [_written_number(chosen[0], is_whole=chosen[1])] if chosen else []

    def _conclude_plain(self, habits: Habits) -> Conclusion:
        """Plain numbers, which 1.234 is too, unless the rest of the file has decimal commas."""
        otherwise = self._forms and self._forms.reads_plain_otherwise()
        if otherwise and habits.decimal == ",":
            return Conclusion(ColumnType.NUMBER, _written_number(otherwise, is_whole=True), otherwise)
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
