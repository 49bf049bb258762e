"""What a deployment answered is written down, whatever ends its processes afterwards."""

import contextlib
import os
import signal

import psutil

from studio.backends.serving.prediction_log import finished_segments, read_segment
from studio.deployments import service as deployments
from studio.errors import BackendDown

ROW = {"distance_km": 812.5, "weight_kg": 3.2, "carrier": "Ansa", "is_fragile": False}


def read_log(folder):
    """Ids with what their line and the head of their segment say."""
    found = {}
    for path in finished_segments(folder):
        about, lines = read_segment(path)
        for line in lines:
            for place, prediction_id in enumerate(line["ids"]):
                assert prediction_id not in found
                found[prediction_id] = (about, line["rows"][place], line["predictions"][place], line)
    return found


def kill_writers():
    """End the hosts that hold an open segment."""
    for child in psutil.Process().children(recursive=True):
        if any(file.path.endswith(".open") for file in child.open_files()):
            os.kill(child.pid, signal.SIGKILL)


def ask(open_stores, model, rows):
    """The answer; None while a host that was killed too often is given a rest."""
    with open_stores(write=False) as stores, contextlib.suppress(BackendDown):
        return deployments.predict(stores, model.id, rows)


def test_it_outlives_hosts_that_are_killed(open_stores, tend, served_model, tmp_path):
    tending = tend(log_folder=tmp_path)
    with open_stores() as stores:
        made = deployments.create_deployment(stores, served_model.id)
    answered = {}
    for number in range(60):
        rows = [{**ROW, "weight_kg": float(number)}, ROW]
        answer = tending.until(lambda rows=rows: ask(open_stores, served_model, rows))
        answered |= dict(zip(answer.prediction_ids, zip(rows, answer.predictions, strict=True), strict=True))
        if number % 20 == 10:
            kill_writers()
    kill_writers()
    tending.until(lambda: answered.keys() <= read_log(tmp_path).keys())
    logged = read_log(tmp_path)
    for prediction_id, (row, prediction) in answered.items():
        about, logged_row, logged_prediction, line = logged[prediction_id]
        assert (logged_row, logged_prediction) == (row, prediction)
        assert about == {
            "organization": "acme",
            "model_id": served_model.id,
            "deployment_id": made.id,
            "version_id": "ver-001",
            "source": "deployment",
        }
        assert line["ms"] > 0
