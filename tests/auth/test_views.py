"""Signing in over HTTP: what the views and the edge add to the service."""

import logging

import pytest

TOKENS, KEYS, MODELS = "/api/v1/auth/token", "/api/v1/auth/api-keys", "/api/v1/models"


@pytest.fixture
def key(client, headers):
    made = client.post(KEYS, json={"name": "nightly", "permissions": ["model:read"]}, headers=headers())
    assert made.headers["Cache-Control"] == "no-store"
    return made.json


def sign_in(client, **credentials):
    return client.post(TOKENS, json={"grant_type": next(iter(credentials)), **credentials})


def bearer(answer):
    return {"Authorization": f"Bearer {answer.json['access_token']}"}


def test_a_key_opens_what_its_permissions_say_and_no_more(client, key):
    granted = sign_in(client, api_key=key["api_key"])
    assert (granted.status_code, granted.headers["Cache-Control"]) == (200, "no-store")
    assert (granted.json["expires_in"], granted.json["refresh_expires_in"]) == (900, 86400)
    assert client.get(MODELS, headers=bearer(granted)).status_code == 200
    body = {"name": "one", "model_type": "auto", "task_type": "classification"}
    assert client.post(MODELS, json=body, headers=bearer(granted)).json["code"] == "forbidden"
    members = client.get("/api/v1/organization/members?search=svc-", headers=bearer(granted)).json["results"]
    assert [(member["user_id"], member["type"]) for member in members] == [(key["service_account"], "service")]


def test_a_deleted_key_closes_at_once_what_it_opened(client, headers, key):
    granted = sign_in(client, api_key=key["api_key"])
    assert client.get(MODELS, headers=bearer(granted)).status_code == 200
    assert client.delete(f"{KEYS}/{key['key_id']}", headers=headers()).status_code == 204
    assert client.get(MODELS, headers=bearer(granted)).json["code"] == "token_revoked"
    assert sign_in(client, api_key=key["api_key"]).json["code"] == "invalid_api_key"
    assert sign_in(client, refresh_token=granted.json["refresh_token"]).json["code"] == "invalid_refresh_token"


def test_a_refresh_token_that_comes_twice_closes_everything(client, key):
    first = sign_in(client, api_key=key["api_key"])
    second = sign_in(client, refresh_token=first.json["refresh_token"])
    assert client.get(MODELS, headers=bearer(second)).status_code == 200
    again = sign_in(client, refresh_token=first.json["refresh_token"])
    assert (again.status_code, again.json["code"]) == (401, "invalid_refresh_token")
    for answer in (first, second):
        assert client.get(MODELS, headers=bearer(answer)).json["code"] == "token_revoked"


def test_a_lost_answer_to_a_refresh_can_be_had_again(client, key):
    first = sign_in(client, api_key=key["api_key"])
    body = {"grant_type": "refresh_token", "refresh_token": first.json["refresh_token"]}
    answers = [client.post(TOKENS, json=body, headers={"Idempotency-Key": "once"}) for _ in range(2)]
    assert answers[0].json == answers[1].json
    assert answers[1].headers["Idempotency-Replayed"] == "true"
    assert client.get(MODELS, headers=bearer(answers[1])).status_code == 200


def test_a_revoked_token_takes_its_refresh_token_along(client, key):
    granted = sign_in(client, api_key=key["api_key"])
    assert client.delete(TOKENS, headers=bearer(granted)).status_code == 204
    assert sign_in(client, refresh_token=granted.json["refresh_token"]).status_code == 401


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/grant_type"),
        ({"grant_type": "password"}, "/grant_type"),
        ({"grant_type": "api_key"}, "/api_key"),
        ({"grant_type": "api_key", "refresh_token": "msr_x"}, "/api_key"),
        ({"grant_type": "api_key", "api_key": "msk_x", "refresh_token": "msr_x"}, "/refresh_token"),
        ({"grant_type": "api_key", "api_key": 7}, "/api_key"),
        ({"grant_type": "api_key", "api_key": ""}, "/api_key"),
    ],
)
def test_a_malformed_sign_in_says_what_is_wrong(client, body, pointer):
    answer = client.post(TOKENS, json=body)
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, pointer)


def test_an_address_may_try_twenty_times_a_minute(client):
    codes = [sign_in(client, api_key="msk_decade01_wrong").status_code for _ in range(21)]
    assert codes == [401] * 20 + [429]


def test_refusals_go_to_the_security_log_without_the_secret(client, headers, key, caplog):
    with caplog.at_level(logging.WARNING, "studio.security"):
        sign_in(client, api_key=f"{key['api_key']}x")
        client.get(MODELS, headers={"Authorization": "Bearer nonsense"})
        client.get(KEYS, headers=headers(user="user-2", permissions=["model:read"]))
        client.get(MODELS)  # nobody claims to be anybody
    found = [
        (record.event, record.code, record.user_id) for record in caplog.records if record.name == "studio.security"
    ]
    assert found == [
        ("sign_in_refused", "invalid_api_key", None),
        ("sign_in_refused", "token_invalid", None),
        ("permission_refused", "forbidden", "user-2"),
    ]
    assert key["api_key"] not in caplog.text


@pytest.mark.parametrize(("days", "status"), [(0, 422), (1, 201), (365, 201), (366, 422), (True, 422), (1.5, 422)])
def test_a_key_lives_a_day_to_a_year(client, headers, days, status):
    body = {"name": "k", "permissions": ["model:read"], "expires_in_days": days}
    assert client.post(KEYS, json=body, headers=headers()).status_code == status


@pytest.mark.parametrize(("name", "status"), [("", 422), ("x", 201), ("é" * 120, 201), ("x" * 121, 422), ('"🚚"', 201)])
def test_a_key_has_a_name(client, headers, name, status):
    body = {"name": name, "permissions": ["model:read"]}
    assert client.post(KEYS, json=body, headers=headers()).status_code == status


@pytest.mark.parametrize("permissions", [[], ["everything"], [1], "model:read", None])
def test_a_key_has_known_permissions(client, headers, permissions):
    body = {"name": "k", "permissions": permissions}
    assert client.post(KEYS, json=body, headers=headers()).status_code == 422
