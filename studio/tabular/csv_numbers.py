"""Numbers in a CSV file that are not written the plain way: which form all values of a column have, and reading it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from studio.tabular.masks import are_all, is_any
from studio.tabular.written import IN_PARENTHESES, MINUS, WrittenNumber, find_mark

# Where several fit, the first of those with the decimal mark that the file shows elsewhere is taken.
SEPARATORS = ((",", "."), (".", ","), (" ", ","), (" ", "."), ("'", "."), ("'", ","))
MARKED, UNMARKED = r"\1\3\5\2\4\6", r"\1\2"  # signs, then digits, as the groups of a form's pattern
ZERO_LED = r"^[+-]?0\d"  # codes, not quantities
LARGEST_EXACT_INTEGER = 2**53 - 1
NOT_FINITE = r"[A-DF-Za-df-z]"


def read_number(text: pa.Array, form: WrittenNumber, storage: pa.DataType) -> pa.Array:
    """Trimmed strings of one form as numbers, null where missing.

    Raises:
        ArrowInvalid: A value is not of that form, or not of the storage type.
    """
    signed = pc.replace_substring_regex(text, IN_PARENTHESES, r"-\1")
    if not are_all(pc.match_substring_regex(signed, form.strict)):
        raise pa.ArrowInvalid("another way to write a number")
    numbers = bare_numbers(signed, form).cast(storage)
    if pa.types.is_integer(storage):
        return numbers
    return pc.if_else(pc.is_finite(numbers), numbers, pa.scalar(None, storage))


def bare_numbers(signed: pa.Array, form: WrittenNumber) -> pa.Array:
    """Strings without marks and separators, as a cast takes them."""
    bare = pc.replace_substring_regex(signed, form.strict, MARKED if form.mark else UNMARKED)
    if form.grouping:
        bare = pc.replace_substring_regex(bare, form.separator, "")
    return pc.replace_substring(pc.replace_substring(bare, form.decimal, "."), MINUS, "-")


@dataclass
class _Candidate:
    """A form all values so far have, and what they show of it."""

    form: WrittenNumber
    has_groups: bool = False
    has_decimals: bool = False

    def accepts(self, text: pa.Array) -> bool:
        """Whether every value of a block is of the form, and a quantity."""
        if not self.form.can_be(text[0].as_py()):
            return False
        signed = pc.replace_substring_regex(text, IN_PARENTHESES, r"-\1")
        if not are_all(pc.match_substring_regex(signed, self.form.strict)):
            return False
        bare = bare_numbers(signed, self.form)
        numbers = pc.abs(bare.cast(pa.float64()))
        if is_any(pc.match_substring_regex(bare, ZERO_LED)) or is_any(pc.greater(numbers, LARGEST_EXACT_INTEGER)):
            return False
        grouped = rf"\d{self.form.separator}\d{{3}}(?:\D|$)"
        self.has_groups = self.has_groups or is_any(pc.match_substring_regex(text, grouped))
        self.has_decimals = self.has_decimals or is_any(pc.match_substring_regex(bare, r"[.eE]"))
        return True


class NumberForms:
    """Narrows down, block by block, in which form the numbers of a column are written."""

    def __init__(self, first: str, delimiter: str) -> None:
        """
        Args:
            first: The first value that is not missing; its mark is the one all must have.
            delimiter: Of the file.
        """
        self._mark, self._delimiter = find_mark(first), delimiter
        self._candidates = [_Candidate(WrittenNumber(*pair, self._mark)) for pair in SEPARATORS]
        self._shortest, self._longest = len(first), len(first)
        self._has_separators = False

    def observe(self, text: pa.Array, *, is_whole: bool, is_plain: bool) -> None:
        """Take in the strings of a block.

        Args:
            text: Trimmed, none missing.
            is_whole: Every value so far is a whole number without any mark.
            is_plain: Every value so far is a number as a cast takes it.
        """
        if not self._candidates:
            return
        if is_whole:  # every form has such numbers
            self._watch_lengths(text)
            return
        if is_plain:
            self._candidates = [found for found in self._candidates if self._is_plain_too(found, text)]
        else:
            self._candidates = [found for found in self._candidates if found.accepts(text)]
        if self._candidates:
            self._watch_lengths(text)
            self._has_separators = self._has_separators or is_any(pc.match_substring_regex(text, r"[.,]\d"))

    @property
    def decimal(self) -> str | None:
        """The decimal mark of the column, None where the values do not say."""
        found = {candidate.form.decimal for candidate in self._convincing()}
        return found.pop() if self._has_separators and len(found) == 1 else None

    def choose(self, habit: str | None) -> tuple[WrittenNumber, bool] | None:
        """The form of the column and whether all its values are whole; None where it is not one of numbers.

        Args:
            habit: The decimal mark that other columns of the file show, None where they show none.
        """
        found = self._convincing()
        if not found:
            return None
        wanted = habit or ("," if self._delimiter == ";" else ".")
        chosen = next((candidate for candidate in found if candidate.form.decimal == wanted), found[0])
        is_ambiguous = self._has_separators and self.decimal is None
        return replace(chosen.form, is_ambiguous=is_ambiguous), not chosen.has_decimals

    def reads_plain_otherwise(self) -> WrittenNumber | None:
        """The form in which plain numbers such as 1.234 are thousands; None where they cannot be."""
        for candidate in self._candidates:
            if candidate.form.grouping == "." and candidate.has_groups:
                return replace(candidate.form, is_ambiguous=True)
        return None

    def _convincing(self) -> Sequence[_Candidate]:
        return [candidate for candidate in self._candidates if self._is_convincing(candidate)]

    def _is_convincing(self, candidate: _Candidate) -> bool:
        """Whether the values are quantities, not phone numbers, codes or lists of two numbers."""
        form = candidate.form
        if self._mark:
            return True
        if candidate.has_groups:
            return form.grouping == "," or candidate.has_decimals or self._shortest != self._longest
        # A comma between commas more often parts two things than a number, unless thousands would do as well.
        is_number = any(other.has_groups and other.form.grouping == "," for other in self._candidates)
        return candidate.has_decimals and (form.decimal == "." or self._delimiter != "," or is_number)

    def _is_plain_too(self, candidate: _Candidate, text: pa.Array) -> bool:
        if candidate.form.grouping == ".":
            return candidate.accepts(text)
        if candidate.form.decimal == "," or is_any(pc.match_substring_regex(text, NOT_FINITE)):
            return False
        candidate.has_decimals = True
        return True

    def _watch_lengths(self, text: pa.Array) -> None:
        lengths = pc.min_max(pc.utf8_length(text))
        self._shortest = min(self._shortest, lengths["min"].as_py())
        self._longest = max(self._longest, lengths["max"].as_py())
