"""A hyperparameter that no training could use is refused wherever one is given, with what would be right."""

import json

import pytest

from tests.factories import make_dataset, make_model

OWN = {"target_column": "late", "algorithm": "random_forest"}
# Each beside what the message says would be right.
WRONG = [
    ("xgboost", {"max_depth": [[1]]}, "a whole number from 0 to 2147483647 or null, not [[1]]"),
    ("lightgbm", {"max_depth": [[1]]}, "a whole number from -1 to 2147483647, not [[1]]"),
    ("lightgbm", {"max_depth": "deep"}, 'a whole number from -1 to 2147483647, not "deep"'),
    ("lightgbm", {"num_leaves": 1}, "a whole number from 2 to 131072, not 1"),
    ("lightgbm", {"subsample": 1.5}, "a number above 0 up to 1, not 1.5"),
    ("lightgbm", {"lambda_l1": True}, "a number from 0, not true"),
    ("lightgbm", {"boosting": "goss"}, 'one of gbdt, dart, rf, null, not "goss"'),
    ("lightgbm", {"objective": "binary"}, "it is up to the run"),
    ("xgboost", {"gamma": {"a": 1}}, 'a number from 0 or null, not {"a": 1}'),
    ("random_forest", {"class_weight": {"late": 2}}, 'one of balanced, balanced_subsample, null, not {"late": 2}'),
    ("extra_trees", {"max_samples": 0.5}, "it needs bootstrap: true beside it"),
    ("logistic_regression", {"l1_ratio": 0.5}, 'above 0 it needs solver: "saga" beside it'),
    ("logistic_regression", {"n_jobs": 4}, "it is up to the run"),
    ("neural_network", {"width": 0}, "a whole number from 1, not 0"),
    ("neural_network", {"hidden_layer_sizes": [[1]]}, "a list, each element of which is a whole number from 1"),
    ("auto", {"num_leaves": "many"}, "a whole number from 2 to 131072"),
    ("auto", {"n_jobs": 2}, "no algorithm has such a hyperparameter"),
    ("hist_gradient_boosting", {"max_iter": -1}, "-1"),
]
PUBLISHED = "/api/v1/models"


@pytest.fixture
def call(client, headers):
    def call(verb, where, body=None):
        return getattr(client, verb)(f"{PUBLISHED}{where}", json=body, headers=headers())

    return call


@pytest.fixture
def model_id(open_stores):
    with open_stores() as stores:
        return make_model(stores, config=OWN, dataset=make_dataset(stores)).id


def refusal_of(answer, pointer):
    assert (answer.status_code, answer.json["code"]) == (422, "bad_hyperparameter"), answer.data
    [fault] = answer.json["errors"]
    assert fault["pointer"] == pointer
    return fault["message"]


@pytest.mark.parametrize(("algorithm", "params", "right"), WRONG, ids=lambda value: json.dumps(value)[:40])
def test_a_configuration_is_not_saved_with_it(call, model_id, algorithm, params, right):
    before = call("get", f"/{model_id}/config").json
    [name] = params
    answer = call("put", f"/{model_id}/config", {**OWN, "algorithm": algorithm, "hyperparameters": params})
    assert right in refusal_of(answer, f"/hyperparameters/{name}")
    assert call("get", f"/{model_id}/config").json == before


@pytest.mark.parametrize("value", [[[1]], "deep", 0, 2.5, True])
def test_nor_is_any_other_operation_that_takes_one(call, model_id, value):
    config = {"hyperparameters": {"max_depth": value}}
    new = {"name": "Other", "model_type": "auto", "task_type": "classification", "config": {**OWN, **config}}
    schedule = {"trigger": "cron", "cron": "0 3 * * 1", "config_override": config}
    for verb, path, body, at in (
        ("post", "", new, "/config"),
        ("patch", f"/{model_id}", {"config": config}, "/config"),
        ("post", f"/{model_id}/train", {"config_override": config}, "/config_override"),
        ("put", f"/{model_id}/training-schedule", schedule, "/config_override"),
    ):
        refusal_of(call(verb, path, body), f"{at}/hyperparameters/max_depth")


def test_a_retry_with_what_no_longer_fits_is_refused(call, model_id):
    override = {"config_override": {"hyperparameters": {"max_depth": 3}}}
    run = f"/{model_id}/training-runs/{call('post', f'/{model_id}/train', override).json['run_id']}"
    assert call("post", f"{run}/cancel").status_code == 202
    assert call("put", f"/{model_id}/config", {**OWN, "algorithm": "logistic_regression"}).status_code == 200
    refusal_of(call("post", f"{run}/retry"), "/config_override/hyperparameters/max_depth")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e400"])
def test_numbers_that_json_has_not_are_refused(client, headers, model_id, text):
    body = f'{{"algorithm": "lightgbm", "hyperparameters": {{"learning_rate": {text}}}}}'
    path = f"{PUBLISHED}/{model_id}/config"
    answer = client.put(path, data=body, content_type="application/json", headers=headers())
    assert (answer.status_code, answer.json["code"]) in [(422, "malformed_body"), (422, "bad_hyperparameter")]


def test_what_a_custom_program_is_started_with_are_single_values(call):
    new = {"name": "Own", "model_type": "custom", "task_type": "classification"}
    for value in (None, [1], {"a": 1}):
        answer = call("post", "", {**new, "config": {"hyperparameters": {"a/b": value}}})
        assert "a text, a number" in refusal_of(answer, "/config/hyperparameters/a~1b")
    assert call("post", "", {**new, "config": {"hyperparameters": {"epochs": 3}}}).status_code == 201
