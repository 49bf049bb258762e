"""What lies in a job's work folder, and the whole that is made of it."""

import csv

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from studio.batch_predictions.jobs.chunks import Predicted, RowError
from studio.batch_predictions.jobs.parts import Parts


def table(*predictions, **more):
    ids = [f"prd-{value}" for value in predictions]
    return pa.table({"x": pa.array([1.5] * len(predictions), pa.float64()), "prediction": pa.array(predictions), **more}
                    | {"prediction_id": pa.array(ids, pa.string())})  # fmt: skip


def test_what_an_earlier_process_kept_is_counted_and_not_wanted_again(tmp_path):
    first = Parts(tmp_path)
    first.keep(0, Predicted(table("a", "b"), 1, [RowError(3, "x", 'must be a "number", 🚚')]))
    (tmp_path / "part-00000001.parquet.tmp").write_bytes(b"half")
    second = Parts(tmp_path)
    assert second.has(0, 3)
    assert not second.has(1, 3)
    assert (second.n_predicted, second.n_failed) == (2, 1)
    assert second.first_error == 'row 3, x: must be a "number", 🚚'


def test_the_whole_is_in_order_and_has_every_column(tmp_path):
    parts = Parts(tmp_path)
    shares = {"probability_a": pa.array([0.5, 0.25])}
    parts.keep(0, Predicted(table().cast(table("x").schema), 2, [RowError(1, "x", "one"), RowError(2, "", "two")]))
    parts.keep(1, Predicted(table("a", "b", **shares), 0, []))
    parts.keep(2, Predicted(table("c", probability_a=pa.array([1.0])), 1, [RowError(6, "", "three")]))
    files = parts.assemble(tmp_path / "result")
    whole = pq.read_table(files["parquet"])
    assert whole.column_names == ["x", "prediction", "probability_a", "prediction_id"]
    assert whole["prediction"].to_pylist() == ["a", "b", "c"]
    assert pyarrow.csv.read_csv(files["csv"]).to_pydict() == whole.to_pydict()
    with files["errors"].open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["row", "column", "message"], ["1", "x", "one"], ["2", "", "two"], ["6", "", "three"],
        ]  # fmt: skip


def test_types_that_differ_between_chunks_become_text(tmp_path):
    parts = Parts(tmp_path)
    parts.keep(0, Predicted(table(1, 2), 0, []))
    parts.keep(1, Predicted(table("a"), 0, []))
    assert pq.read_table(parts.assemble(tmp_path / "result")["parquet"])["prediction"].to_pylist() == ["1", "2", "a"]


def test_without_a_prediction_there_is_no_result(tmp_path):
    parts = Parts(tmp_path)
    parts.keep(0, Predicted(table("a").slice(0, 0), 1, [RowError(1, "", "no")]))
    assert list(parts.assemble(tmp_path / "result")) == ["errors"]
