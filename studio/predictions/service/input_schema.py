"""The columns a version takes, and whether rows fit them: all of them at once, each fault at its own place."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from studio.backends.mlflow.model_files import ModelColumn
from studio.errors import InvalidInputs
from studio.predictions.service.cells import are_right, find_fault

FEW_ROWS: Final = 8  # are looked at cell by cell sooner than column by column
MAX_FAULTS: Final = 100  # told in one answer
Row = dict[str, Any]
Place = Callable[[int | None, str], str]  # of a row (None: of all) and a column


@dataclass(frozen=True)
class GivenRows:
    """Rows as records.

    Attributes:
        rows: Column -> value.
        place: Where a value stands in what was sent.
    """

    rows: Sequence[Row]
    place: Place


@dataclass(frozen=True)
class GivenColumns:
    """Rows column by column.

    Attributes:
        columns: Name -> one value per row, all of one length.
        n_rows: That length.
        place: Where a value stands in what was sent.
    """

    columns: Mapping[str, Sequence[Any]]
    n_rows: int
    place: Place


Given = GivenRows | GivenColumns


@dataclass(frozen=True, order=True)
class Fault:
    """A value that does not fit.

    Attributes:
        row: Number of its row, from 0; -1 for a whole column.
        pointer: Where it stands, as ``place`` of what was given says.
        message: What is wrong, and what would be right.
    """

    row: int
    pointer: str
    message: str


class InputSchema:
    """The columns of a version.

    Attributes:
        names: In the order of the version; None where nobody knows them.
        columns: Each by its name.
        required: Names of those that may not be left out.
    """

    def __init__(self, columns: Sequence[ModelColumn] | None) -> None:
        self.names = None if columns is None else [column.name for column in columns]
        self.columns = {column.name: column for column in columns or ()}
        self.required = frozenset(column.name for column in columns or () if column.required)

    def check(self, given: Given) -> list[Row]:
        """Rows that fit, as records.

        A missing value (None) fits every column, a category that training never saw fits too, and the order of the
        columns does not matter. Where one row does not fit, none is let through.

        Raises:
            InvalidInputs: A column is missing or unknown, or a value of a wrong type; names each, up to a hundred.
        """
        if isinstance(given, GivenRows):
            return self._check_rows(given)
        if self.names is not None:
            _refuse(self.find_faults(given))
        names = list(given.columns)
        return [dict(zip(names, row, strict=True)) for row in zip(*given.columns.values(), strict=True)]

    def _check_rows(self, given: GivenRows) -> list[Row]:
        rows = list(given.rows)
        if self.names is None:
            return rows
        required, known = self.required, self.columns.keys()
        if not all(required <= row.keys() <= known for row in rows):
            _refuse([fault for number, row in enumerate(rows) for fault in self._faults_of_row(given, number, row)])
        faults: list[Fault] = []
        if len(rows) <= FEW_ROWS and all(map(self._is_right, rows)):
            return rows
        for name, column in self.columns.items():
            values = [row.get(name) for row in rows]
            if not are_right(column, values):
                faults += _faults_of_values(given.place, column, values)
        _refuse(sorted(faults))
        return rows

    def _is_right(self, row: Row) -> bool:
        """True when every value of a row that has the right columns is right."""
        columns = self.columns
        return all(value is None or find_fault(columns[name], value) is None for name, value in row.items())

    def _faults_of_row(self, given: GivenRows, number: int, row: Row) -> list[Fault]:
        faults = [
            Fault(number, given.place(number, name), "is required")
            for name in self.columns
            if name in self.required and name not in row
        ]
        for name, value in row.items():
            fault = find_fault(self.columns[name], value) if name in self.columns else "unknown feature"
            if fault is not None:
                faults.append(Fault(number, given.place(number, name), fault))
        return faults

    def find_faults(self, given: GivenColumns) -> list[Fault]:
        """Everything that does not fit, row by row; what is wrong with a whole column comes first."""
        faults = [
            Fault(-1, given.place(None, name), "is required")
            for name in self.columns
            if name in self.required and name not in given.columns
        ]
        for name, values in given.columns.items():
            column = self.columns.get(name)
            if column is None:
                faults.append(Fault(-1, given.place(None, name), "unknown feature"))
            elif not are_right(column, values):
                faults += _faults_of_values(given.place, column, values)
        return sorted(faults, key=lambda fault: fault.row)


def _faults_of_values(place: Place, column: ModelColumn, values: Sequence[Any]) -> list[Fault]:
    found = ((number, find_fault(column, value)) for number, value in enumerate(values))
    return [Fault(number, place(number, column.name), fault) for number, fault in found if fault is not None]


def _refuse(faults: Sequence[Fault]) -> None:
    if not faults:
        return
    counted = "1 feature was refused" if len(faults) == 1 else f"{len(faults)} features were refused"
    told = f"; these are the first {MAX_FAULTS}" if len(faults) > MAX_FAULTS else ""
    fields = [(fault.pointer, fault.message) for fault in faults[:MAX_FAULTS]]
    raise InvalidInputs(f"{counted}{told}", fields=fields)
