from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from studio.datasets import service as datasets
from studio.errors import NoEvaluation, NotApplicable, UnknownClass, UnknownColumn
from studio.evaluation.metrics import compute_metrics
from studio.evaluation.stored import SplitEvaluation
from studio.performance import service as performance
from studio.training import service as training
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


@pytest.mark.parametrize(
    ("by", "slices"),
    [
        ("carrier", {("Nordvik", 2), (None, 1), ("Süd", 1)}),
        ("is_express", {("true", 3), ("false", 1)}),
        ("sent_at", {("[2026-01-01T00:00:00Z, inf)", 4)}),
    ],
)
def test_a_forecast_has_all_its_scores_in_each_slice(open_stores, clock, by, slices):
    true, pred = np.array([1.0, 2, 3, 5]), np.array([2.0, 2, 2, 2])
    split = SplitEvaluation(np.array([3, 1, 0, 2]), true, pred, naive_errors=np.full(4, 0.5))
    frame = pd.DataFrame(
        {
            "carrier": ["Nordvik", "Süd", None, "Nordvik"] * 2,
            "is_express": [True, False, True, True] * 2,
            "sent_at": pd.to_datetime(["2026-01-01"] * 8, utc=True),
        }
    )
    with open_stores() as stores:
        dataset = make_dataset(stores, frame)
        model = make_model(stores, dataset=dataset, config={"target_column": "carrier"})
        run = training.start_run(stores, model.id)
    with open_stores() as stores:
        made = evaluation(clock.now, {"test": split}, None, task="time_series", positive_label=None)
        whole = compute_metrics("time_series", split.y_true, split.y_pred, naive_error=0.5)
        add_evaluated(stores, model, replace(made, metrics={"test": whole}, feature_columns=tuple(frame)), run.run_id)
    with open_stores(write=False) as stores:
        found = performance.make_slices(stores, model.id, **ASKED, by=by, max_slices=20).result.slices
    assert {(part.value, part.count) for part in found} == slices
    assert sum(part.metrics["mase"] * part.count for part in found) == pytest.approx(whole["mase"] * 4)
