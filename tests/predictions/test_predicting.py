"""Rows on their way through deployments, in every form, in our words and in MLflow's."""

import io

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlflow.deployments import PredictionsResponse
from mlflow.utils.proto_json_utils import dump_input_data

from studio.deployments import service as deployments
from tests.deployments.conftest import host_processes, served_model, tend, tending  # noqa: F401  fixtures
from tests.factories import parcels
from tests.versions.factories import FEATURES, classifier

ROW = {"distance_km": 812.5, "weight_kg": 3.2, "carrier": "Ansa", "is_fragile": False}
pytestmark = pytest.mark.slow


@pytest.fixture
def deployment(open_stores, tending, served_model):  # noqa: F811
    """A healthy direct deployment of ``ver-001``."""
    with open_stores() as stores:
        made = deployments.create_deployment(stores, served_model.id)

    def is_healthy():
        with open_stores(write=False) as stores:
            return deployments.get_deployment(stores, served_model.id, made.id).status == "healthy"

    tending.until(is_healthy)
    return made


@pytest.fixture
def send(client, headers, served_model):  # noqa: F811
    """Posts to a route of the model."""

    def send(route, **body):
        return client.post(f"/api/v1/models/{served_model.id}/{route}", headers=headers(), **body)

    return send


def expected(rows):
    return classifier().predict(pd.DataFrame(rows)[FEATURES]).tolist()


ROWS = [ROW, {**ROW, "distance_km": 20.0, "carrier": "Pelikan"}]


def file_of(kind):
    frame, sink = pd.DataFrame(ROWS), io.BytesIO()
    if kind == "text/csv":
        frame.to_csv(sink, index=False)
    else:
        pq.write_table(pa.Table.from_pandas(frame), sink)
    return {"data": sink.getvalue(), "content_type": kind}


def test_rows_of_every_form_are_predicted(send, deployment, served_model):  # noqa: F811
    split = {"columns": list(ROW), "data": [list(row.values()) for row in ROWS]}
    forms = [
        {"json": {"inputs": ROWS}}, {"json": {"dataframe_records": ROWS, "params": {}}},
        {"json": {"instances": split["data"]}}, {"json": {"dataframe_split": split}},
        {"json": {"inputs": {name: [row[name] for row in ROWS] for name in ROW}}},
        file_of("text/csv"), file_of("application/vnd.apache.parquet"),
    ]  # fmt: skip
    for body in forms:
        for route in ("predict", f"deployments/{deployment.id}/predict"):
            answer = send(route, **body)
            assert answer.status_code == 200, answer.json
            assert answer.json["predictions"] == expected(ROWS)
    got = answer.json
    assert (got["model_id"], got["version_id"], got["deployment_id"]) == (served_model.id, "ver-001", deployment.id)
    assert [max(shares, key=shares.get) for shares in got["probabilities"]] == got["predictions"]
    assert len(set(got["prediction_ids"])) == 2
    assert got["latency_ms"] > 0
    stages = dict(part.split(";dur=") for part in answer.headers["Server-Timing"].split(", "))
    assert list(stages) == ["queue", "parse", "validate", "predict", "serialise"]
    assert all(float(milliseconds) >= 0 for milliseconds in stages.values())


def test_where_one_row_is_wrong_none_is_predicted(send, deployment):
    answer = send("predict", json={"inputs": [ROW, {**ROW, "distance_km": "far", "colour": "red"}]})
    assert (answer.status_code, answer.json["code"]) == (422, "invalid_inputs")
    assert {fault["pointer"] for fault in answer.json["errors"]} == {"/inputs/1/distance_km", "/inputs/1/colour"}
    answer = send("predict", data="distance_km\n3\n", content_type="text/csv")
    assert {fault["pointer"] for fault in answer.json["errors"]} == {
        "header, weight_kg", "header, carrier", "header, is_fragile",
    }  # fmt: skip
    answer = send("predict", json={"inputs": [ROW], "rows": 1})
    assert (answer.status_code, answer.json["code"]) == (422, "validation_failed")
    answer = send("predict", json={"inputs": [ROW] * 10_001})
    assert (answer.status_code, answer.json["code"]) == (413, "payload_too_large")
    assert send("predict", data="x", content_type="text/plain").status_code == 415


def test_without_a_deployment_nothing_is_predicted(send, served_model):  # noqa: F811
    answer = send("predict", json={"inputs": [ROW]})
    assert (answer.status_code, answer.json["code"]) == (409, "not_deployed")
    answer = send("deployments/dep-00000000/predict", json={"inputs": [ROW]})
    assert (answer.status_code, answer.json["code"]) == (404, "deployment_not_found")
    answer = send("invocations", json={"inputs": [ROW]})
    assert (answer.status_code, answer.json["error_code"]) == (409, "RESOURCE_CONFLICT")


def test_a_repeated_key_is_answered_alike(client, headers, served_model, deployment):  # noqa: F811
    path, sent = f"/api/v1/models/{served_model.id}/predict", {**headers(), "Idempotency-Key": "once"}
    one, other = (client.post(path, headers=sent, json={"inputs": [ROW]}) for _ in range(2))
    assert other.headers["Idempotency-Replayed"] == "true"
    assert other.json == one.json


def test_mlflows_own_client_code_is_understood(send, deployment):
    frame = parcels(20)[FEATURES].dropna()  # JSON has no NaN
    answer = send("invocations", data=dump_input_data(frame), content_type="application/json")
    assert answer.status_code == 200
    read = PredictionsResponse.from_json(answer.text).get_predictions(predictions_format="ndarray")
    assert read.tolist() == classifier().predict(frame).tolist()
    answer = send("invocations", data=dump_input_data(ROWS), content_type="application/json")
    assert answer.json == {"predictions": expected(ROWS)}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"json": {"inputs": [{**ROW, "distance_km": "far"}]}}, 400, "BAD_REQUEST"),
        ({"json": {"rows": []}}, 400, "BAD_REQUEST"),
        ({"data": "{", "content_type": "application/json"}, 400, "BAD_REQUEST"),
        ({"data": "x", "content_type": "text/plain"}, 415, "BAD_REQUEST"),
    ],
)
def test_errors_of_scoring_are_in_mlflows_form(send, deployment, body, status, code):
    answer = send("invocations", **body)
    assert answer.status_code == status
    assert answer.json.keys() == {"error_code", "message"}
    assert answer.json["error_code"] == code
    if "far" in str(body):
        assert answer.json["message"] == "1 feature was refused: /inputs/0/distance_km must be a number"


def test_strangers_are_refused_in_mlflows_form(client, headers, served_model):  # noqa: F811
    path = f"/api/v1/models/{served_model.id}/invocations"
    answer = client.post(path, json={"inputs": [ROW]})
    assert (answer.status_code, answer.json["error_code"]) == (401, "UNAUTHENTICATED")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    answer = client.post(path, json={"inputs": [ROW]}, headers=headers(user="w", permissions=["model:write"]))
    assert (answer.status_code, answer.json["error_code"]) == (403, "PERMISSION_DENIED")
    answer = client.post(path, json={"inputs": [ROW]}, headers=headers(org="other"))
    assert (answer.status_code, answer.json["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert client.get(path, headers=headers()).json.keys() == {"error_code", "message"}
