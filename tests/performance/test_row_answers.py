import numpy as np
import pytest

from studio.datasets import service as datasets
from studio.errors import NoEvaluation, NotApplicable, UnknownClass, UnknownColumn
from studio.evaluation.stored import SplitEvaluation
from studio.performance import service as performance
from tests.factories import make_dataset, make_model, parcels
from tests.performance.factories import add_evaluated, evaluation, late_split

ASKED = {"version_id": "ver-001", "dataset_split": "test"}


@pytest.fixture
def ask(open_stores, clock):
    """Asks about a version whose run is not known, as one of a deleted dataset."""
    split = late_split()
    proba = split.proba.copy()
    proba[3] = np.nan
    with open_stores() as stores:
        model = make_model(stores)
    with open_stores() as stores:
        spoilt = SplitEvaluation(split.row_index, split.y_true, split.y_pred, proba)
        add_evaluated(stores, model, evaluation(clock.now, {"test": spoilt}))

    def ask(verb, **choices):
        with open_stores(write=False) as stores:
            return getattr(performance, verb)(stores, model.id, **{**ASKED, **choices})

    return ask


def test_without_the_dataset_there_are_no_rows(ask):
    with pytest.raises(NoEvaluation, match="deleted"):
        ask("make_slices", by="distance_km", max_slices=20)
    with pytest.raises(NoEvaluation, match="deleted"):
        ask("list_errors", limit=5)


def test_what_the_version_does_not_know_is_refused(ask):
    with pytest.raises(UnknownColumn):
        ask("make_slices", by="late", max_slices=20)
    with pytest.raises(UnknownClass):
        ask("list_errors", limit=5, true_label="lost")


def test_probabilities_that_are_no_numbers_make_no_curve(ask):
    with pytest.raises(NotApplicable):
        ask("make_roc_curve", resolution=100, class_label=None)
    with pytest.raises(NotApplicable):
        ask("make_lift", bins=10, class_label=None)


def test_rows_come_in_the_order_asked_for(open_stores):
    frame = parcels(30)
    with open_stores() as stores:
        dataset = make_dataset(stores, frame)
        table = datasets.read_rows(stores, dataset.id, ["carrier", "distance_km"], np.array([29, 0, 7]))
    assert table.column_names == ["carrier", "distance_km"]
    assert table["carrier"].to_pylist() == frame["carrier"].iloc[[29, 0, 7]].tolist()
