"""A run tells what is wrong with its data: in its log and stream, and on its MLflow run."""

import json
from functools import partial

import numpy as np
import pandas as pd
import pytest

from studio.datasets import service as datasets
from studio.domain.actors import system_actor
from studio.training import service
from studio.training.jobs import data_warnings
from studio.training.jobs.data_warnings import warn_of_data
from studio.training.jobs.training import train_run
from studio.training.service.queue import claim_run
from studio.training.service.runs import find_row
from tests.factories import make_dataset, make_model


def troubled(n=400):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n).round(3),
            "customer_id": rng.permutation(n) * 7,
            "same": "s",
            "gaps": np.where(np.arange(n) % 4 == 0, 1.0, np.nan),
            "unused": "u",
        }
    )
    frame["y"] = np.where(frame["x"] > 1.7, "yes", "no")
    frame["after"] = np.where(frame["y"] == "yes", "paid", None)
    return pd.concat([frame, frame.head(30)], ignore_index=True)


@pytest.fixture
def started(open_stores, runtime, clock):
    """A run that a worker has claimed."""
    features = ["x", "customer_id", "same", "gaps", "after"]
    plan = {"target_column": "y", "feature_columns": features, "algorithm": "logistic_regression"}
    plan["search"] = {"max_trials": 1, "time_budget_seconds": None}
    frame = troubled()
    frame["customer_id"] = np.arange(len(frame)) * 7
    with open_stores() as stores:
        model = make_model(stores, dataset=make_dataset(stores, frame), config=plan)
        run = service.start_run(stores, model.id)
    with runtime.database.transaction(write=True) as db:
        claim_run(db, "worker", now=clock())
    return run


def test_a_run_tells_of_its_data(started, open_stores, runtime, config, tmp_path):
    open_run = partial(runtime.open_stores, system_actor("acme"))
    train_run(open_run, config.without_secrets(), started.run_id, tmp_path / "work")
    with open_stores(write=False) as stores:
        events = service.read_events(stores.db, started.run_id, after=0)
        logs = [event.payload for event in events if "level" in event.payload]
        mlflow_run_id = find_row(stores, started.run_id).mlflow_run_id
        artifact = json.loads(stores.runs.read_artifact(mlflow_run_id, "data_warnings.json"))
        tags = stores.runs.get_run(mlflow_run_id).tags
    told = {line["message"] for line in logs if line["level"] == "warning" and "[Validation]" in line["message"]}
    assert any("leaking: 'after': alone it nearly determines 'y'" in line for line in told)
    found = {(warning["code"], warning["column"]) for warning in artifact["warnings"]}
    assert found >= {
        ("leaking", "after"), ("id_like", "customer_id"), ("constant", "same"), ("mostly_missing", "gaps"),
        ("imbalanced_target", "y"),
    }  # fmt: skip
    assert not any(column == "unused" for _, column in found)
    assert artifact["rows"] == 430
    assert set(tags["data_warnings"].split(", ")) == {code for code, _ in found}
    phases = [event.payload for event in events if event.payload.get("phase") == "data_validation"]
    assert phases[-1]["message"] == f"430 rows, 7 columns, {len(found)} warnings"


@pytest.fixture
def warn(open_stores, tmp_path):
    """Warns of a frame; gives the lines and the artifact."""

    def run(frame, **choices):
        logged = []
        with open_stores() as stores:
            dataset = make_dataset(stores, frame)
            model = make_model(stores, dataset=dataset, config={"target_column": "y"})
        with open_stores() as stores:
            run_id = stores.runs.create_run(
                model.name, run_id="run-1", run_name="one", started_at=stores.now(), tags={}
            )
            datasets.fetch_table(stores, dataset.id, tmp_path / "table.parquet")
            given = {"features": (), "target": "y", "budget_s": None, **choices}
            warn_of_data(
                stores, dataset.id, tmp_path / "table.parquet", mlflow_run_id=run_id,
                log=lambda *line: logged.append(line), **given,
            )  # fmt: skip
            return logged, json.loads(stores.runs.read_artifact(run_id, "data_warnings.json"))

    return run


def test_a_table_too_large_for_the_budget_is_judged_by_some_rows(warn, monkeypatch):
    monkeypatch.setattr(data_warnings, "LEAST_CELLS", 1)
    frame = pd.concat([troubled()] * 10, ignore_index=True)
    _, artifact = warn(frame, budget_s=1e-3)
    assert artifact["rows"] == 2000
    assert ("leaking", "after") in {(warning["code"], warning["column"]) for warning in artifact["warnings"]}


def test_a_table_of_many_faults_has_a_short_log(warn):
    frame = pd.DataFrame({f"c{i}": "same" for i in range(100)} | {"y": np.arange(60) % 2}, index=range(60))
    logged, artifact = warn(frame)
    assert len(artifact["warnings"]) == 101
    assert len(logged) == data_warnings.MOST_LINES + 1
    assert logged[-1] == ("warning", "[Validation] 61 more are in data_warnings.json")


def test_nothing_is_said_of_a_sound_table(warn):
    rng = np.random.default_rng(0)
    logged, artifact = warn(pd.DataFrame({"x": rng.normal(size=200), "y": rng.integers(0, 2, 200)}))
    assert (logged, artifact) == ([], {"rows": 200, "warnings": []})
