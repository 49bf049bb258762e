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
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from studio.tabular.csv_numbers import LARGEST_EXACT_INTEGER, read_number
from studio.tabular.masks import are_all, is_any
from studio.tabular.table import ColumnType
from studio.tabular.written import TIME_TAIL, Written, WrittenDate, WrittenNumber

MISSING = ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "null", "NULL", "None")
CODE = r"^[+-]?0[\dxX]|^\+\d{7,}$"
WHOLE = r"^[+-]?\d+$"
UTC_TIMESTAMP = pa.timestamp("us", tz="UTC")

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
    if not are_all(pc.is_in(lower, value_set=pa.array(["true", "false", None]))):
        raise pa.ArrowInvalid("not a boolean")
    return pc.equal(lower, "true")


def _read_integer(text: pa.Array) -> pa.Array:
    return text.cast(pa.int64())


def _read_decimal(text: pa.Array) -> pa.Array:
    numbers = text.cast(pa.float64())
    return pc.if_else(pc.is_finite(numbers), numbers, pa.scalar(None, pa.float64()))


def _has_codes(text: pa.Array, numbers: pa.Array) -> bool:
    if is_any(pc.match_substring_regex(text, CODE)):
        return True
    is_large = pc.or_(pc.greater(numbers, LARGEST_EXACT_INTEGER), pc.less(numbers, -LARGEST_EXACT_INTEGER))
    large = text.filter(is_large)
    return is_any(pc.match_substring_regex(large, WHOLE))


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
        if not are_all(pc.match_substring_regex(text, pattern)):
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
        if is_any(pc.and_(has_time, pc.or_(pc.equal(hours, 0), pc.greater(hours, 12)))):
            raise pa.ArrowInvalid("no hour of such a clock")
        shift = pc.subtract(pc.if_else(pc.equal(half, "p"), 12, 0), pc.if_else(pc.equal(hours, 12), 12, 0))
        right = pc.if_else(has_time, shift, 0)
        return pc.add(stamps, pc.multiply(right.cast(pa.int64()), 3_600_000_000).cast(pa.duration("us")))

    return read


def _datetime(convert: Converter, written: Written | None = None) -> Reading:
    return Reading(ColumnType.DATETIME, UTC_TIMESTAMP, DATE_SHAPE, convert, written=written)


def _written_date(written: WrittenDate) -> Reading:
    convert = _half_days(written) if written.has_half_days else _dates(written.pattern, written.iso)
    return _datetime(convert, written)


def written_number(written: WrittenNumber, *, is_whole: bool) -> Reading:
    """The reading of numbers of such a form; of whole ones alone as integers."""
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
