"""Profiling a table beside pandas describing the same table, each in a process of its own.

Compared: ``studio.tabular.profile`` with a target (statistics, quantiles, distinct counts, top values, histograms,
repeated rows, warnings and leaks), reading column by column; and pandas, which reads the file, then ``describe``,
``nunique``, ``isna`` and ``duplicated``: no histograms, no top values but the first, no warnings. The table is made:
numbers, whole numbers, categories, times and an id. ``time_ratio`` is pandas over ours, above 1 being better;
``cpu_seconds`` hang less on what else the machine does; ``*_peak_mb`` is the most memory of each process, what its
imports take included.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from studio.tabular.parquet_writing import write_parquet
from studio.tabular.profile import profile
from studio.tabular.table import Column, ColumnType
from tests.benchmarks.figures import emit, median, ratio, show

KINDS = (*["number"] * 6, "whole", "category", "category", "datetime")


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--of", choices=["ours", "pandas"], help="measure one, on the table in --table")
    parser.add_argument("--table", type=Path)
    options = parser.parse_args()
    if options.of:
        print(json.dumps(measure(options.of, options.table)))
        return
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "table.parquet"
        make_table(table, options.rows, options.columns)
        found = [{one: run(one, table) for one in ("ours", "pandas")} for _ in range(options.rounds)]
    figures = {
        f"{one}_{name}": median([round_[one][name] for round_ in found])
        for one in ("ours", "pandas")
        for name in ("seconds", "cpu_seconds", "peak_mb")
    }
    figures["time_ratio"] = ratio(figures["pandas_seconds"], figures["ours_seconds"])
    emit("profile", {"rows": options.rows, "columns": options.columns, "rounds": options.rounds, **figures})


def make_table(path, n_rows, n_columns):
    """Columns of all kinds in turn, the first an id."""
    rng = np.random.default_rng(0)
    names = np.array([f"value {i}" for i in range(40)], dtype=object)
    columns = {"id": pa.array([f"k{i}" for i in range(n_rows)])}
    for place in range(1, n_columns):
        kind = KINDS[place % len(KINDS)]
        columns[f"{kind}_{place}"] = {
            "number": lambda: pa.array(rng.normal(size=n_rows)),
            "whole": lambda: pa.array(rng.integers(0, 1000, n_rows)),
            "category": lambda: pa.array(names[rng.integers(0, 40, n_rows)]),
            "datetime": lambda: pa.array(rng.integers(0, 10**15, n_rows)).cast(pa.timestamp("us", tz="UTC")),
        }[kind]()
    table = pa.table(columns)
    write_parquet(iter(table.to_batches(max_chunksize=1 << 16)), table.schema, path)


def run(one, table):
    """Seconds and peak memory of one of both, in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.profile", "--of", one, "--table", str(table)]
    figures = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    show({"of": one, **figures})
    return figures


def measure(one, table):
    """Seconds and peak memory of this process."""
    started, used = time.monotonic(), time.process_time()
    profile_table(table) if one == "ours" else describe(table)
    seconds, cpu_seconds = time.monotonic() - started, time.process_time() - used
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def profile_table(table):
    """As the service does."""
    types = {"number": "number", "whole": "number", "id": "category"}
    names = pa.parquet.read_schema(table).names
    kinds = [name.partition("_")[0] for name in names]
    columns = [Column(name, ColumnType(types.get(kind, kind))) for name, kind in zip(names, kinds, strict=True)]
    profile(table, columns, next(name for name in names if name.startswith("category")))


def describe(table):
    """As most would with pandas."""
    frame = pd.read_parquet(table)
    frame.describe(include="all")
    frame.nunique()
    frame.isna().sum()
    frame.duplicated().sum()


if __name__ == "__main__":
    main()
