"""The protocol's routes, over a model that is served."""

import orjson
import pytest

from studio.version import VERSION
from tests.deployments.conftest import host_processes, served_model, tend, tending  # noqa: F401  fixtures
from tests.predictions.test_predicting import ROW, deployment, expected  # noqa: F401  a fixture

NAME = "Late delivery risk"
INPUTS = [
    {"name": "distance_km", "shape": [1], "datatype": "FP64", "data": [ROW["distance_km"]]},
    {"name": "weight_kg", "shape": [1, 1], "datatype": "FP32", "data": [[ROW["weight_kg"]]]},
    {"name": "carrier", "shape": [1], "datatype": "BYTES", "data": [ROW["carrier"]]},
    {"name": "is_fragile", "shape": [1], "datatype": "BOOL", "data": [False]},
]


@pytest.fixture
def get(client, headers):
    return lambda path, **who: client.get(f"/v2{path}", headers=headers(**who))


@pytest.fixture
def infer(client, headers):
    def infer(path=f"/models/{NAME}/infer", **body):
        body = {"inputs": INPUTS, **body}
        return client.post(f"/v2{path}", headers=headers(), json=body)

    return infer


def test_the_server_tells_of_itself(client, get):
    assert client.get("/v2/health/live").json == {"live": True}
    assert client.get("/v2/health/ready").json.keys() == {"ready"}
    assert get("").json == {"name": "model-studio", "version": VERSION, "extensions": []}
    answer = client.get("/v2")
    assert (answer.status_code, answer.json.keys()) == (401, {"error"})


def test_a_model_that_is_not_served_is_described_and_not_ready(get, infer, served_model):  # noqa: F811
    for name in (NAME, served_model.id):
        told = get(f"/models/{name}").json
        assert (told["name"], told["versions"], told["platform"]) == (NAME, [], "mlflow")
        assert told["inputs"] == [
            {"name": "distance_km", "datatype": "FP64", "shape": [-1]},
            {"name": "weight_kg", "datatype": "FP64", "shape": [-1]},
            {"name": "carrier", "datatype": "BYTES", "shape": [-1]},
            {"name": "is_fragile", "datatype": "BOOL", "shape": [-1]},
        ]
        assert told["outputs"] == [{"name": "prediction", "datatype": "BYTES", "shape": [-1]}]
        assert get(f"/models/{name}/versions/1").json == get(f"/models/{name}/versions/ver-001").json == told
        answer = get(f"/models/{name}/ready")
        assert (answer.status_code, answer.json.keys()) == (409, {"error"})
    assert infer().status_code == 409


@pytest.mark.parametrize(
    "path", ["/models/nobody", "/models/mdl-00000000", f"/models/{NAME}/versions/7", f"/models/{NAME}/versions/x",
             f"/models/{NAME}/versions/7/ready", "/models/%00/ready", "/nothing"],
)  # fmt: skip
def test_what_is_not_there_is_told_in_the_words_of_the_protocol(get, served_model, path):  # noqa: F811
    answer = get(path)
    assert (answer.status_code, answer.json.keys()) == (404, {"error"})


def test_strangers_see_nothing(get, client, served_model):  # noqa: F811
    assert get(f"/models/{NAME}", org="other").status_code == 404
    assert get(f"/models/{NAME}", user="w", permissions=["model:write"]).status_code == 403
    assert client.get(f"/v2/models/{NAME}").status_code == 401


@pytest.mark.slow
def test_a_served_model_infers(get, infer, deployment, client, headers):  # noqa: F811
    assert get(f"/models/{NAME}").json["versions"] == ["1"]
    assert get(f"/models/{NAME}/ready").json == get(f"/models/{NAME}/versions/1/ready").json == {
        "name": NAME, "ready": True,
    }  # fmt: skip
    for path in (f"/models/{NAME}/infer", f"/models/{NAME}/versions/1/infer", f"/models/{NAME}/versions/ver-001/infer"):
        answer = infer(path, id="r-1")
        assert answer.status_code == 200, answer.json
        got = answer.json
        assert (got["model_name"], got["model_version"], got["id"]) == (NAME, "1", "r-1")
        prediction, probability = got["outputs"]
        assert prediction == {"name": "prediction", "shape": [1], "datatype": "BYTES", "data": expected([ROW])}
        assert (probability["shape"], probability["parameters"]) == ([1, 2], {"classes": ["late", "on_time"]})
        assert sum(probability["data"]) == pytest.approx(1)
    assert "Server-Timing" in answer.headers
    untold = client.post(f"/v2/models/{NAME}/infer", headers=headers(), data=orjson.dumps({"inputs": INPUTS}))
    assert untold.status_code == 200  # Triton's client does not say that it sends JSON
    only = infer(outputs=[{"name": "probability"}]).json
    assert [output["name"] for output in only["outputs"]] == ["probability"]
    assert "id" not in only


@pytest.mark.slow
def test_what_is_wrong_with_a_request_is_400(infer, deployment, client, headers):  # noqa: F811
    wrong = [
        {"inputs": []}, {"inputs": INPUTS[:2]}, {"inputs": [{**INPUTS[0], "datatype": "FP16"}, *INPUTS[1:]]},
        {"inputs": [{**INPUTS[0], "data": ["far"]}, *INPUTS[1:]]}, {"outputs": [{"name": "score"}]}, {"more": 1},
        {"parameters": {"binary_data_output": True}},
        {"outputs": [{"name": "prediction", "parameters": {"binary_data": True}}]},
        {"inputs": [{**INPUTS[0], "parameters": {"binary_data_size": 8}}, *INPUTS[1:]]},
    ]  # fmt: skip
    for body in wrong:
        answer = infer(**body)
        assert (answer.status_code, answer.json.keys()) == (400, {"error"}), (body, answer.json)
    assert "binary data extension" in answer.json["error"]
    path, sent = f"/v2/models/{NAME}/infer", {**headers(), "Inference-Header-Content-Length": "10"}
    for kind in ("application/json", "application/octet-stream", ""):
        answer = client.post(path, headers=sent, data=b'{"inputs":[]}\x00', content_type=kind)
        assert answer.status_code == 400
        assert "binary data extension" in answer.json["error"]
    assert client.post(path, headers=headers(), data="x", content_type="application/octet-stream").status_code == 415
    assert client.post(path, headers=headers(), data="{", content_type="application/json").status_code == 400
