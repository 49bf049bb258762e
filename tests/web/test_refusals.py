"""Whoever is refused stands in the security log, wherever it knocked, and the token does not."""

import json
import logging

import pytest

from studio.backends.mlflow.guard import COOKIE
from tests.legacy.conftest import start_message
from tests.training_metrics.conftest import Listener, pace, server, sockets  # noqa: F401  fixtures

MODELS = "/api/v1/models"
EXPERIMENTS = "/mlflow/api/2.0/mlflow/experiments"
SOCKET = "/api/model-studio/ws/train-from-parquet"


@pytest.fixture
def told(caplog):
    """What the security log says since, each as (event, code, user, method, path)."""
    caplog.set_level(logging.WARNING, "studio.security")
    names = ("event", "code", "user_id", "method", "path")

    def told():
        lines = [record for record in caplog.records if record.name == "studio.security"]
        assert all(line.ip_address == "127.0.0.1" and line.request_id for line in lines)
        return [tuple(getattr(line, name) for name in names) for line in lines]

    return told


@pytest.fixture
def talk(server):  # noqa: F811
    """Opens a socket; the code it is closed with, or of the answer to something said."""

    def talk(path, headers, said=None):
        with Listener(f"ws://127.0.0.1:{server.port}{path}", headers, max_size=None) as listener:
            if said is None:
                return listener.rest()[1]
            listener.socket.send(said)
            return listener.take(1)[0]["code"]

    return talk


def test_a_refused_call(client, headers, told, caplog):
    reader = headers(user="user-2", permissions=["model:read"])
    client.post(f"{MODELS}/", headers=reader, json={})
    client.get(MODELS, headers={"Authorization": "Bearer secret-nonsense"})
    client.get(MODELS)
    assert told() == [
        ("permission_refused", "forbidden", "user-2", "POST", MODELS),
        ("sign_in_refused", "token_invalid", None, "GET", MODELS),
    ]
    assert "secret-nonsense" not in caplog.text


def test_a_refused_call_of_mlflow(client, headers, told, caplog):
    reader = headers(user="user-2", permissions=["model:read"])
    client.post(f"{EXPERIMENTS}/create", headers=reader, json={"name": "x"})
    client.get(f"{EXPERIMENTS}/search", headers=headers(user="user-3", permissions=["dataset:read"]))
    client.get(f"{EXPERIMENTS}/search", headers={"Authorization": "Bearer secret-nonsense"})
    client.get("/mlflow/?ticket=secret-ticket", headers={"Accept": "text/html"})
    client.get(f"{EXPERIMENTS}/search")
    assert told() == [
        ("permission_refused", "forbidden", "user-2", "POST", f"{EXPERIMENTS}/create"),
        ("permission_refused", "forbidden", "user-3", "GET", f"{EXPERIMENTS}/search"),
        ("sign_in_refused", "token_invalid", None, "GET", f"{EXPERIMENTS}/search"),
        ("sign_in_refused", "token_invalid", None, "GET", "/mlflow/"),
    ]
    assert "secret-" not in caplog.text


def test_a_forged_session_and_one_whose_token_was_revoked(client, headers, told):
    revoked = headers()
    client.delete("/api/v1/auth/token", headers=revoked)
    client.get(f"{EXPERIMENTS}/search", headers=revoked)
    client.set_cookie(COOKIE, "forged", path="/mlflow")
    client.get(f"{EXPERIMENTS}/search")
    assert [line[:3] for line in told()] == [
        ("sign_in_refused", "token_revoked", "user-1"),
        ("sign_in_refused", "token_invalid", None),
    ]


def test_a_refused_socket(headers, talk, told, caplog):
    reader = headers(user="user-2", permissions=["model:read"])
    assert talk(SOCKET, reader) == 4403
    assert talk(SOCKET, {"Authorization": "Bearer secret-nonsense"}) == 4401
    assert talk(f"{SOCKET}?ticket=secret-ticket", {}) == 4401
    assert talk(SOCKET, {}) == 4401
    assert told() == [
        ("permission_refused", "forbidden", "user-2", "GET", SOCKET),
        ("sign_in_refused", "token_invalid", None, "GET", SOCKET),
        ("sign_in_refused", "token_invalid", None, "GET", SOCKET),
    ]
    assert "secret-" not in caplog.text


def test_a_message_that_asks_for_more_than_its_sender_may(client, headers, talk, told):
    body = {"name": "Mine", "model_type": "auto", "task_type": "classification"}
    model = client.post(MODELS, headers=headers(), json=body).json
    invited = {"user_email": "user-2@example.org", "role": "editor"}
    uploader = headers(user="user-2", permissions=["dataset:write"], email=invited["user_email"])
    client.get(MODELS, headers=uploader)
    assert client.post(f"{MODELS}/{model['id']}/collaborators", headers=headers(), json=invited).status_code == 201
    before = told()
    assert talk(SOCKET, uploader, json.dumps(start_message(task_name="Another"))) == "forbidden"
    assert told()[len(before) :] == [("permission_refused", "forbidden", "user-2", "GET", SOCKET)]
