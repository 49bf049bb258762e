"""Short random ids come twice now and then: whoever draws a taken one draws again."""

import itertools
import tempfile
from types import SimpleNamespace

import pytest

from studio.auth import service as auth
from studio.datasets import service as datasets
from studio.domain import identifiers
from studio.training import service as training
from tests.factories import csv_of, make_dataset, make_model, parcels

pytestmark = pytest.mark.both_databases


@pytest.fixture
def draw(monkeypatch):
    """Has the next random texts of ids be given ones."""

    def draw(*texts):
        drawn = itertools.chain(texts, (f"{number:08x}" for number in itertools.count(1)))
        source = SimpleNamespace(token_hex=lambda size: next(drawn).rjust(2 * size, "0")[-2 * size :])
        monkeypatch.setattr(identifiers, "secrets", source)

    return draw


def make_table(stores, name):
    """Id of a new dataset."""
    with tempfile.TemporaryFile() as file:
        file.write(csv_of(parcels()))
        return datasets.upload_dataset(stores, file, name=name).id


def make_run(stores, name):
    """Id of a new run of a new model."""
    model = make_model(stores, name, dataset=make_dataset(stores, name=name))
    return training.start_run(stores, model.id).run_id


def make_key(stores, name):
    """Id of a new API key."""
    return auth.create_api_key(stores, name=name, permissions=("model:read",), expires_in_days=1).row.id


@pytest.mark.parametrize(
    "make",
    [
        make_table,
        lambda stores, name: make_model(stores, name).id,
        make_run,
        make_key,
    ],
    ids=["dataset", "model", "run", "key"],
)
def test_an_id_that_is_taken_is_drawn_again(open_stores, draw, make):
    with open_stores() as stores:
        taken = make(stores, "first")
    digits = taken.rpartition("-")[2]
    draw(digits, digits, digits)
    with open_stores() as stores:
        other = make(stores, "second")
    assert other != taken
