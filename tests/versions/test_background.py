"""Training rows that are kept for explanations."""

import orjson

from studio.versions import service as versions
from tests.factories import make_model
from tests.versions.factories import add_model_version, add_version, regressor


def test_rows_that_training_kept_are_read_back_and_go_with_the_version(open_stores):
    with open_stores() as stores:
        model = make_model(stores)
    with open_stores() as stores:
        add_version(stores, model, background=b'[{"x": 1}]')
        assert versions.read_background(stores, model.id, model.name, 1) == b'[{"x": 1}]'
    with open_stores() as stores:
        versions.delete_version(stores, model.id, "ver-001")
    with open_stores() as stores:
        assert stores.files.list_keys(f"{model.id}/v1") == []


def test_without_kept_rows_the_input_example_serves(open_stores):
    with open_stores() as stores:
        model = make_model(stores)
    with open_stores() as stores:
        add_model_version(stores, model, regressor())
        rows = orjson.loads(versions.read_background(stores, model.id, model.name, 1))
    assert len(rows) == 5
    assert set(rows[0]) == {"distance_km", "weight_kg", "carrier", "is_fragile"}


def test_a_version_without_files_has_no_rows(open_stores):
    with open_stores() as stores:
        model = make_model(stores)
    with open_stores() as stores:
        add_version(stores, model)
        assert versions.read_background(stores, model.id, model.name, 1) == b"[]"
