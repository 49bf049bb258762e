import pytest

from studio.domain.versions import OnnxCheck, VersionStatus
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
        "artifacts": {"model_file": None, "onnx_file": None, "onnx_check": None},
        "trained_by": "user-1",
        "training_duration_seconds": 95.0,
        "promoted_at": None,
        "promoted_by": None,
        "description": "0.8",
        "tags": {},
        "config": {"target_column": "late"},
    }


def test_the_largest_difference_of_an_onnx_file_is_shown(client, headers, path, open_stores, model):
    with open_stores() as stores:
        number = add_version(stores, model, onnx=OnnxCheck(True, None, 2.5e-16, 1e-5, 40)).number
    artifacts = client.get(f"{path}/ver-00{number}", headers=headers()).json["artifacts"]
    assert artifacts["onnx_check"] == {
        "passed": True, "reason": None, "max_difference": 2.5e-16, "tolerance": 1e-5, "rows": 40,
    }  # fmt: skip


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


def test_a_rollback_answers_and_is_audited_as_one(client, headers, path, model):
    for version_id in ("ver-001", "ver-002"):
        client.post(f"{path}/{version_id}/promote", headers=headers())
    answer = client.post(f"{path}/rollback", headers=headers(), json={"reason": "worse"})

    assert (answer.status_code, answer.json["version_id"], answer.json["is_promoted"]) == (200, "ver-001", True)
    log = client.get(f"/api/v1/models/{model.id}/audit-logs", headers=headers()).json["results"]
    assert (log[0]["action"], log[0]["details"]) == (
        "model.version_promoted",
        {
            "previous_version_id": "ver-002",
            "new_version_id": "ver-001",
            "reason": "worse",
            "gate": None,
            "rollback": True,
        },
    )
    held = client.get(f"{path}/history?page_size=1", headers=headers()).json
    assert (held["model_id"], held["at"], held["total"], held["page"], held["page_size"]) == (model.id, None, 3, 1, 1)
    assert held["results"] == [
        {
            "version_id": "ver-001",
            "version_number": 1,
            "promoted_at": answer.json["promoted_at"],
            "promoted_by": "user-1",
            "demoted_at": None,
            "reason": "worse",
            "source": "rollback",
        }
    ]
    now = client.get(f"{path}/history?at={answer.json['promoted_at']}", headers=headers()).json
    assert (now["at"], now["results"]) == (answer.json["promoted_at"], held["results"])


def test_nothing_to_roll_back_to_is_a_conflict(client, headers, path):
    answer = client.post(f"{path}/rollback", headers=headers())
    assert (answer.status_code, answer.json["code"]) == (409, "no_previous_version")


def test_a_version_changes_and_goes(client, headers, path):
    changes = {"description": " reviewed ", "tags": {" reviewed ": " yes "}}
    before = client.get(f"{path}/ver-001", headers=headers()).headers["ETag"]
    changed = client.patch(f"{path}/ver-001", headers={**headers(), "If-Match": before}, json=changes)

    assert (changed.json["description"], changed.json["tags"]) == ("reviewed", {"reviewed": "yes"})
    assert client.patch(f"{path}/ver-001", headers={**headers(), "If-Match": before}, json={}).status_code == 412
    assert client.delete(f"{path}/ver-001", headers={**headers(), "If-Match": before}).status_code == 412
    client.post(f"{path}/ver-002/promote", headers=headers())
    assert client.delete(f"{path}/ver-001", headers=headers()).status_code == 204
    assert client.get(f"{path}/ver-001", headers=headers()).status_code == 404
    refused = client.delete(f"{path}/ver-002", headers=headers())
    assert (refused.status_code, refused.json["code"]) == (409, "version_promoted")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"description": "x" * 2001}, "/description"),
        ({"description": None}, "/description"),
        ({"tags": None}, "/tags"),
        ({"tags": {f"k{number}": "" for number in range(51)}}, "/tags"),
        ({"tags": {"studio.status": "failed"}}, "/tags/studio.status"),
        ({"tags": {"team//unit": "x"}}, "/tags/team~1~1unit"),
        ({"status": "ready"}, "/status"),
    ],
)
def test_a_wrong_change_is_refused(client, headers, path, body, pointer):
    answer = client.patch(f"{path}/ver-001", headers=headers(), json=body)
    assert (answer.status_code, answer.json["code"]) == (422, "validation_failed")
    assert pointer in [error["pointer"] for error in answer.json["errors"]]


@pytest.mark.parametrize("tags", [{"k" * 51: ""}, {"k": "v" * 501}, {"k": 1}, {"": "v"}, {"k": "a\0b"}])
def test_tags_have_bounds(client, headers, path, tags):
    assert client.patch(f"{path}/ver-001", headers=headers(), json={"tags": tags}).status_code == 422


def test_the_bounds_themselves_are_allowed(client, headers, path):
    tags = {f"{number:050}": "v" * 500 for number in range(50)}
    answer = client.patch(f"{path}/ver-001", headers=headers(), json={"tags": tags, "description": "x" * 2000})
    assert (answer.status_code, answer.json["tags"]) == (200, tags)


def test_two_versions_are_compared(client, headers, path, model):
    got = client.get(f"{path}/compare?version_a=ver-001&version_b=ver-002", headers=headers()).json
    assert got == {
        "model_id": model.id,
        "version_a": {
            "version_id": "ver-001",
            "version_number": 1,
            "metrics": {"accuracy": 0.8},
            "hyperparameters": {"n_estimators": 150},
        },
        "version_b": {
            "version_id": "ver-002",
            "version_number": 2,
            "metrics": {"accuracy": 0.9},
            "hyperparameters": {"n_estimators": 150},
        },
        "metric_deltas": {"accuracy": 0.1},
        "better": {"accuracy": "b"},
        "config_diff": {},
    }
    missing = client.get(f"{path}/compare?version_a=ver-001", headers=headers())
    assert (missing.status_code, missing.json["errors"][0]["pointer"]) == (422, "version_b")
    unknown = client.get(f"{path}/compare?version_a=ver-001&version_b=ver-009", headers=headers())
    assert (unknown.status_code, unknown.json["code"]) == (404, "version_not_found")


def test_a_version_is_restored(client, headers, path, model):
    got = client.post(f"{path}/ver-001/restore", headers=headers())
    assert (got.status_code, got.json["model_id"], got.json["restored_from_version"]) == (200, model.id, "ver-001")
    assert got.json["active_config"]["algorithm"] == "lightgbm"
    assert (
        client.post(f"{path}/ver-001/restore", headers=headers(user="user-3", permissions=["model:deploy"])).status_code
        == 403
    )
