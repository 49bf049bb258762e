"""Members and the organization's configuration over HTTP."""

import pytest

MEMBERS = "/api/v1/organization/members"
CONFIG = "/api/v1/organization/config"


@pytest.mark.both_databases
def test_location_is_the_list_filtered_to_the_new_member(client, headers):
    body = {"user_id": "user 7&x=é", "email": "li@example.org"}
    answer = client.post(MEMBERS, json=body, headers=headers())
    assert answer.status_code == 201
    listed = client.get(answer.headers["Location"], headers=headers()).json
    assert [member["user_id"] for member in listed["results"]] == ["user 7&x=é"]
    again = client.post(MEMBERS, json={**body, "user_id": "user-8"}, headers=headers())
    assert (again.status_code, again.json["code"]) == (409, "already_member")


def test_a_stale_replacement_is_refused(client, headers):
    etag = client.get(CONFIG, headers=headers()).headers["ETag"]
    body = {"overrides": {"imbalance": "class_weight"}}
    assert client.put(CONFIG, json=body, headers={**headers(), "If-Match": etag}).status_code == 200
    stale = client.put(CONFIG, json={"overrides": {}}, headers={**headers(), "If-Match": etag})
    assert (stale.status_code, stale.json["code"]) == (412, "precondition_failed")
    assert client.get(CONFIG, headers=headers()).json["overrides"] == body["overrides"]


@pytest.mark.parametrize(
    "overrides",
    [
        {"target_column": "x"},
        {"feature_columns": ["x"]},
        {"hyperparameters": {}},
        {"validation": {"time_column": "x"}},
        {"validation": {"group_column": "x"}},
        {"entry_point": "x.py"},
        {"oracle": 1},
    ],
)
def test_what_is_a_single_models_is_refused(client, headers, overrides):
    answer = client.put(CONFIG, json={"overrides": overrides}, headers=headers())
    assert (answer.status_code, answer.json["code"]) == (422, "validation_failed")
