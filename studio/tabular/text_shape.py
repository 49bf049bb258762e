"""Tells free text from categories by the shape of the values."""

import pyarrow as pa
import pyarrow.compute as pc

from studio.tabular.table import ColumnType

TEXT_WORDS = 4


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
