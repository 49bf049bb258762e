"""A busy queue in the real service: whose turn it is, when that will be, and runs that are tried again."""

from datetime import datetime

import pytest

from tests.end_to_end.test_lives import MODELS, TERMINAL, api, service, start_run, token, wait_until  # noqa: F401
from tests.factories import csv_of, parcels

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# So many trials, or what is over first: models of runs that take long and of some that do not.
TRIALS = {"first": 9, "low": 1, "normal": 4, "high": 7}


@pytest.fixture(scope="module")
def dataset_id(api):  # noqa: F811
    files = {"file": ("parcels.csv", csv_of(parcels(400)))}
    return api.post(f"{MODELS}/datasets", files=files).json()["id"]


@pytest.fixture(scope="module")
def ended(api):  # noqa: F811
    """Waits for the end of a run."""

    def wait(model_id, run_id):
        path = f"{MODELS}/{model_id}/training-runs/{run_id}"
        return wait_until(lambda: (run := api.get(path).json())["status"] in TERMINAL and run, f"the end of {run_id}")

    return wait


def seconds_between(start, end):
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def test_runs_start_by_priority_and_when_it_was_foretold(api, dataset_id, ended):  # noqa: F811
    begun = {name: start_run(api, dataset_id, name, max_trials=count) for name, count in TRIALS.items()}
    for model_id, run_id in begun.values():
        assert ended(model_id, run_id)["status"] == "completed"
    models = {name: model_id for name, (model_id, _) in begun.items()}

    def queue(name, priority):
        return api.post(f"{MODELS}/{models[name]}/train", json={"priority": priority}).json()["run_id"]

    runs = {"first": queue("first", "low")}
    path = f"{MODELS}/{models['first']}/training-runs/{runs['first']}"
    wait_until(lambda: api.get(path).json()["status"] == "running", "the first run, whatever its priority")
    runs |= {name: queue(name, name) for name in ("low", "normal", "high")}
    waiting = [
        api.get(f"{MODELS}/{models[name]}/training-runs/{runs[name]}").json() for name in ("high", "normal", "low")
    ]
    assert [run["queue_position"] for run in waiting] == [1, 2, 3]
    asked_at = waiting[0]["created_at"]

    done = {name: ended(models[name], run_id) for name, run_id in runs.items()}

    assert sorted(done, key=lambda name: done[name]["started_at"]) == ["first", "high", "normal", "low"]
    for run in waiting:
        foretold = seconds_between(asked_at, run["estimated_start_time"])
        took = seconds_between(asked_at, done[run["priority"]]["started_at"])
        assert took / 2 <= foretold <= took * 2, (run["priority"], foretold, took)
    assert {run["estimated_start_time"] for run in done.values()} == {None}


def test_a_run_that_ran_out_of_time_is_tried_again_and_completes(api, dataset_id, ended):  # noqa: F811
    model_id, _ = start_run(api, dataset_id, "again", max_trials=2)
    wait_until(lambda: api.get(f"{MODELS}/{model_id}").json()["status"] == "ready", "a version")
    endless = {"search": {"max_trials": 10_000, "time_budget_seconds": None}, "keep_best_on_timeout": False}
    wanted = {"timeout_seconds": 15, "run_label": "hasty", "priority": "high"}
    train = api.post(f"{MODELS}/{model_id}/train", json={**wanted, "config_override": endless}).json()
    run = ended(model_id, train["run_id"])
    assert (run["status"], run["cancel_reason"], run["version_produced"]) == ("cancelled", "timeout", None)
    assert 15 <= run["duration_seconds"] < 25
    assert api.get(f"{MODELS}/{model_id}/versions").json()["total"] == 1

    again = api.post(f"{MODELS}/{model_id}/training-runs/{run['run_id']}/retry").json()

    assert (again["retry_of"], again["trigger"]) == (run["run_id"], "retry")
    assert (again["run_label"], again["priority"], again["timeout_seconds"]) == ("hasty", "high", 15)
    assert ended(model_id, again["run_id"])["cancel_reason"] == "timeout"  # it repeats what was asked, exactly
    actions = [entry["action"] for entry in api.get(f"{MODELS}/{model_id}/audit-logs").json()["results"]]
    assert actions[:4] == [
        "model.training_cancelled", "model.training_started", "model.training_cancelled", "model.training_started",
    ]  # fmt: skip


def test_a_cancelled_run_is_tried_again_with_the_present_configuration(api, dataset_id, ended):  # noqa: F811
    model_id, run_id = start_run(api, dataset_id, "changed", time_budget_seconds=600)
    assert api.post(f"{MODELS}/{model_id}/training-runs/{run_id}/cancel").status_code == 202
    assert ended(model_id, run_id)["status"] == "cancelled"
    config = {"target_column": "late", "algorithm": "logistic_regression", "search": {"max_trials": 1}}
    assert api.put(f"{MODELS}/{model_id}/config", json=config).status_code == 200

    again = api.post(f"{MODELS}/{model_id}/training-runs/{run_id}/retry").json()

    run = ended(model_id, again["run_id"])
    assert (run["status"], run["version_produced"]) == ("completed", "ver-001")
    made = api.get(f"{MODELS}/{model_id}/versions/ver-001").json()
    assert made["algorithm"] == "logistic_regression"
    assert api.post(f"{MODELS}/{model_id}/training-runs/{run['run_id']}/retry").status_code == 409
