"""Tables that are hard to learn from, upload to prediction: an answer in words, never an exception or a NaN."""

import io
import json
import math
from functools import partial

import numpy as np
import pandas as pd
import pytest

from studio.backends.mlflow.loading import load_version
from studio.domain.actors import system_actor
from studio.domain.runs import RunStatus
from studio.errors import InvalidInput
from studio.predictions.service.input_schema import GivenRows, InputSchema
from studio.training import service
from studio.training.jobs.training import train_run
from studio.training.service.queue import claim_run
from studio.versions import service as versions
from tests.factories import make_dataset, make_model

ODD = "a \"q\" 's' 😀\nnew,line;/~\\"
N = 80
COUNT = np.arange(N)


def table(**columns):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"a": rng.normal(size=N), "b": rng.choice(list("pqr"), N), "y": np.array(["no", "yes"])[COUNT % 2]}
    )
    return frame.assign(**columns)


def csv_of(frame):
    return frame.to_csv(index=False).encode()


def parquet_of(frame):
    out = io.BytesIO()
    frame.to_parquet(out)
    return out.getvalue()


@pytest.fixture
def start(open_stores, runtime, clock):
    """Starts a run of a table; gives its model, the run and the columns."""

    def run(content, task, target="y", **search):
        plan = {"target_column": target, "algorithm": "auto"}
        plan["search"] = {"max_trials": 2, "time_budget_seconds": None, **search}
        with open_stores() as stores:
            dataset = make_dataset(stores, content=content)
            model = make_model(stores, dataset=dataset, task_type=task, config=plan)
            started = service.start_run(stores, model.id)
        with runtime.database.transaction(write=True) as db:
            claim_run(db, "worker", now=clock())
        return model, started, [column.name for column in dataset.columns if column.name != target]

    return run


@pytest.fixture
def train(start, open_stores, runtime, config, tmp_path):
    """Trains on a table and predicts a row of gaps and an unseen one; gives the lines of the log and the metrics."""

    def run(content, task, target="y", **search):
        model, started, features = start(content, task, target, **search)
        train_run(
            partial(runtime.open_stores, system_actor("acme")), config.without_secrets(), started.run_id, tmp_path
        )
        with open_stores(write=False) as stores:
            assert service.find_run(stores, started.run_id).status is RunStatus.COMPLETED
            events = [event.payload for event in service.read_events(stores.db, started.run_id, after=0)]
            record = versions.get_version(stores, model.id, "ver-001")
            columns = stores.registry.read_schema(model.name, 1).inputs
            loaded = load_version(stores.registry.storage_address(model.name, 1))
        json.dumps(events, allow_nan=False)
        metrics = record.version.metrics
        assert all(value is None or math.isfinite(value) for value in metrics.values())
        kinds = {column.name: column.type for column in columns}
        unseen = {"string": "never seen", "boolean": True, "datetime": "2031-01-01", "long": -(2**40)}
        rows = [dict.fromkeys(features), {name: unseen.get(kinds[name], 1e300) for name in features}]
        rows = InputSchema(columns).check(GivenRows(rows, lambda row, name: f"/{row}/{name}"))
        predicted = loaded.predict(loaded.input_frame(rows))
        assert not pd.isna(np.asarray(predicted, dtype=object)).any()
        return [event["message"] for event in events if "level" in event], metrics, predicted

    return run


@pytest.mark.parametrize(
    ("task", "frame", "said"),
    [
        ("classification", table(y="only"), "'only' in every row"),
        ("regression", table(y=3.5), "3.5 in every row"),
        ("classification", table(y=None), "no value in any row"),
        ("classification", table(y=[f"name {i}" for i in range(N)]), "too many to be classes"),
        ("regression", table(), "no number in any row"),
        ("classification", table()[:4], "4 rows have a target"),
        ("regression", table(y=["inf", *["2"] * (N - 1)]), "2 in every row"),
    ],
)
def test_what_cannot_be_learned_is_refused_in_words(start, task, frame, said):
    with pytest.raises(InvalidInput) as refused:
        start(csv_of(frame), task)
    assert said in str(refused.value)


@pytest.mark.slow
def test_two_rows_per_class(train):
    _, metrics, predicted = train(csv_of(table(y=[f"c{i // 2}" for i in COUNT])), "classification")
    assert metrics["accuracy"] is not None
    assert set(predicted) <= {f"c{i}" for i in range(N)}


def test_a_target_with_gaps(train):
    lines, _, _ = train(csv_of(table(y=np.where(COUNT % 4 == 0, None, table()["y"]))), "classification")
    assert [line for line in lines if "20 rows" in line] == ["[Validation] 20 rows without a target were left out"]


@pytest.mark.parametrize(("write", "kept"), [(csv_of, ["001", "002", "010"]), (parquet_of, ["1", "2", "10"])])
def test_classes_of_digits_stay_text(train, write, kept):
    _, _, predicted = train(write(table(y=np.array(kept)[COUNT % 3])), "classification")
    assert set(predicted) <= set(kept)


@pytest.mark.parametrize("write", [csv_of, parquet_of])
def test_infinities_are_gaps(train, write):
    frame = table(
        a=np.where(COUNT % 7 == 0, np.inf, COUNT), c=np.where(COUNT % 5 == 0, -np.inf, 1.5),
        y=np.where(COUNT % 8 == 0, np.inf, COUNT * 2.0),
    )  # fmt: skip
    lines, metrics, _ = train(write(frame), "regression")
    assert "[Validation] 10 rows without a target were left out" in lines
    assert metrics["rmse"] < 200


def test_numbers_at_the_end_of_the_range(train):
    values = np.array([1e308, -1e308, 5e-324, 1.0])
    lines, _, _ = train(parquet_of(table(a=values[COUNT % 4], y=values[COUNT * 7 % 4])), "regression")
    assert any("targets beyond 1e+30 are taken to be 1e+30" in line for line in lines)


def test_names_with_quotes_emoji_and_line_breaks(train):
    frame = table().rename(columns={"a": ODD, "y": "=y 'x' 🎯"})
    train(csv_of(frame), "classification", "=y 'x' 🎯")


@pytest.mark.slow
def test_columns_without_a_value_are_named(train):
    lines, _, _ = train(csv_of(table(empty=None)), "classification")
    assert "[Validation] constant: 'empty': no value" in lines


@pytest.mark.slow
def test_more_classes_than_the_budget_can_learn(train):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=600), "y": [f"c{i // 2}" for i in range(600)]})
    _, metrics, predicted = train(csv_of(frame), "classification", max_trials=None, time_budget_seconds=10)
    assert metrics["log_loss"] > 0
    assert len(predicted) == 2
