"""Rows in the JSON of a request: records, lists and column maps, in the words of this API and of MLflow's scoring."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from studio.domain.json_pointers import escape
from studio.domain.request_forms import FORMS, find_shape_faults
from studio.errors import InvalidInput, TooLarge
from studio.predictions.service.input_schema import MAX_FAULTS, Given, GivenColumns, GivenRows, Place

MAX_ROWS: Final = 10_000
Names = Sequence[str] | None


def read_document(document: Any, names: Names) -> Given:
    """The rows in a JSON body.

    Args:
        document: The body. It has exactly one of ``inputs`` and ``instances`` (a list of records, a list of lists in
            the order of the columns, or a map from column to values), ``dataframe_records`` (a list of records) and
            ``dataframe_split`` (``columns`` and ``data``), and perhaps ``params``, which no model takes so far.
        names: The columns of the version in its order; None where nobody knows them.

    Raises:
        InvalidInput: It is not of that form; names what is wrong.
        TooLarge: More than 10 000 rows.
    """
    faults = find_shape_faults(document)
    if faults:
        raise _fault_list(faults)
    form = next(form for form in FORMS if form in document)
    return _READERS[form](document[form], f"/{form}", names)


def check_row_count(n_rows: int, at: str) -> None:
    """Refuse no rows, or too many.

    Raises:
        InvalidInput: There is none.
        TooLarge: More than 10 000.
    """
    if not n_rows:
        raise _fault(at, "must hold at least one row")
    if n_rows > MAX_ROWS:
        raise TooLarge(f"One call may have {MAX_ROWS} rows, not {n_rows}; send a batch prediction for more.")


def records_at(at: str) -> Place:
    """Where the values of a list of records stand."""
    return lambda row, name: f"{at}/{row}/{escape(name)}"


def _read_any(value: Any, at: str, names: Names) -> Given:
    if isinstance(value, dict):
        return _read_map(value, at)
    if isinstance(value, list) and value and isinstance(value[0], list):
        return _read_lists(value, at, names, lambda number: f"{at}/{number}")
    return _read_records(value, at, names)


def _read_records(value: Any, at: str, names: Names) -> GivenRows:
    if not isinstance(value, list):
        raise _fault(at, "must be a list of rows")
    check_row_count(len(value), at)
    wrong = [number for number, row in enumerate(value) if not isinstance(row, dict)]
    if wrong:
        told = "must be an object that maps each feature to its value"
        raise _fault_list([(f"{at}/{number}", told) for number in wrong])
    return GivenRows(value, records_at(at))


def _read_map(value: Mapping[str, Any], at: str) -> GivenColumns:
    told = "must be a list with one value for each row; for one row send a list that holds it"
    wrong = [name for name, values in value.items() if not isinstance(values, list)]
    if wrong:
        raise _fault_list([(f"{at}/{escape(name)}", told) for name in wrong])
    n_rows = len(next(iter(value.values()), []))
    check_row_count(n_rows, at)
    uneven = [name for name, values in value.items() if len(values) != n_rows]
    if uneven:
        raise _fault_list([(f"{at}/{escape(name)}", f"must have {n_rows} values, as the first") for name in uneven])

    def place(row: int | None, name: str) -> str:
        return f"{at}/{escape(name)}" if row is None else f"{at}/{escape(name)}/{row}"

    return GivenColumns(value, n_rows, place)


def _read_lists(value: Any, at: str, names: Names, row_at: Callable[[int], str]) -> GivenColumns:
    """Rows as lists of values in the order of the columns."""
    if names is None:
        raise _fault(at, "send records: the version does not say in which order its columns come")
    check_row_count(len(value), at)
    told = f"must be a list of {len(names)} values: {', '.join(names[:20])}{', ...' if len(names) > 20 else ''}"
    wrong = [number for number, row in enumerate(value) if not isinstance(row, list) or len(row) != len(names)]
    if wrong:
        raise _fault_list([(row_at(number), told) for number in wrong])
    positions = {name: position for position, name in enumerate(names)}

    def place(row: int | None, name: str) -> str:
        return at if row is None else f"{row_at(row)}/{positions[name]}"

    return GivenColumns(dict(zip(names, zip(*value, strict=True), strict=True)), len(value), place)


def _read_split(value: Any, at: str, names: Names) -> GivenColumns:
    """What pandas calls the orient ``split``; its index is of no use here."""
    is_split = isinstance(value, dict) and {"columns", "data"} <= value.keys() <= {"columns", "data", "index"}
    if not is_split:
        raise _fault(at, "must be an object with columns and data")
    columns, data = value["columns"], value["data"]
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise _fault(f"{at}/columns", "must be a list of names")
    if len(set(columns)) < len(columns):
        raise _fault(f"{at}/columns", "must name each column once")
    if not isinstance(data, list):
        raise _fault(f"{at}/data", "must be a list of rows")
    given = _read_lists(data, f"{at}/data", columns, lambda number: f"{at}/data/{number}")

    def place(row: int | None, name: str) -> str:
        return f"{at}/columns" if row is None else given.place(row, name)

    return GivenColumns(given.columns, given.n_rows, place)


def _fault(at: str, told: str) -> InvalidInput:
    return _fault_list([(at, told)])


def _fault_list(faults: list[tuple[str, str]]) -> InvalidInput:
    counted = "1 field was refused" if len(faults) == 1 else f"{len(faults)} fields were refused"
    return InvalidInput(counted, fields=faults[:MAX_FAULTS])


_READERS: Final[Mapping[str, Callable[[Any, str, Names], Given]]] = {
    "inputs": _read_any,
    "instances": _read_any,
    "dataframe_records": _read_records,
    "dataframe_split": _read_split,
}
