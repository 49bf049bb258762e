from pathlib import Path

import pytest

from studio.domain.versions import VersionStatus
from studio.models.tables import ModelRow
from studio.versions import service as versions
from tests.factories import make_model
from tests.versions.factories import EMPTY_FOLDER, add_by_client, add_model_version, add_version, classifier, regressor

ROW = {"distance_km": 812.5, "weight_kg": 3.2, "carrier": "Ansa", "is_fragile": False}


@pytest.fixture
def model(open_stores):
    with open_stores() as stores:
        return make_model(stores)


@pytest.fixture
def add(open_stores, model):
    """Adds a version with a model folder that loads."""

    def add(estimator):
        with open_stores() as stores:
            return add_model_version(stores, model, estimator)

    return add


@pytest.fixture
def promote(open_stores, model):
    def promote(version_id):
        with open_stores() as stores:
            versions.promote_version(stores, model.id, version_id)

    return promote


@pytest.fixture
def ask(client, headers, model):
    def ask(**body):
        body = {"inputs": ROW, **body}
        return client.post(f"/api/v1/models/{model.id}/test", headers=headers(), json=body)

    return ask


def refusal(answer):
    return answer.status_code, answer.json["code"]


@pytest.mark.slow
def test_the_promoted_version_answers_with_its_probabilities(serving, add, promote, ask, model, clock, client, headers):
    add(classifier())
    promote("ver-001")

    answer = ask()

    assert answer.status_code == 200
    got = answer.json
    assert got.pop("latency_ms") > 0
    shares = got.pop("probabilities")
    assert set(shares) == {"late", "on_time"}
    assert sum(shares.values()) == pytest.approx(1)
    assert got == {
        "model_id": model.id,
        "version_id": "ver-001",
        "inputs": ROW,
        "prediction": max(shares, key=shares.get),
        "predicted_at": clock.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    log = client.get(f"/api/v1/models/{model.id}/audit-logs", headers=headers()).json["results"]
    assert "model.test" not in str(log)


@pytest.mark.slow
def test_any_version_can_be_named_and_a_value_be_missing(serving, add, promote, ask):
    add(classifier())
    add(regressor())
    promote("ver-001")

    answer = ask(version_id="ver-002", inputs={**ROW, "distance_km": 60, "weight_kg": None})

    assert answer.status_code == 200
    assert answer.json["version_id"] == "ver-002"
    assert isinstance(answer.json["prediction"], float)
    assert answer.json["probabilities"] is None
    assert answer.json["inputs"]["weight_kg"] is None


def test_a_row_that_does_not_fit_is_refused_field_by_field(add, promote, ask):
    add(classifier())
    promote("ver-001")
    wrong = {"distance_km": "far", "weight_kg": 3.2, "carrier": "Ansa", "colour": "red"}

    answer = ask(inputs=wrong)

    assert refusal(answer) == (422, "invalid_inputs")
    assert {error["pointer"]: error["message"] for error in answer.json["errors"]} == {
        "/inputs/distance_km": "must be a number",
        "/inputs/is_fragile": "is required",
        "/inputs/colour": "unknown feature",
    }


def test_a_model_without_versions_is_not_ready(ask, open_stores, model):
    assert refusal(ask()) == (409, "model_not_ready")
    with open_stores() as stores:
        stores.db.get(ModelRow, model.id).status = "failed"
    assert refusal(ask()) == (422, "no_promoted_version")
    assert refusal(ask(version_id="ver-001")) == (404, "version_not_found")


def test_without_a_promoted_version_one_must_be_named(open_stores, model, ask):
    with open_stores() as stores:
        add_version(stores, model)
    assert refusal(ask()) == (422, "no_promoted_version")
    with open_stores() as stores:  # training again: it has a version, so it is not unready
        stores.db.get(ModelRow, model.id).status = "training"
    assert refusal(ask()) == (422, "no_promoted_version")


@pytest.mark.parametrize("status", [VersionStatus.FAILED, VersionStatus.IN_PROGRESS])
def test_only_a_ready_version_predicts(open_stores, model, ask, status):
    with open_stores() as stores:
        add_version(stores, model)
        stores.registry.update_version(model.name, 1, status=status)
    assert refusal(ask(version_id="ver-001")) == (422, "version_not_ready")


@pytest.mark.parametrize(
    "source", [EMPTY_FOLDER, "mlflow-artifacts:/workspaces/other/1/x", "runs:/0123456789abcdef/model"]
)
def test_a_version_without_its_files_is_not_ready(runtime, model, ask, source):
    number = add_by_client(runtime, model, source)
    assert refusal(ask(version_id=f"ver-{number:03d}")) == (422, "version_not_ready")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({"inputs": None}, "/inputs"), ({"inputs": []}, "/inputs"), ({"version_id": 1}, "/version_id"), ({"x": 1}, "/x")],
)
def test_a_wrong_body_is_refused(ask, body, pointer):
    answer = ask(**body)
    assert refusal(answer) == (422, "validation_failed")
    assert answer.json["errors"][0]["pointer"] == pointer


def test_faults_of_rows_to_predict_are_told_by_pointers(client, headers, model):
    wrong = {"inputs": [{}], "instances": [], "a/b": 1, "params": {"c~d/e": 1, "f": {}}}
    answer = client.post(f"/api/v1/models/{model.id}/predict", json=wrong, headers=headers())
    assert (answer.status_code, answer.json["code"]) == (422, "validation_failed")
    assert {fault["pointer"] for fault in answer.json["errors"]} == {
        "/inputs", "/instances", "/a~1b", "/params/c~0d~1e", "/params/f"
    }  # fmt: skip
    answer = client.post(f"/api/v1/models/{model.id}/predict", json=[1], headers=headers())
    assert [fault["pointer"] for fault in answer.json["errors"]] == [""]


def test_without_a_worker_the_service_is_unavailable(config, add, promote, ask, monkeypatch):
    monkeypatch.setattr("studio.backends.serving.local_hosts.CONTROL_TIMEOUT_S", 0.1)
    add(classifier())
    promote("ver-001")
    answer = ask()
    assert refusal(answer) == (503, "service_unavailable")
    assert "Retry-After" in answer.headers


@pytest.fixture
def explain(client, headers, model):
    def explain(**body):
        body = {"inputs": [ROW, {**ROW, "distance_km": 60}], **body}
        return client.post(f"/api/v1/models/{model.id}/explain", headers=headers(), json=body)

    return explain


@pytest.mark.slow
def test_rows_are_explained_in_terms_of_the_table(serving, add, promote, explain, model):
    add(classifier())
    add(regressor())
    promote("ver-001")

    answer = explain()

    assert answer.status_code == 200
    assert answer.json["version_id"] == "ver-001"
    assert (answer.json["method"], answer.json["explainer"], answer.json["output"]) == (
        "shap", "permutation", "probability",
    )  # fmt: skip
    one, other = answer.json["explanations"]
    assert one["class_label"] == one["prediction"]
    assert set(one["values"]) == set(ROW)
    ranked = list(map(abs, one["values"].values()))
    assert ranked == sorted(ranked, reverse=True)
    opposite = explain(class_label="late", top_n=1).json["explanations"][1]
    assert list(opposite["values"]) == list(other["values"])[:1]
    assert refusal(explain(class_label="lost")) == (422, "unknown_class")
    number = explain(version_id="ver-002").json
    assert number["output"] == "prediction"
    assert {row["class_label"] for row in number["explanations"]} == {None}
    for row in number["explanations"]:
        assert row["base_value"] + sum(row["values"].values()) == pytest.approx(row["prediction"])


def test_an_explanation_needs_a_version_and_rows_that_fit(add, explain, model):
    assert refusal(explain()) == (409, "no_version")
    add(classifier())
    answer = explain(version_id="ver-001", inputs=[ROW, {**ROW, "distance_km": "far", "extra": 1}])
    assert refusal(answer) == (422, "invalid_inputs")
    assert {error["pointer"] for error in answer.json["errors"]} == {"/inputs/1/distance_km", "/inputs/1/extra"}
    for wrong in ([], [ROW] * 101, ROW, [1]):
        assert refusal(explain(inputs=wrong)) == (422, "validation_failed")


def test_who_may_test(client, headers, model):
    path, body = f"/api/v1/models/{model.id}/test", {"inputs": ROW}
    assert client.post(path, json=body).status_code == 401
    assert refusal(client.post(path, json=body, headers=headers(org="other"))) == (404, "model_not_found")
    writer = headers(user="user-2", permissions=["model:write"])
    assert refusal(client.post(path, json=body, headers=writer)) == (403, "forbidden")
    reader = headers(user="user-3", permissions=["model:read"])
    assert refusal(client.post(path, json=body, headers=reader)) == (409, "model_not_ready")


@pytest.mark.slow
def test_a_clients_version_answers_unless_its_files_were_changed(serving, add, ask, open_stores, runtime, model):
    numbers = [add_by_client(runtime, model, add(classifier()).source) for _ in range(2)]
    assert numbers == [2, 4]
    assert ask(version_id="ver-002").status_code == 200  # before the worker has seen it
    with open_stores(write=False) as stores:
        versions.reconcile(stores, stores.registry.list_entries())
        folder = Path(stores.registry.storage_address(model.name, 4))
    (folder / "more.py").write_text("")

    answer = ask(version_id="ver-004")

    assert refusal(answer) == (500, "prediction_failed")
    assert "not those that were registered" in answer.json["detail"]
    assert ask(version_id="ver-002").status_code == 200


@pytest.mark.slow
def test_a_version_whose_files_were_changed_does_not_answer(serving, add, ask, open_stores, model, caplog):
    add(classifier())
    with open_stores(write=False) as stores:
        folder = Path(stores.registry.storage_address(model.name, 1))
    with (folder / "model.pkl").open("ab") as file:
        file.write(b"!")

    answer = ask(version_id="ver-001")

    assert refusal(answer) == (500, "prediction_failed")
    assert "not those that were registered" in answer.json["detail"]
    told = [record.event for record in caplog.records if record.name == "studio.security"]
    assert told == ["model_files_changed"]
