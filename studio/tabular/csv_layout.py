"""How a CSV file is laid out: its delimiter, its header, where its data start, where it breaks the rules."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from studio.errors import DatasetEmpty, DatasetUnreadable, DuplicateColumns

DELIMITERS = (",", ";", "\t", "|")
BOM = "\ufeff"
MAX_RECORD_BYTES = 16 << 20
MAX_COLUMNS = 50_000
SAMPLE_RECORDS = 100

# The limit is the whole process's; the module offers no other place for it.
csv.field_size_limit(MAX_RECORD_BYTES)


@dataclass(frozen=True)
class Layout:
    """Delimiter, column names without surrounding white space, and the byte the first record starts at."""

    delimiter: str
    names: tuple[str, ...]
    data_offset: int


def read_layout(path: Path) -> Layout:
    """Read the header of a CSV file whose text was checked.

    Args:
        path: UTF-8 text, with or without a byte order mark.

    Raises:
        DatasetEmpty: No header, or nothing below it.
        DatasetUnreadable: A column without a name, too many columns, or a header of more than 16 MiB.
        DuplicateColumns: One entry in ``fields`` for each name that stands more than once.
    """
    with path.open("rb") as file:
        sample = file.read(MAX_RECORD_BYTES)
        is_whole = not file.read(1)
    text = sample.decode("utf-8", errors="ignore")
    body = text.removeprefix(BOM)
    delimiter = sniff_delimiter(body, is_whole=is_whole)
    lines = _CountedLines(body)
    header = next((record for record in csv.reader(lines, delimiter=delimiter) if record), [])
    if not header:
        raise DatasetEmpty("The file holds no header and no rows.")
    if not is_whole and lines.size_bytes >= len(body.encode()):
        raise DatasetUnreadable("The header is longer than 16 MiB; is this a CSV file?", line=1)
    if is_whole and not lines.rest().strip("\r\n"):
        raise DatasetEmpty("The file holds a header and no rows.")
    names = tuple(name.strip() for name in header)
    check_names(names)
    return Layout(delimiter, names, lines.size_bytes + len(text.encode()) - len(body.encode()))


def check_names(names: Sequence[str]) -> None:
    """Refuse columns without a name and names used twice.

    Raises:
        DatasetUnreadable: With ``column``, the position from 1 of the first column without a name.
        DuplicateColumns: One entry in ``fields`` for each name that stands more than once.
    """
    if len(names) > MAX_COLUMNS:
        raise DatasetUnreadable(f"The table has {len(names)} columns; {MAX_COLUMNS} is the most.")
    positions: dict[str, list[int]] = defaultdict(list)
    for position, name in enumerate(names, start=1):
        if not name.strip():
            raise DatasetUnreadable(
                f"Column {position} has no name. Name it, or leave it out if it only numbers the rows.",
                column=position,
            )
        positions[name].append(position)
    repeated = {name: found for name, found in positions.items() if len(found) > 1}
    if repeated:
        raise DuplicateColumns(
            f"{len(repeated)} column name(s) stand more than once: {', '.join(map(repr, repeated))}.",
            fields=[(name, f"names columns {', '.join(map(str, found))}") for name, found in repeated.items()],
        )


def sniff_delimiter(text: str, *, is_whole: bool) -> str:
    """The delimiter that splits the first records into as many fields as the header, in most of them.

    Args:
        text: The start of the file, from the header on.
        is_whole: Nothing follows; otherwise the last record may be cut and is not counted.

    Returns:
        One of ``DELIMITERS``; a comma when none splits the header in two.
    """
    # Commas also stand in numbers and in sentences: where another mark splits as well, it is meant.
    best, best_rank = DELIMITERS[0], (0.5, 1, False)
    for delimiter in DELIMITERS:
        records = _first_records(text, delimiter, is_whole)
        width = len(records[0]) if records else 0
        if width < 2:
            continue
        fitting = sum(len(record) == width for record in records[1:])
        rank = (fitting / (len(records) - 1) if records[1:] else 1.0, width, delimiter != DELIMITERS[0])
        if rank > best_rank:
            best, best_rank = delimiter, rank
    return best


def _first_records(text: str, delimiter: str, is_whole: bool) -> list[list[str]]:
    """Up to 100 records after the header, blank lines left out."""
    records: list[list[str]] = []
    for record in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
        if record:
            records.append(record)
        if len(records) > SAMPLE_RECORDS + 1:
            return records[:-1]
    return records if is_whole or len(records) < 2 else records[:-1]


class _CountedLines:
    """The lines of a text, and how many bytes of UTF-8 were taken so far."""

    def __init__(self, text: str) -> None:
        self._stream = io.StringIO(text, newline="")
        self.size_bytes = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._stream:
            self.size_bytes += len(line.encode())
            yield line

    def rest(self) -> str:
        return self._stream.read()


def explain_fault(path: Path, layout: Layout) -> DatasetUnreadable | None:
    """Find the first record that does not have as many fields as the header; slow, for refused files only.

    Args:
        path: The file, UTF-8 text.
        layout: What ``read_layout`` said of it.

    Returns:
        The error to raise, with ``line``: the line of the file its record starts on, counting line breaks
        inside quotes too. None when every record has the right number of fields.
    """
    expected = len(layout.names)
    line = 1
    with path.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(_bounded_lines(text), delimiter=layout.delimiter)
        try:
            for record in reader:
                if record and len(record) != expected:
                    spans_lines = reader.line_num > line
                    if spans_lines and next(reader, None) is None:
                        return unclosed_quote(line)
                    return _ragged(line, expected, len(record), layout.delimiter)
                line = reader.line_num + 1
        except csv.Error:
            return unclosed_quote(line)
    return None


def find_last_record_line(path: Path, layout: Layout) -> int:
    """Line of the file, from 1, that the last record starts on."""
    line, start = 1, 1
    with path.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(_bounded_lines(text), delimiter=layout.delimiter)
        for record in reader:
            start = line if record else start
            line = reader.line_num + 1
    return start


def unclosed_quote(line: int) -> DatasetUnreadable:
    """The error for a record that runs to the end of the file, or past what a record may hold."""
    return DatasetUnreadable(f"A quote opened in the record that starts on line {line} is never closed.", line=line)


def _ragged(line: int, expected: int, found: int, delimiter: str) -> DatasetUnreadable:
    mark = {"\t": "tab"}.get(delimiter, repr(delimiter))
    return DatasetUnreadable(
        f"Line {line} has {found} field(s) where the header has {expected} (delimiter {mark}).",
        line=line,
        expected=expected,
        found=found,
    )


def _bounded_lines(text: TextIO) -> Iterator[str]:
    """The lines of a file; one that is longer than a record may be comes in pieces."""
    while line := text.readline(MAX_RECORD_BYTES):
        yield line
