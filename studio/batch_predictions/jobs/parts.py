"""The work folder of a job: a file for each chunk that is done, and the whole put together from them."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from studio.backends.files.whole_file import whole_file
from studio.batch_predictions.jobs.chunks import Predicted
from studio.tabular.parquet_writing import write_parquet

HEADER: Final = ("row", "column", "message")


class Parts:
    """Finished chunks. What is kept survives the end of the process, however it comes; half a file never counts.

    Attributes:
        n_predicted: Rows predicted in the chunks that are done.
        n_failed: Rows that were not.
        first_error: Of the first row that was not, in words; None while there is none.
    """

    def __init__(self, folder: Path) -> None:
        """
        Args:
            folder: The work folder; it exists.
        """
        self._folder = folder
        self._numbers: list[int] = []
        self.n_predicted = self.n_failed = 0
        self.first_error: str | None = None

    def has(self, number: int, n_rows: int) -> bool:
        """Whether a chunk of so many rows was kept by an earlier process; counts it if so."""
        part = self._part(number)
        if not part.exists():
            return False
        n_predicted = pq.read_metadata(part).num_rows
        self._count(number, n_predicted, n_rows - n_predicted)
        return True

    def keep(self, number: int, found: Predicted) -> None:
        """Keep a chunk: its errors first, as the other file says that it is done."""
        if found.errors:
            lines = io.StringIO(newline="")
            csv.writer(lines).writerows((error.row, error.column, error.message) for error in found.errors)
            with whole_file(self._errors(number)) as file:
                file.write(lines.getvalue().encode())
        with whole_file(self._part(number)) as file:
            pq.write_table(found.table, file, compression="zstd")
        self._count(number, found.table.num_rows, found.n_failed)

    def assemble(self, folder: Path) -> dict[str, Path]:
        """Write the result as ``csv`` and ``parquet``, and ``errors`` where there are any; memory stays flat.

        Args:
            folder: Where to write; what lies there is replaced.

        Returns:
            The files that were written: no result where no row was predicted.
        """
        folder.mkdir(exist_ok=True)
        written: dict[str, Path] = {}
        if self.n_predicted:
            schema = self._schema()
            written = {"csv": folder / "result.csv", "parquet": folder / "result.parquet"}
            write_parquet(self._batches(schema), schema, written["parquet"])
            with pa.csv.CSVWriter(written["csv"], schema) as writer:
                for batch in self._batches(schema):
                    writer.write_batch(batch)
        if self.n_failed:
            written["errors"] = folder / "errors.csv"
            with written["errors"].open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow(HEADER)
                for number in self._numbers:
                    if self._errors(number).exists():
                        file.write(self._errors(number).read_text("utf-8"))
        return written

    def _count(self, number: int, n_predicted: int, n_failed: int) -> None:
        self._numbers.append(number)
        self.n_predicted += n_predicted
        self.n_failed += n_failed
        if n_failed and self.first_error is None:
            with self._errors(number).open(newline="", encoding="utf-8") as file:
                row, column, message = next(csv.reader(file))
            self.first_error = f"row {row}, {column}: {message}" if column else f"row {row}: {message}"

    def _schema(self) -> pa.Schema:
        """Columns of all parts: those without rows know of no probabilities, and a type that differs is text."""
        types: dict[str, pa.DataType] = {}
        for number in self._numbers:
            for field in pq.read_schema(self._part(number)):
                known = types.setdefault(field.name, field.type)
                if known != field.type:
                    types[field.name] = pa.string()
        last = types.pop("prediction_id")
        return pa.schema({**types, "prediction_id": last})

    def _batches(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        for number in self._numbers:
            table = pq.read_table(self._part(number))
            if table.num_rows:
                columns = [_column(table, field) for field in schema]
                yield from pa.table(columns, schema=schema).to_batches()

    def _part(self, number: int) -> Path:
        return self._folder / f"part-{number:08d}.parquet"

    def _errors(self, number: int) -> Path:
        return self._folder / f"errors-{number:08d}.csv"


def _column(table: pa.Table, field: pa.Field) -> pa.ChunkedArray | pa.Array:
    if field.name not in table.column_names:
        return pa.nulls(table.num_rows, field.type)
    column = table[field.name]
    return column if column.type == field.type else column.cast(field.type)
