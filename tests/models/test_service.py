"""Models: what the service does, and what the stores hold afterwards."""

import pytest

from studio.datasets import service as datasets
from studio.domain.model_records import ModelStatus
from studio.domain.tasks import ModelType, TaskType
from studio.errors import (
    BadHyperparameter,
    DatasetNotFound,
    DatasetNotLinked,
    ImmutableField,
    ModelNotFound,
    ModelTraining,
    NameTaken,
    SchemaMismatch,
    TargetInFeatures,
    UnknownAlgorithm,
    UnknownColumn,
)
from studio.models import service
from tests.factories import make_dataset, make_model

pytestmark = pytest.mark.both_databases

AUTO = {"model_type": ModelType.AUTO, "task_type": TaskType.CLASSIFICATION}


@pytest.mark.parametrize("name", ["Late delivery risk", 'a "quoted" one', "emoji 🚚", "; DROP TABLE models", "é" * 120])
def test_a_model_has_a_registered_model_of_its_name(stores, name):
    model = service.create_model(stores, name=name, **AUTO)
    assert service.get_model(stores, model.id).name == name
    assert stores.registry.find_entry(name).name == name
    assert (model.status, model.version, model.created_by) == (ModelStatus.DRAFT, 1, "user-1")


def test_a_name_is_given_once(stores):
    make_model(stores, "one")
    with pytest.raises(NameTaken):
        make_model(stores, "one")
    make_model(stores, "One")  # case matters


def test_a_failed_creation_leaves_nothing(open_stores):
    with pytest.raises(DatasetNotFound), open_stores() as stores:
        service.create_model(stores, name="one", dataset_id="ds-00000000", **AUTO)
    with open_stores() as stores:
        assert service.find_model_by_name(stores, "one") is None
        service.create_model(stores, name="one", **AUTO)


def test_tags_keep_their_order_and_lose_repeats(stores):
    model = service.create_model(stores, name="one", tags=["b", "a", "b"], **AUTO)
    assert model.tags == ("b", "a")
    stores.note = None
    assert service.update_model(stores, model.id, {"tags": ["c", "b"]}).tags == ("c", "b")


def test_the_configuration_says_where_each_key_comes_from(stores):
    model = service.create_model(stores, name="one", config={"search": {"max_trials": 5}}, **AUTO)
    assert model.config["search"]["max_trials"] == 5
    assert model.config["search"]["sampler"] == "tpe"
    assert model.sources["search.max_trials"] == "model"
    assert model.sources["search.sampler"] == "system"


@pytest.mark.parametrize(
    ("own", "error"),
    [
        ({"algorithm": "crystal_ball"}, UnknownAlgorithm),
        ({"algorithm": "linear_regression"}, UnknownAlgorithm),
        ({"algorithm": "lightgbm", "hyperparameters": {"depth_of_magic": 1}}, BadHyperparameter),
        ({"target_column": "late", "feature_columns": ["late"]}, TargetInFeatures),
    ],
)
def test_a_configuration_no_training_could_use_is_refused(stores, own, error):
    with pytest.raises(error) as refusal:
        service.create_model(stores, name="one", config=own, **AUTO)
    assert refusal.value.fields[0][0].startswith("/config/")


def test_a_linked_dataset_must_have_the_columns(stores):
    dataset = make_dataset(stores)
    with pytest.raises(SchemaMismatch) as refusal:
        service.create_model(
            stores,
            name="one",
            dataset_id=dataset.id,
            config={"target_column": "nothing", "feature_columns": ["x"]},
            **AUTO,
        )
    assert len(refusal.value.fields) == 2


def test_a_link_can_be_made_replaced_and_removed(stores):
    first, second = make_dataset(stores, name="first"), make_dataset(stores, name="second")
    model = make_model(stores)
    service.link_dataset(stores, model.id, first.id)
    stores.note = None
    service.link_dataset(stores, model.id, second.id)
    assert service.get_model(stores, model.id).dataset.dataset_name == "second"
    stores.note = None
    service.unlink_dataset(stores, model.id)
    assert service.get_model(stores, model.id).dataset is None
    with pytest.raises(DatasetNotLinked):
        service.unlink_dataset(stores, model.id)


def test_a_link_without_validation_may_lack_columns(stores):
    dataset, model = make_dataset(stores), make_model(stores, config={"target_column": "nothing"})
    with pytest.raises(SchemaMismatch):
        service.link_dataset(stores, model.id, dataset.id)
    stores.note = None
    service.link_dataset(stores, model.id, dataset.id, validate_schema=False)
    assert service.get_model(stores, model.id).dataset.dataset_id == dataset.id


def test_columns_are_checked_against_the_linked_dataset(stores):
    model = make_model(stores, dataset=make_dataset(stores))
    with pytest.raises(UnknownColumn):
        service.replace_config(stores, model.id, {"target_column": "late", "feature_columns": ["nothing"]})


def test_an_update_changes_what_it_names(stores):
    model = make_model(stores, "one")
    changed = service.update_model(stores, model.id, {"name": "two", "config": {"algorithm": "xgboost"}})
    assert (changed.name, changed.config["algorithm"], changed.config["target_column"]) == ("two", "xgboost", "late")
    assert stores.registry.find_entry("two").name == "two"
    assert stores.note.details["changes"]["name"] == {"previous": "one", "new": "two"}


def test_null_removes_a_value_of_the_models_own(stores):
    model = make_model(stores, config={"algorithm": "xgboost", "target_column": "late"})
    changed = service.update_model(stores, model.id, {"config": {"algorithm": None}})
    assert changed.sources["algorithm"] == "system"


def test_an_update_that_changes_nothing_says_nothing(stores):
    model = make_model(stores, "one")
    service.update_model(stores, model.id, {"name": "one", "tags": []})
    assert stores.note is None


def test_types_cannot_change(stores):
    model = make_model(stores)
    with pytest.raises(ImmutableField):
        service.update_model(stores, model.id, {"model_type": "auto"})


def test_a_training_model_is_left_alone(stores):
    model = make_model(stores)
    service.begin_training(stores, model.id)
    for act in (
        lambda: service.update_model(stores, model.id, {"description": "x"}),
        lambda: service.replace_config(stores, model.id, {}),
        lambda: service.delete_model(stores, model.id),
    ):
        with pytest.raises(ModelTraining):
            act()
    service.delete_model(stores, model.id, force=True)


def test_deleting_frees_the_name_at_once(open_stores):
    with open_stores() as stores:
        model = make_model(stores, "one", dataset=make_dataset(stores, id="ds-00000001"))
    with open_stores() as stores:
        service.delete_model(stores, model.id)
    with open_stores() as stores:
        with pytest.raises(ModelNotFound):
            service.get_model(stores, model.id)
        assert datasets.get_dataset(stores, "ds-00000001").linked_models == 0
        assert service.create_model(stores, name="one", **AUTO).id != model.id
        assert [purge.model_id for purge in service.list_purges(stores.db)] == [model.id]


class TestListing:
    def test_words_tags_and_filters_must_all_match(self, stores):
        for name, tags, task in (
            ("Late delivery", ["eu", "risk"], TaskType.CLASSIFICATION),
            ("Late returns", ["eu"], TaskType.CLASSIFICATION),
            ("Transit hours 100%", ["eu", "risk"], TaskType.REGRESSION),
        ):
            service.create_model(stores, name=name, tags=tags, model_type=ModelType.AUTO, task_type=task)
            stores.note = None
        assert self.names(stores, search="LATE del") == ["Late delivery"]
        assert self.names(stores, tags=["eu", "risk"], sort_by="name", descending=False) == [
            "Late delivery", "Transit hours 100%",
        ]  # fmt: skip
        assert self.names(stores, task_type="regression") == ["Transit hours 100%"]
        assert self.names(stores, search="100%") == ["Transit hours 100%"]
        assert self.names(stores, search="%") == ["Transit hours 100%"]
        assert self.names(stores, search="_") == []

    def test_archived_models_are_listed_only_when_asked_for(self, stores):
        from studio.models.tables import ModelRow

        model = make_model(stores)
        stores.db.get(ModelRow, model.id).status = "archived"
        assert self.names(stores) == []
        assert self.names(stores, status="archived") == [model.name]

    def test_pages_hold_every_model_once(self, stores):
        for number in range(7):
            make_model(stores, f"m{number}")
        pages = [service.list_models(stores, service.ModelFilter(), page=page, page_size=3) for page in (1, 2, 3, 4)]
        assert [len(page.results) for page in pages] == [3, 3, 1, 0]
        assert {page.total for page in pages} == {7}
        assert len({row.id for page in pages for row in page.results}) == 7

    def test_private_models_are_seen_by_those_with_a_role(self, open_stores):
        from studio.models.tables import ModelRow

        with open_stores(user="owner") as stores:
            model = make_model(stores)
            stores.db.get(ModelRow, model.id).visibility = "private"
        for user, permissions, sees in (
            ("owner", ["model:read"], True),
            ("other", ["model:read"], False),
            ("admin", ["organization:admin"], True),
            ("viewer", ["organization:viewer"], False),
        ):
            with open_stores(user=user, permissions=permissions) as stores:
                assert bool(self.names(stores)) is sees, user
                assert (service.find_access(stores, model.id) is not None) is sees, user

    @staticmethod
    def names(stores, **wanted):
        page = service.list_models(stores, service.ModelFilter(**wanted), page=1, page_size=20)
        return [row.name for row in page.results]
