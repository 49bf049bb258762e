"""How the columns of a typed table were written before they were typed."""

from pathlib import Path

import pyarrow.parquet as pq

from studio.tabular.written import Readable, read_metadata, readable


def read_forms(path: Path) -> dict[str, Readable]:
    """The form of each column of a typed Parquet file that was not written the plain way, by name."""
    found = {field.name: readable(read_metadata(field.metadata)) for field in pq.read_schema(path)}
    return {name: form for name, form in found.items() if form is not None}
