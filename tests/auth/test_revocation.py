"""What is revoked is refused by every API process, and a key's ceiling holds whatever roles its account has."""

import pytest

from studio.app import create_app
from studio.runtime import Runtime

TOKEN = "/api/v1/auth/token"
KEYS = "/api/v1/auth/api-keys"
MODELS = "/api/v1/models"
BODY = {"name": "Late delivery risk", "model_type": "auto", "task_type": "classification"}


@pytest.fixture
def make_key(client, headers):
    def make(permissions=("model:read",), **facts):
        body = {"name": "nightly 🚚 'x'", "permissions": list(permissions), **facts}
        response = client.post(KEYS, json=body, headers=headers())
        assert response.status_code == 201, response.json
        return response.json

    return make


@pytest.fixture
def other_process(config, clock):
    """A client of another API process on the same database."""
    runtime = Runtime(config, clock=clock)
    yield create_app(config, runtime).test_client()
    runtime.database.close()


def sign_in(client, key):
    return client.post(TOKEN, json={"grant_type": "api_key", "api_key": key["api_key"]})


def refresh(client, tokens):
    return client.post(TOKEN, json={"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]})


def status_of(client, tokens):
    return client.get(MODELS, headers=bearer(tokens)).status_code


def bearer(tokens):
    return {"Authorization": f"Bearer {tokens['access_token']}"}


@pytest.mark.both_databases
def test_a_deleted_key_is_refused_at_once_by_every_process(client, other_process, headers, make_key):
    key = make_key()
    first = sign_in(client, key).json
    second = refresh(client, first).json
    callers = [(place, tokens) for place in (client, other_process) for tokens in (first, second)]
    assert [status_of(*caller) for caller in callers] == [200] * 4  # both processes now remember them
    assert client.delete(f"{KEYS}/{key['key_id']}", headers=headers()).status_code == 204
    assert [status_of(*caller) for caller in callers] == [401] * 4
    assert refresh(other_process, second).json["code"] == "invalid_refresh_token"
    assert sign_in(other_process, key).json["code"] == "invalid_api_key"


@pytest.mark.both_databases
def test_revoking_one_token_keeps_the_others_tied_to_the_key(client, headers, make_key):
    key = make_key()
    first = sign_in(client, key).json
    second = refresh(client, first).json
    assert client.delete(TOKEN, headers=bearer(second)).status_code == 204
    assert (status_of(client, second), status_of(client, first)) == (401, 200)
    assert refresh(client, second).status_code == 401
    assert client.delete(f"{KEYS}/{key['key_id']}", headers=headers()).status_code == 204
    assert status_of(client, first) == 401


def test_a_role_widens_what_a_key_reaches_never_what_it_may_do(client, make_key):
    writer = make_key(["model:read", "model:write"])
    writing = bearer(sign_in(client, writer).json)
    reader = make_key(["model:read"], service_account=writer["service_account"])
    reading = bearer(sign_in(client, reader).json)
    path = client.post(MODELS, json=BODY, headers=writing).headers["Location"]  # the account is its owner
    assert client.get(path, headers=reading).status_code == 200
    for method, more in (("PATCH", {"json": {"description": "x"}}), ("DELETE", {})):
        answer = client.open(path, method=method, headers=reading, **more)
        assert (answer.status_code, answer.json["code"]) == (403, "forbidden")
    assert client.post(KEYS, json={"name": "x", "permissions": ["model:read"]}, headers=writing).status_code == 403
    assert client.patch(path, json={"description": "x"}, headers=writing).status_code == 200
    assert client.delete(path, headers=writing).status_code == 204
