"""How numbers and dates are written as text where it is not the plain way of data files: ``$1,234.50``, ``31.1.2026``.

A column has one form, found over all its values and stored beside them, so that whoever is sent a value later, perhaps
as text again, reads it as the column was read.
"""

import functools
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

KEY = b"written"  # in the metadata of a typed table's columns
SPACE = "[ \u00a0\u2009\u202f]"
APOSTROPHE = "['\u2019]"
MINUS = "\u2212"
CURRENCY = (
    "(?:[A-Z]{0,2}[$€£¥₹₽₩₺₫₴₪₦₱฿₡₲₵₸₼]|AUD|BRL|CAD|CHF|CNY|CZK|DKK|EUR|GBP|HUF|INR|JPY|KRW|MXN|NOK|NZD|PLN|SEK|SGD"
    "|TRY|USD|ZAR|kr\\.?|Kč|zł|Ft)"
)
PERCENT = "%"
SIGN = f"[+{MINUS}-]?"
IN_PARENTHESES = r"^\((.*)\)$"
TIME_TAIL = r"(?:[ T](\d{1,2}:.*))?$"
HALF_DAYS = r"(?:[ T](\d{1,2}:\d\d(?::\d\d)?) ?([AaPp])\.?[Mm]\.?)?$"
_YEAR_LAST = {"/": r"^(\d{1,2})[/-](\d{1,2})[/-](\d{4})", ".": r"^(\d{1,2})\.(\d{1,2})\.(\d{4})"}


@dataclass(frozen=True)
class WrittenNumber:
    """Numbers with separators of thousands, a decimal comma, a currency or a percent sign.

    Attributes:
        grouping: Between thousands: a comma, a point, a space, an apostrophe or nothing.
        decimal: A point or a comma.
        mark: The currency or percent sign that stands at every number, as it is written there; percents stay what
            is written, ``12.5%`` is 12.5.
        is_ambiguous: The values could as well be meant otherwise.
    """

    kind: ClassVar[str] = "number"

    grouping: str
    decimal: str
    mark: str = ""
    is_ambiguous: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether it is the plain way of data files."""
        return not self.grouping and self.decimal == "." and not self.mark

    @property
    def digits(self) -> str:
        """Pattern of the number itself."""
        point = re.escape(self.decimal)
        grouped = rf"\d{{1,3}}(?:{self.separator}\d{{3}})+|" if self.grouping else ""
        power = "" if self.mark else r"(?:[eE][+-]?\d+)?"
        return rf"(?:{grouped}\d+)(?:{point}\d*)?{power}|{point}\d+{power}"

    @property
    def separator(self) -> str:
        """Pattern of what stands between thousands."""
        return {" ": SPACE, "'": APOSTROPHE}.get(self.grouping, re.escape(self.grouping))

    @property
    def strict(self) -> str:
        """Pattern of every value of the column."""
        digits, mark = self.digits, re.escape(self.mark)
        if not self.mark:
            return f"^({SIGN})({digits})$"
        return (
            f"^({SIGN}){SPACE}?{mark}{SPACE}?({digits})$|^{mark}{SPACE}?({SIGN})({digits})$"
            f"|^({SIGN})({digits}){SPACE}?{mark}$"
        )

    def can_be(self, text: str) -> bool:
        """Whether a trimmed text has the form, mark included."""
        return re.fullmatch(self.strict, re.sub(IN_PARENTHESES, r"-\1", text)) is not None

    def read(self, text: str) -> float:
        """A text as a number; NaN where it is none of this form."""
        text = re.sub(IN_PARENTHESES, r"-\1", text.strip())
        found = _sent(self).fullmatch(text)
        if found is None:
            return math.nan
        bare = "".join(group or "" for group in (*found.groups()[::2], *found.groups()[1::2]))
        bare = re.sub(self.separator, "", bare) if self.grouping else bare
        number = float(bare.replace(self.decimal, ".").replace(MINUS, "-"))
        return number if math.isfinite(number) else math.nan

    def example(self) -> str:
        """A number as the column's are written."""
        text = f"1{self.grouping}234{self.decimal}5"
        if not self.mark:
            return text
        return f"12{self.decimal}5%" if self.mark == PERCENT else f"{self.mark}{text}"


@functools.cache
def _sent(number: WrittenNumber) -> re.Pattern[str]:
    """Pattern of the values of a column where the mark may be missing, as in what a caller sends."""
    return re.compile(f"{number.strict}|^({SIGN})({number.digits})$" if number.mark else number.strict)


@dataclass(frozen=True)
class WrittenDate:
    """Dates with the year last.

    Attributes:
        order: ``dmy``, the day first, or ``mdy``, the month first.
        separator: A slash, which a hyphen may stand for, or a point.
        has_half_days: Whether times are of a clock of 12 hours, with AM or PM.
    """

    kind: ClassVar[str] = "date"

    order: str
    separator: str = "/"
    has_half_days: bool = False

    @property
    def pattern(self) -> str:
        """Pattern of the values, with day and month as they stand, the year, a time and its half of a day in groups."""
        return _YEAR_LAST[self.separator] + (HALF_DAYS if self.has_half_days else TIME_TAIL)

    @property
    def iso(self) -> str:
        """What the pattern's groups become."""
        return r"\3-\2-\1 \4" if self.order == "dmy" else r"\3-\1-\2 \4"

    def read(self, text: str) -> str | None:
        """A text as ISO 8601; None where it is not of this form."""
        found = re.match(self.pattern, text.strip())
        if found is None:
            return None
        first, second, year, time, *half = found.groups()
        day, month = (first, second) if self.order == "dmy" else (second, first)
        date = f"{year}-{int(month):02}-{int(day):02}"
        if time is None:
            return date
        hour, _, rest = time.partition(":")
        if half:
            if not 1 <= int(hour) <= 12:
                return None
            hour = str(int(hour) % 12 + 12 * (half[0] in "Pp"))
        return f"{date} {hour.zfill(2)}:{rest}"

    def as_iso(self, text: str) -> str:
        """The same, and any other text as it is."""
        return self.read(text) or text

    def example(self) -> str:
        """A date as the column's are written."""
        date = self.separator.join(["31", "1", "2026"] if self.order == "dmy" else ["1", "31", "2026"])
        return f"{date} 2:30 PM" if self.has_half_days else date


@dataclass(frozen=True)
class UndecidedDate:
    """Dates that could have the day or the month first; they stay text."""

    kind: ClassVar[str] = "undecided_date"


Written = WrittenNumber | WrittenDate | UndecidedDate
Readable = WrittenNumber | WrittenDate
_KINDS: dict[str, type[Written]] = {kind.kind: kind for kind in (WrittenNumber, WrittenDate, UndecidedDate)}


def to_json(written: Written) -> str:
    """As JSON, to be kept beside the values."""
    return json.dumps({"kind": written.kind, **asdict(written)})


def from_json(text: str | bytes) -> Written:
    """What ``to_json`` wrote."""
    fields: dict[str, Any] = json.loads(text)
    return _KINDS[fields.pop("kind")](**fields)


def find_mark(text: str) -> str:
    """The currency or percent sign at a number, empty where there is none."""
    found = re.search(
        rf"^{SIGN}{SPACE}?\(?({CURRENCY}){SPACE}?{SIGN}[\d.,]|[\d]{SPACE}?({CURRENCY}|%)\)?$", text.strip()
    )
    return (found[1] or found[2]) if found else ""


def read_metadata(metadata: Mapping[bytes, bytes] | None) -> Written | None:
    """The form in the metadata of a typed table's column; None for the plain way."""
    return from_json(metadata[KEY]) if metadata and KEY in metadata else None


def readable(written: Written | None) -> Readable | None:
    """The form where text has to be read by it, None where the plain way is all there is."""
    if (
        written is None
        or isinstance(written, UndecidedDate)
        or (isinstance(written, WrittenNumber) and written.is_plain)
    ):
        return None
    return written
