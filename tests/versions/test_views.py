import pytest

from studio.domain.versions import VersionStatus
from tests.factories import make_model
from tests.versions.factories import add_by_client, add_version


@pytest.fixture
def model(open_stores):
    with open_stores() as stores:
        model = make_model(stores)
    for accuracy in (0.8, 0.9):
        with open_stores() as stores:
            add_version(stores, model, metrics={"accuracy": accuracy}, description=f"{accuracy}")
    return model


@pytest.fixture
def path(model):
    return f"/api/v1/models/{model.id}/versions"


def test_a_version_is_answered_in_full(client, headers, path, model, clock):
    answer = client.get(f"{path}/ver-001", headers=headers())

    assert answer.status_code == 200
    got = answer.json
    assert got.pop("run_id").startswith("run-")
    assert got.pop("trained_at").endswith("Z")
    assert got == {
        "version_id": "ver-001",
        "model_id": model.id,
        "version_number": 1,
        "is_promoted": False,
        "status": "ready",
        "algorithm": "lightgbm",
        "hyperparameters": {"n_estimators": 150},
        "metrics": {"accuracy": 0.8},
        "artifacts": {"model_file": None, "onnx_file": None},
        "trained_by": "user-1",
        "training_duration_seconds": 95.0,
        "promoted_at": None,
        "promoted_by": None,
        "description": "0.8",
        "tags": {},
        "config": {"target_column": "late"},
    }


def test_an_etag_changes_with_the_version(client, headers, path):
    first = client.get(f"{path}/ver-001", headers=headers())
    again = client.get(f"{path}/ver-001", headers={**headers(), "If-None-Match": first.headers["ETag"]})
    promoted = client.post(f"{path}/ver-001/promote", headers=headers())
    read = client.get(f"{path}/ver-001", headers=headers())

    assert again.status_code == 304
    assert promoted.headers["ETag"] == read.headers["ETag"] != first.headers["ETag"]


def test_a_promotion_answers_the_version_and_is_audited_once(client, headers, path, model, clock):
    body = {"reason": " better ", "gate": {"metric": "accuracy", "min_value": 0.9}}
    for _ in range(2):
        answer = client.post(f"{path}/ver-002/promote", headers=headers(), json=body)
        assert answer.status_code == 200
    assert (answer.json["is_promoted"], answer.json["promoted_by"]) == (True, "user-1")
    assert answer.json["promoted_at"] == clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")

    log = client.get(f"/api/v1/models/{model.id}/audit-logs", headers=headers()).json["results"]
    details = [entry["details"] for entry in log if entry["action"] == "model.version_promoted"]
    gate = {"metric": "accuracy", "min_value": 0.9, "min_improvement_over_promoted": None}
    assert details == [{"previous_version_id": None, "new_version_id": "ver-002", "reason": "better", "gate": gate}]


def test_a_failed_gate_answers_its_checks(client, headers, path):
    gate = {"metric": "accuracy", "min_value": 0.95}
    answer = client.post(f"{path}/ver-002/promote", headers=headers(), json={"gate": gate})

    assert (answer.status_code, answer.json["code"]) == (409, "gate_failed")
    check = {"check": "min_value", "metric": "accuracy", "required": 0.95, "actual": 0.9, "passed": False}
    assert answer.json["checks"] == [check]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"gate": {"metric": "accuracy"}}, "/gate"),
        ({"gate": {"min_value": 1}}, "/gate/metric"),
        ({"gate": {"metric": "accuracy", "min_value": "1"}}, "/gate/min_value"),
        ({"gate": {"metric": "accuracy", "min_value": None}}, "/gate/min_value"),
        ({"gate": None}, "/gate"),
        ({"reason": "x" * 501}, "/reason"),
        ({"why": "x"}, "/why"),
    ],
)
def test_a_wrong_promotion_is_refused(client, headers, path, body, pointer):
    answer = client.post(f"{path}/ver-001/promote", headers=headers(), json=body)

    assert (answer.status_code, answer.json["code"]) == (422, "validation_failed")
    assert pointer in [error["pointer"] for error in answer.json["errors"]]


def test_versions_are_listed_filtered_sorted_and_paged(client, headers, path, open_stores, runtime, model):
    add_by_client(runtime, model)
    with open_stores() as stores:
        stores.registry.update_version(model.name, 1, status=VersionStatus.FAILED)

    def ids(query=""):
        answer = client.get(f"{path}{query}", headers=headers())
        assert answer.status_code == 200
        return answer.json["total"], [version["version_id"] for version in answer.json["results"]]

    assert ids() == (3, ["ver-003", "ver-002", "ver-001"])
    assert ids("?sort_order=asc&page_size=2") == (3, ["ver-001", "ver-002"])
    assert ids("?sort_order=asc&page_size=2&page=2") == (3, ["ver-003"])
    assert ids("?page=9") == (3, [])
    assert ids("?status=failed") == (1, ["ver-001"])
    assert ids("?sort_by=status&sort_order=asc") == (3, ["ver-001", "ver-002", "ver-003"])
    assert ids("?sort_by=status") == (3, ["ver-003", "ver-002", "ver-001"])
    assert ids("?sort_by=trained_at") == (3, ["ver-003", "ver-002", "ver-001"])
    listed = client.get(path, headers=headers()).json["results"][0]
    assert set(listed) == {
        "version_id", "model_id", "version_number", "is_promoted", "status", "algorithm", "metrics", "trained_at",
        "trained_by", "description", "tags",
    }  # fmt: skip
    assert (listed["algorithm"], listed["trained_by"]) == ("external", "mlflow")


@pytest.mark.parametrize("query", ["status=done", "sort_by=name", "sort_order=up", "page_size=101", "page=0"])
def test_a_wrong_listing_is_refused(client, headers, path, query):
    answer = client.get(f"{path}?{query}", headers=headers())
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, query.partition("=")[0])


@pytest.mark.parametrize("version_id", ["ver-003", "ver-1", "nonsense", "ver-001'"])
def test_an_unknown_version_is_absent(client, headers, path, version_id):
    for answer in (
        client.get(f"{path}/{version_id}", headers=headers()),
        client.post(f"{path}/{version_id}/promote", headers=headers()),
    ):
        assert (answer.status_code, answer.json["code"]) == (404, "version_not_found")


def test_who_may_read_and_promote(client, headers, path):
    stranger, reader = headers(org="other"), headers(user="user-2", permissions=["model:read"])
    deployer = headers(user="user-3", permissions=["model:deploy"])

    assert client.get(f"{path}/ver-001").status_code == 401
    assert client.get(f"{path}/ver-001", headers=stranger).json["code"] == "model_not_found"
    assert client.get(path, headers=stranger).json["code"] == "model_not_found"
    assert client.get(f"{path}/ver-001", headers=reader).status_code == 200
    assert client.post(f"{path}/ver-001/promote", headers=reader).json["code"] == "forbidden"
    assert client.get(path, headers=deployer).json["code"] == "forbidden"
    assert client.post(f"{path}/ver-001/promote", headers=deployer).status_code == 200
