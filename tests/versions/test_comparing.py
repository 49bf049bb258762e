import pytest

from studio.errors import VersionNotFound, VersionOfAnotherModel
from studio.models.tables import ModelRow
from studio.versions import service as versions
from tests.factories import make_model
from tests.versions.factories import add_version

PLAN = {"target_column": "late", "algorithm": "auto", "hyperparameters": {}}


@pytest.fixture
def model(open_stores):
    """A model whose second version is better, but for the one metric with no sense of direction in its name."""
    with open_stores() as stores:
        model = make_model(stores)
    for facts in (
        {
            "algorithm": "xgboost",
            "metrics": {"accuracy": 0.87, "log_loss": 0.31, "ours": 2.0, "my_error": 1.0, "roc_auc": None, "mcc": 0.5},
            "hyperparameters": {"max_depth": 4, "eta": 0.1},
            "config": {**PLAN, "validation": {"cv_folds": 5}},
        },
        {
            "algorithm": "lightgbm",
            "metrics": {"accuracy": 0.9, "log_loss": 0.24, "ours": 1.0, "my_error": 1.0, "roc_auc": 0.9},
            "hyperparameters": {"max_depth": 7, "eta": 0.1},
            "config": {**PLAN, "validation": {"cv_folds": 3}},
        },
    ):
        with open_stores() as stores:
            add_version(stores, model, **facts)
    return model


@pytest.fixture
def compare(open_stores, model):
    def compare(version_a, version_b, **caller):
        with open_stores(write=False, **caller) as stores:
            return versions.compare_versions(stores, model.id, version_a=version_a, version_b=version_b)

    return compare


def test_a_comparison_knows_which_is_better(compare):
    found = compare("ver-001", "ver-002")

    assert (found.a.number, found.b.number) == (1, 2)
    assert found.metric_deltas == {"accuracy": 0.03, "log_loss": -0.07, "ours": -1.0, "my_error": 0.0}
    assert found.better == {"accuracy": "b", "log_loss": "b", "ours": "a", "my_error": "tie"}
    assert found.config_diff == {
        "algorithm": {"version_a": "xgboost", "version_b": "lightgbm"},
        "max_depth": {"version_a": 4, "version_b": 7},
        "validation": {"version_a": {"cv_folds": 5}, "version_b": {"cv_folds": 3}},
    }
    turned = compare("ver-002", "ver-001")
    assert turned.better == {"accuracy": "a", "log_loss": "a", "ours": "b", "my_error": "tie"}


def test_a_version_equals_itself(compare):
    found = compare("ver-001", "ver-001")
    assert set(found.better.values()) == {"tie"}
    assert found.config_diff == {}


def test_small_and_huge_values_are_told_apart(open_stores, model, compare):
    for value in (1e-15, 2e-15, 1.7e308, -1.7e308):
        with open_stores() as stores:
            add_version(stores, model, metrics={"mse": value})
    assert (compare("ver-003", "ver-004").metric_deltas, compare("ver-003", "ver-004").better) == (
        {"mse": 1e-15},
        {"mse": "a"},
    )
    assert (compare("ver-005", "ver-006").metric_deltas, compare("ver-005", "ver-006").better) == (
        {"mse": None},
        {"mse": "b"},
    )


@pytest.mark.both_databases
def test_versions_of_other_models_are_told_only_to_those_who_see_them(open_stores, model, compare):
    with open_stores() as stores:
        other = make_model(stores, name="other")
    for _ in range(3):
        with open_stores() as stores:
            add_version(stores, other)
    for pair in (("ver-001", "ver-003"), ("ver-003", "ver-001")):
        with pytest.raises(VersionOfAnotherModel):
            compare(*pair)
    for version_id in ("ver-004", "ver-3", "nonsense", "ver-099999999999"):
        with pytest.raises(VersionNotFound):
            compare("ver-001", version_id)

    with open_stores() as stores:
        stores.db.get(ModelRow, other.id).visibility = "private"
    with pytest.raises(VersionNotFound):
        compare("ver-001", "ver-003", user="user-2", permissions=["model:read"])
    with pytest.raises(VersionOfAnotherModel):
        compare("ver-001", "ver-003")
