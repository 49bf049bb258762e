import pytest

from tests.factories import make_model
from tests.versions.factories import add_version


@pytest.fixture
def path(open_stores):
    """Address of the registry entry of a model with one version, not promoted."""
    with open_stores() as stores:
        model = make_model(stores, name="Late 📦")
    with open_stores() as stores:
        add_version(stores, model, source="mlflow-artifacts:/workspaces/acme/1/x")
    return f"/api/v1/models/{model.id}/registry"


@pytest.fixture
def promoted(client, headers, path):
    assert client.post(path.replace("registry", "versions/ver-001/promote"), headers=headers()).status_code == 200
    return path


def test_the_entry_is_answered_in_our_form(client, headers, promoted, clock):
    got = client.get(promoted, headers=headers())
    assert got.status_code == 200
    promoted_at = clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert got.json == {
        "model_id": promoted.split("/")[4],
        "model_name": "Late 📦",
        "promoted_version": {
            "version_id": "ver-001",
            "version_number": 1,
            "algorithm": "lightgbm",
            "artifact_uri": "mlflow-artifacts:/workspaces/acme/1/x",
            "promoted_at": promoted_at,
        },
        "signature": {"inputs": [], "outputs": []},
    }
    again = client.get(promoted, headers={**headers(), "If-None-Match": got.headers["ETag"]})
    assert again.status_code == 304


def test_all_versions_are_added_where_asked_for(client, headers, promoted):
    (version,) = client.get(f"{promoted}?include_all_versions=true", headers=headers()).json["versions"]
    assert version.pop("trained_at").endswith("Z")
    assert version == {
        "version_id": "ver-001",
        "version_number": 1,
        "status": "ready",
        "algorithm": "lightgbm",
        "artifact_uri": "mlflow-artifacts:/workspaces/acme/1/x",
        "is_promoted": True,
    }


def test_the_entry_is_answered_in_mlflows_form(client, headers, promoted):
    got = client.get(f"{promoted}?format=mlflow", headers=headers()).json
    assert (got["name"], got["description"]) == ("Late 📦", "")
    assert got["aliases"] == [{"alias": "production", "version": "1"}]
    assert got["tags"] == [{"key": "model_id", "value": promoted.split("/")[4]}]
    (latest,) = got["latest_versions"]
    assert (latest["name"], latest["version"], latest["status"], latest["aliases"]) == (
        "Late 📦",
        "1",
        "READY",
        ["production"],
    )
    assert "versions" not in got
    everything = client.get(f"{promoted}?format=mlflow&include_all_versions=true", headers=headers()).json
    assert [version["version"] for version in everything["versions"]] == ["1"]


@pytest.mark.parametrize("query", ["", "?format=mlflow"])
def test_nothing_promoted_is_absent(client, headers, path, query):
    answer = client.get(path + query, headers=headers())
    assert (answer.status_code, answer.json["code"]) == (404, "nothing_promoted")


def test_a_wrong_format_is_refused(client, headers, promoted):
    answer = client.get(f"{promoted}?format=xml", headers=headers())
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "format")


def test_who_may_read(client, headers, promoted):
    assert client.get(promoted).status_code == 401
    assert client.get(promoted, headers=headers(org="other")).json["code"] == "model_not_found"
    assert client.get(promoted, headers=headers(user="user-2", permissions=["dataset:read"])).status_code == 403
    assert client.get(promoted, headers=headers(user="user-2", permissions=["model:read"])).status_code == 200
