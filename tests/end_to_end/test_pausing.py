"""A search that is paused and resumed over real processes."""

import os
import signal

import pytest

from tests.end_to_end.test_lives import (  # noqa: F401  fixtures
    MODELS,
    api,
    dataset_id,
    service,
    start_run,
    token,
    wait_until,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_a_search_goes_on_where_it_was_paused(api, dataset_id):  # noqa: F811
    trials = 14
    model_id, run_id = start_run(api, dataset_id, "paused", max_trials=trials, time_budget_seconds=None)
    run_path, curves_path = f"{MODELS}/{model_id}/training-runs/{run_id}", f"{MODELS}/{model_id}/training-metrics"

    def done():
        return api.get(curves_path).json()["epochs_completed"]

    def run_in(*statuses):
        run = api.get(run_path).json()
        return run if run["status"] in statuses else None

    wait_until(lambda: done() >= 2, "two trials")
    assert api.post(f"{run_path}/pause").json()["pending_action"] == "pause"
    paused = wait_until(lambda: run_in("paused"), "the pause")
    kept = done()
    assert 2 <= kept < trials
    other, other_run = start_run(api, dataset_id, "meanwhile", max_trials=1, time_budget_seconds=None)
    ended = wait_until(
        lambda: api.get(f"{MODELS}/{other}/training-runs/{other_run}").json()["completed_at"], "the freed seat"
    )
    assert ended
    assert run_in("paused")["duration_seconds"] == paused["duration_seconds"]
    assert api.post(f"{run_path}/resume").json()["status"] == "queued"
    run = wait_until(lambda: run_in("completed", "failed", "cancelled"), "the end")
    assert run["status"] == "completed", run
    assert done() == trials
    log = api.get(f"{curves_path}/logs/download", params={"run_id": run_id, "format": "txt"})
    assert f"goes on after {kept} earlier trials" in log.text
    assert log.headers["Content-Disposition"] == f"attachment; filename={run_id}.txt"
    found = api.get(f"{curves_path}/hyperparameters").json()
    assert len(found["automl_candidates"]) >= trials
    shares = api.get(f"{curves_path}/feature-importance").json()["features"]
    assert sum(share["importance"] for share in shares) == pytest.approx(1)


def test_a_worker_killed_while_a_run_is_pausing_leaves_it_paused(service, api, dataset_id):  # noqa: F811
    trials = 8
    model_id, run_id = start_run(api, dataset_id, "killed", max_trials=trials, time_budget_seconds=None)
    path = f"{MODELS}/{model_id}"

    def run_in(*statuses):
        run = api.get(f"{path}/training-runs/{run_id}").json()
        return run if run["status"] in statuses else None

    def done():
        return api.get(f"{path}/training-metrics").json()["epochs_completed"]

    wait_until(lambda: done() >= 2, "two trials")
    worker = service.processes()["worker"]
    for process in worker.children(recursive=True):
        process.suspend()  # so that the run cannot pause by itself
    asked = api.post(f"{path}/training-runs/{run_id}/pause").json()
    assert (asked["status"], asked["pending_action"]) == ("running", "pause")
    os.kill(worker.pid, signal.SIGKILL)
    service.await_process("worker", other_than=worker.pid)

    paused = wait_until(lambda: run_in("paused"), "the pause")
    assert paused["pending_action"] is None
    kept = done()
    assert 2 <= kept < trials
    assert api.post(f"{path}/training-runs/{run_id}/resume").json()["status"] == "queued"
    run = wait_until(lambda: run_in("completed", "failed", "cancelled"), "the end")
    assert (run["status"], run["version_produced"]) == ("completed", "ver-001"), run
    assert done() == trials
