import pytest

from studio.errors import InvalidInput, ModelArchived, ModelTraining, VersionNotFound
from studio.models import service as models
from studio.models.tables import ModelRow
from studio.versions import service as versions
from tests.factories import make_model
from tests.versions.factories import add_by_client, add_version

CONFIG = {"algorithm": "auto", "target_column": "late", "hyperparameters": {}, "search": {"max_trials": 3}}


@pytest.fixture
def model(open_stores):
    """A model with a version of another configuration than its present one."""
    with open_stores() as stores:
        model = make_model(stores)
    with open_stores() as stores:
        add_version(stores, model, algorithm="xgboost", hyperparameters={"max_depth": 4}, config=CONFIG)
    return model


@pytest.fixture
def restore(open_stores, model):
    def restore(version_id="ver-001"):
        with open_stores() as stores:
            return versions.restore_version(stores, model.id, version_id), stores.note

    return restore


@pytest.mark.both_databases
def test_a_versions_configuration_becomes_the_models_own(open_stores, model, restore, clock):
    restored, note = restore()

    assert (restored.model_id, restored.restored_from_version, restored.restored_at) == (model.id, "ver-001", clock.now)
    active = restored.active_config
    assert (active["algorithm"], active["hyperparameters"], active["search"]["max_trials"]) == (
        "xgboost",
        {"max_depth": 4},
        3,
    )
    assert active["validation"]["cv_folds"] == 5
    assert note.details["source_version_id"] == "ver-001"
    assert note.details["old_config"] == {"target_column": "late"}
    with open_stores(write=False) as stores:
        shown = models.get_model(stores, model.id)
    assert shown.own_config == {**CONFIG, "algorithm": "xgboost", "hyperparameters": {"max_depth": 4}}
    assert (shown.version, shown.promoted_version_id) == (1, None)
    assert restore()[1] is None


def test_an_ensemble_is_restored_as_the_search_that_made_it(open_stores, model, restore):
    with open_stores() as stores:
        add_version(stores, model, algorithm="ensemble", hyperparameters={"members": []}, config=CONFIG)
    active = restore("ver-002")[0].active_config
    assert (active["algorithm"], active["hyperparameters"]) == ("auto", {})


@pytest.mark.parametrize(("status", "error"), [("archived", ModelArchived), ("training", ModelTraining)])
def test_some_models_cannot_change(open_stores, model, restore, status, error):
    with open_stores() as stores:
        stores.db.get(ModelRow, model.id).status = status
    with pytest.raises(error):
        restore()


def test_a_clients_version_has_nothing_to_restore(runtime, model, restore):
    add_by_client(runtime, model)
    with pytest.raises(InvalidInput, match="has no configuration"):
        restore("ver-002")


def test_an_unknown_version_cannot_be_restored(restore):
    with pytest.raises(VersionNotFound):
        restore("ver-009")
