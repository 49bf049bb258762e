"""What hosts wrote down ends up in Parquet files, whole and once, whatever happens on the way."""

import orjson
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from studio.backends.serving.prediction_log import PredictionLog
from studio.errors import BackendDown
from studio.models import service as models
from studio.prediction_log.jobs import gather_segments
from studio.prediction_log.jobs import gathering as gathering_module
from studio.prediction_log.tables import PredictionSegmentRow
from tests.factories import make_model

ROWS = [
    {"size": 1, "name": "Ünal 'x'", "open": True, "mixed": 1},
    {"size": None, "name": None, "open": None, "mixed": "a", "more": [1]},
]


def line(*names, rows=ROWS, probabilities=None):
    given = {"rows": rows[: len(names)], "predictions": ["late", None][: len(names)], "probabilities": probabilities}
    return {"at": 1_790_000_000.25, "ids": list(names), "ms": 1.5, **given}


@pytest.fixture
def model(open_stores):
    with open_stores() as stores:
        return make_model(stores)


@pytest.fixture
def folder(tmp_path):
    """Where the hosts write."""
    made = tmp_path / "log"
    made.mkdir()
    return made


def write(folder, model_id, *lines, name="dep-1-abc"):
    about = {"organization": "acme", "model_id": model_id, "deployment_id": "dep-1", "version_id": "ver-007"}
    about["source"] = "shadow"
    log = PredictionLog(folder, name, about)
    log.append(lines)
    log.close()


def find(runtime, open_stores, model_id):
    with open_stores(write=False) as stores:
        segments = list(stores.db.scalars(select(PredictionSegmentRow)))
        keys = stores.files.list_keys(f"{model_id}/predictions")
        tables = []
        for key in keys:
            with stores.files.open(key) as file:
                tables.append(pq.read_table(file))
    return segments, tables


@pytest.mark.both_databases
def test_a_segment_becomes_a_file_and_a_row(runtime, open_stores, model, folder):
    write(folder, model.id, line("prd-1", "prd-2", probabilities=[{"late": 0.75}, {"late": 0.25}]), line("prd-3"))
    assert gather_segments(runtime.open_stores, folder) == 3
    assert list(folder.iterdir()) == []
    [segment], [table] = find(runtime, open_stores, model.id)
    assert (segment.model_id, segment.deployment_id, segment.version) == (model.id, "dep-1", 7)
    assert segment.source == "shadow"
    assert (segment.predictions, segment.first_at) == (3, segment.last_at)
    found = table.to_pydict()
    assert found["prediction_id"] == ["prd-1", "prd-2", "prd-3"]
    assert [moment.timestamp() for moment in found["predicted_at"]] == [1_790_000_000.25] * 3
    assert [orjson.loads(each) for each in found["prediction"]] == ["late", None, "late"]
    assert found["probabilities"][2] is None
    assert orjson.loads(found["probabilities"][0]) == {"late": 0.75}
    assert found["input.size"] == [1.0, None, 1.0]
    assert found["input.name"] == ["Ünal 'x'", None, "Ünal 'x'"]
    assert found["input.open"] == [True, None, True]
    assert found["input.mixed"] == ["1", "a", "1"]
    assert found["input.more"] == [None, "[1]", None]
    assert gather_segments(runtime.open_stores, folder) == 0


def test_what_was_cut_off_is_gathered_once(runtime, open_stores, model, folder, monkeypatch):
    write(folder, model.id, line("prd-1"))
    write_row = gathering_module._row_of

    def cut_off(*args):
        raise BackendDown("the database went away")

    monkeypatch.setattr(gathering_module, "_row_of", cut_off)
    assert gather_segments(runtime.open_stores, folder) == 0
    monkeypatch.setattr(gathering_module, "_row_of", write_row)
    copy = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert gather_segments(runtime.open_stores, folder) == 1
    for name, content in copy.items():  # as after a kill just before the segment went
        (folder / name).write_bytes(content)
    gather_segments(runtime.open_stores, folder)
    segments, tables = find(runtime, open_stores, model.id)
    assert [len(table) for table in tables] == [1]
    assert len(segments) == 1
    assert list(folder.iterdir()) == []


def test_what_belongs_to_no_model_any_more_goes(runtime, open_stores, model, folder):
    write(folder, "mdl-00000000", line("prd-1"))
    assert gather_segments(runtime.open_stores, folder) == 0
    assert list(folder.iterdir()) == []


def test_one_that_cannot_be_read_holds_no_other_up(runtime, open_stores, model, folder):
    (folder / "broken.closed").write_bytes(b"{not json}\n")
    write(folder, model.id, line("prd-1"))
    assert gather_segments(runtime.open_stores, folder) == 1
    assert [path.name for path in folder.iterdir()] == ["broken.unreadable"]


def test_a_deleted_model_takes_its_predictions_along(runtime, open_stores, model, folder):
    from studio.training.jobs import purge_deleted

    write(folder, model.id, line("prd-1"))
    gather_segments(runtime.open_stores, folder)
    with open_stores() as stores:
        models.delete_model(stores, model.id)
    purge_deleted(runtime.database, runtime.open_stores, folder)
    assert find(runtime, open_stores, model.id) == ([], [])
