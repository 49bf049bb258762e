"""The configuration of a model over the API: its layers, their sources, and replacing it."""

import pytest

from tests.factories import make_model

OWN = {"target_column": "late", "search": {"max_trials": 5}, "hyperparameters": {"max_depth": 3}}
ORGANIZATION = "/api/v1/organization/config"


@pytest.fixture
def path(open_stores):
    with open_stores() as stores:
        return f"/api/v1/models/{make_model(stores, config=OWN | {'algorithm': 'random_forest'}).id}/config"


@pytest.fixture
def call(client, headers):
    def call(verb, where, body=None, **more):
        return getattr(client, verb)(where, json=body, headers={**headers(), **more})

    return call


def test_every_key_says_where_it_comes_from(call, path):
    overrides = {"search": {"max_trials": 30, "sampler": "random"}, "preprocessing": {"max_categories": 20}}
    assert call("put", ORGANIZATION, {"overrides": overrides}).status_code == 200
    found = call("get", path).json
    sources = found.pop("sources")
    nested = {f"{key}.{name}" for key in ("preprocessing", "validation", "search") for name in found[key]}
    assert set(sources) == nested | (set(found) - {"preprocessing", "validation", "search"})
    assert {name for name, source in sources.items() if source == "model"} == {
        "target_column", "search.max_trials", "hyperparameters", "algorithm",
    }  # fmt: skip
    assert {name for name, source in sources.items() if source == "organization"} == {
        "search.sampler", "preprocessing.max_categories",
    }  # fmt: skip
    assert (found["search"]["max_trials"], found["search"]["sampler"]) == (5, "random")
    assert found["preprocessing"]["max_categories"] == 20


def test_a_replacement_is_whole_and_falls_back_to_the_layers_below(call, path):
    call("put", ORGANIZATION, {"overrides": {"search": {"max_trials": 30}}})
    answer = call("put", path, {"algorithm": "lightgbm", "search": {"sampler": "random"}})
    assert answer.status_code == 200
    assert (answer.json["target_column"], answer.json["hyperparameters"]) == (None, {})
    assert answer.json["search"]["max_trials"] == 30
    assert answer.json["sources"]["search.max_trials"] == "organization"
    assert call("get", path).json == answer.json


def test_what_the_organization_clears_is_the_systems_again(call, path):
    for overrides, source in (({"imbalance": "none"}, "organization"), ({}, "system")):
        call("put", ORGANIZATION, {"overrides": overrides})
        assert call("get", path).json["sources"]["imbalance"] == source
    assert call("get", ORGANIZATION).json["overrides"] == {}


def test_a_stale_replacement_is_refused(call, path):
    etag = call("get", path).headers["ETag"]
    assert call("get", path, **{"If-None-Match": etag}).status_code == 304
    assert call("put", path, OWN, **{"If-Match": etag}).status_code == 200
    assert call("put", path, OWN, **{"If-Match": etag}).status_code == 412


def test_an_etag_changes_with_what_the_organization_sets(call, path):
    etag = call("get", path).headers["ETag"]
    call("put", ORGANIZATION, {"overrides": {"imbalance": "none"}})
    assert call("get", path, **{"If-None-Match": etag}).status_code == 200


@pytest.mark.parametrize(
    ("overrides", "own", "pointer"),
    [
        ({"validation": {"test_size": 0.7}}, {"validation": {"validation_size": 0.4}}, "/validation/test_size"),
        ({"search": {"metric": "rmse"}}, {}, "/search/metric"),
        ({"algorithm": "linear_regression"}, {}, "/algorithm"),
    ],
)
def test_layers_that_do_not_go_together_are_refused_and_the_organization_named(call, path, overrides, own, pointer):
    assert call("put", ORGANIZATION, {"overrides": overrides}).status_code == 200
    answer = call("put", path, own)
    assert answer.status_code == 422
    [fault] = answer.json["errors"]
    assert fault["pointer"] == pointer
    assert "set by the organization" in fault["message"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"sources": {}}, "/sources"),
        ({"validation": {"test_size": 0.5, "validation_size": 0.5}}, "/validation/test_size"),
        ({"target_column": "late", "feature_columns": ["late"]}, "/feature_columns"),
        ({"search": {"max_trials": 0}}, "/search/max_trials"),
        ({"algorithm": "oracle"}, "/algorithm"),
        ({"algorithm": "random_forest", "hyperparameters": {"leaves": 3}}, "/hyperparameters/leaves"),
    ],
)
def test_what_no_training_could_use_is_refused(call, path, body, pointer):
    answer = call("put", path, body)
    assert (answer.status_code, [fault["pointer"] for fault in answer.json["errors"]]) == (422, [pointer])
