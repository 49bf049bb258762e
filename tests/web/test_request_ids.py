"""The id of a call: whoever answers, and whoever writes a line for it."""

import io
import json
import logging
import sys

import pytest

from studio.json_logs import log_as_json
from tests.mlflow_store import point_mlflow_server_at

MODELS = "/api/v1/models"
SEARCH = "/mlflow/api/2.0/mlflow/experiments/search?max_results=1"


@pytest.fixture
def lines(monkeypatch):
    """The lines of the log since, as the service writes them."""
    root = logging.getLogger()
    handlers, level, written = root.handlers[:], root.level, io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    root.handlers.clear()
    log_as_json("info")
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)


def test_every_line_of_a_call_names_it(client, headers, app, monkeypatch, lines):
    def fail(*args):
        logging.getLogger("studio.somewhere").info("on the way")
        raise KeyError("a fault of ours")

    monkeypatch.setitem(app.view_functions, "models.model_list", fail)
    answer = client.get(MODELS, headers={**headers(), "X-Request-ID": "call-1"})
    assert (answer.status_code, answer.json["request_id"]) == (500, "call-1")
    logging.getLogger("studio.somewhere").info("afterwards")
    named = [(line["message"], line.get("request_id")) for line in lines()]
    assert named == [
        ("on the way", "call-1"),
        ("unexpected failure", "call-1"),
        ("request", "call-1"),
        ("afterwards", None),
    ]


def test_mlflows_answers_carry_it(client, headers, runtime):
    point_mlflow_server_at(runtime.connection)
    for caller, status in ((headers(), 200), ({}, 401)):
        answer = client.get(SEARCH, headers={**caller, "X-Request-ID": "call-2"})
        assert (answer.status_code, answer.headers.get_all("X-Request-ID")) == (status, ["call-2"])
