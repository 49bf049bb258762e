"""Archiving, taking back and copying models."""

import pytest

from studio.collaborators import service as collaborators
from studio.domain.model_records import ModelStatus
from studio.errors import AlreadyArchived, ModelArchived, ModelNotFound, ModelTraining, NameTaken, NotArchived
from studio.models import service
from studio.training import service as training
from studio.versions import service as versions
from tests.factories import make_dataset, make_model
from tests.versions.factories import add_version

pytestmark = pytest.mark.both_databases


def test_an_archived_model_is_put_away_and_comes_back(stores):
    model = make_model(stores, "one")
    stores.note = None
    archived = service.archive_model(stores, model.id)
    assert (archived.status, archived.archived_at) == (ModelStatus.ARCHIVED, stores.now())
    assert stores.note.details == {"previous_status": "draft", "new_status": "archived"}
    assert service.list_models(stores, service.ModelFilter(), page=1, page_size=9).total == 0
    assert service.list_models(stores, service.ModelFilter(status="archived"), page=1, page_size=9).total == 1

    stores.note = None
    back = service.unarchive_model(stores, model.id)
    assert (back.status, back.archived_at) == (ModelStatus.DRAFT, None)
    assert service.list_models(stores, service.ModelFilter(), page=1, page_size=9).total == 1


def test_it_comes_back_ready_where_it_has_a_version(open_stores):
    with open_stores() as stores:
        model = make_model(stores, "one")
    with open_stores() as stores:
        add_version(stores, model)
    with open_stores() as stores:
        service.archive_model(stores, model.id)
    with open_stores() as stores:
        assert service.unarchive_model(stores, model.id).status == ModelStatus.READY


def test_each_is_refused_where_it_has_nothing_to_do(stores):
    model = make_model(stores, "one")
    with pytest.raises(NotArchived):
        service.unarchive_model(stores, model.id)
    stores.note = None
    service.archive_model(stores, model.id)
    with pytest.raises(AlreadyArchived):
        service.archive_model(stores, model.id)


def test_a_model_in_training_is_not_archived(stores):
    model = make_model(stores, "one")
    service.begin_training(stores, model.id)
    with pytest.raises(ModelTraining):
        service.archive_model(stores, model.id)


def test_an_archived_model_refuses_what_would_change_it(open_stores):
    with open_stores() as stores:
        dataset = make_dataset(stores)
        model = make_model(stores, "one", dataset=dataset)
    with open_stores() as stores:
        version = add_version(stores, model)
    with open_stores() as stores:
        service.archive_model(stores, model.id)
    for refuse in (
        lambda stores: training.start_run(stores, model.id),
        lambda stores: service.replace_config(stores, model.id, {}),
        lambda stores: service.update_model(stores, model.id, {"config": {"algorithm": "lightgbm"}}),
        lambda stores: service.link_dataset(stores, model.id, dataset.id),
        lambda stores: service.unlink_dataset(stores, model.id),
        lambda stores: versions.promote_version(stores, model.id, version.id),
    ):
        with pytest.raises(ModelArchived), open_stores() as stores:
            refuse(stores)
    with open_stores() as stores:
        assert service.update_model(stores, model.id, {"description": "kept"}).description == "kept"


def test_a_copy_learns_the_same_and_belongs_to_who_made_it(open_stores):
    with open_stores() as stores:
        dataset = make_dataset(stores)
        config = {"target_column": "late", "search": {"max_trials": 5}}
        source = make_model(stores, "one", dataset=dataset, config=config, tags=["b", "a"], description="why")
    with open_stores() as stores:
        add_version(stores, source)
    with open_stores(user="user-2") as stores:
        copy = service.duplicate_model(stores, source.id, name='a "copy" 🚚')
        assert stores.note.details["source_model_id"] == source.id
        assert collaborators.find_role(stores, copy.id) == "owner"
        assert stores.registry.list_versions(copy.name) == []
    assert copy.own_config == config
    assert (copy.tags, copy.description, copy.dataset.dataset_id) == (("b", "a"), "why", dataset.id)
    assert (copy.status, copy.version, copy.metrics, copy.source_model_id) == (ModelStatus.DRAFT, 1, {}, source.id)
    assert copy.created_by == "user-2"


def test_a_refused_copy_leaves_nothing(open_stores):
    with open_stores() as stores:
        source = make_model(stores, "one")
    with pytest.raises(NameTaken), open_stores() as stores:
        service.duplicate_model(stores, source.id, name="one")
    with pytest.raises(ModelNotFound), open_stores() as stores:
        service.duplicate_model(stores, "mdl-00000000", name="two")
    with open_stores() as stores:
        assert service.list_models(stores, service.ModelFilter(), page=1, page_size=9).total == 1
        assert service.find_model_by_name(stores, "two") is None
