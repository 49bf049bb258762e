"""Collaborators over HTTP."""

import pytest

from tests.factories import make_model


@pytest.fixture
def path(open_stores, client, headers):
    for user in ("user-1", "user-2", "auth0|user 3/x"):
        client.get("/api/v1/models", headers=headers(user=user, permissions=["model:read"]))
    with open_stores() as stores:
        return f"/api/v1/models/{make_model(stores).id}"


def test_the_location_of_any_user_id_can_be_called(client, headers, path):
    body = {"user_email": "auth0|user 3/x@example.org", "role": "viewer"}
    added = client.post(f"{path}/collaborators", headers=headers(), json=body)
    assert added.status_code == 201, added.json
    assert client.delete(added.headers["Location"], headers=headers()).status_code == 204
    assert client.delete(added.headers["Location"], headers=headers()).json["code"] == "collaborator_not_found"


def test_a_change_of_collaborators_is_one_of_the_model(client, headers, path):
    etag = client.get(path, headers=headers()).headers["ETag"]
    added = client.post(
        f"{path}/collaborators", headers=headers(), json={"user_email": "user-2@example.org", "role": "viewer"}
    )
    late = client.delete(added.headers["Location"], headers={**headers(), "If-Match": etag})
    assert (late.status_code, late.json["code"]) == (412, "precondition_failed")
    fresh = client.get(path, headers=headers()).headers["ETag"]
    assert client.delete(added.headers["Location"], headers={**headers(), "If-Match": fresh}).status_code == 204


def test_an_editor_invites_where_the_settings_say_so(client, headers, path):
    def invite(role, **caller):
        body = {"user_email": "auth0|user 3/x@example.org", "role": role}
        return client.post(f"{path}/collaborators", headers=headers(user="user-2", permissions=[], **caller), json=body)

    editor = {"user_email": "user-2@example.org", "role": "editor"}
    client.post(f"{path}/collaborators", headers=headers(), json=editor)
    assert invite("viewer").status_code == 403
    client.patch(f"{path}/settings", headers=headers(), json={"access": {"allow_collaborator_invites": True}})
    assert invite("viewer", api_key="key-decade01").status_code == 403
    assert invite("admin").status_code == 403
    assert invite("viewer").status_code == 201
