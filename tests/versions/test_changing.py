import pytest

from studio.errors import InvalidInput, VersionDeployed, VersionNotFound, VersionPromoted
from studio.models import service as models
from studio.versions import service as versions
from studio.versions.service import uses
from tests.factories import make_model
from tests.versions.factories import add_by_client, add_model_version, add_version, classifier


@pytest.fixture
def model(open_stores):
    with open_stores() as stores:
        return make_model(stores)


@pytest.fixture
def delete(open_stores, model):
    def delete(version_id):
        with open_stores() as stores:
            versions.delete_version(stores, model.id, version_id)
            return stores.note

    return delete


@pytest.fixture
def change(open_stores, model):
    def change(**changes):
        with open_stores() as stores:
            return versions.update_version(stores, model.id, "ver-001", changes).version, stores.note

    return change


@pytest.mark.both_databases
def test_description_and_tags_are_the_registrys(open_stores, model, change, mlflow_client):
    with open_stores() as stores:
        add_version(stores, model)
    text, tags = 'deeper "trees" 🌲', {"ticket": "ML-118", "größe": "it's 😀", "team/unit": ""}

    version, note = change(description=text, tags=tags)

    assert (version.description, dict(version.tags)) == (text, tags)
    assert note.details["changes"]["description"] == {"previous": "", "new": text}
    found = mlflow_client("get_model_version", model.name, "1")
    assert found.description == text
    assert tags.items() <= found.tags.items()
    assert found.tags["studio.status"] == "ready"
    assert change(tags=tags, description=text)[1] is None
    assert dict(change(tags={"ticket": "2"})[0].tags) == {"ticket": "2"}
    emptied, _ = change(tags={}, description="")
    assert (emptied.tags, emptied.description, emptied.algorithm) == ({}, "", "lightgbm")


def test_our_own_tags_cannot_be_overwritten(open_stores, model, change):
    with open_stores() as stores:
        add_version(stores, model)
    with pytest.raises(InvalidInput, match="reserved"):
        change(tags={"studio.status": "failed"}, description="x")
    with open_stores(write=False) as stores:
        left = versions.get_version(stores, model.id, "ver-001").version
    assert (left.status, left.description) == ("ready", "")


@pytest.mark.both_databases
def test_a_deleted_version_takes_its_files_and_keeps_its_number(open_stores, model, delete, tmp_path):
    (tmp_path / "model.pkl").write_bytes(b"x")
    with open_stores() as stores:
        add_version(stores, model)
    with open_stores() as stores:
        add_model_version(stores, model, classifier(), model_file=tmp_path / "model.pkl")
        folder = stores.registry.storage_address(model.name, 2)

    assert delete("ver-002").details["version_id"] == "ver-002"

    with open_stores(write=False) as stores:
        assert stores.files.list_keys(model.id) == []
        assert models.get_model(stores, model.id).version == 1
        with pytest.raises(VersionNotFound):
            versions.get_version(stores, model.id, "ver-002")
    from pathlib import Path

    assert not Path(folder).exists()
    with pytest.raises(VersionNotFound):
        delete("ver-002")
    with open_stores() as stores:
        assert add_version(stores, model).id == "ver-003"


def test_the_last_version_leaves_a_draft_and_no_trace_for_the_worker(open_stores, model, delete, reconcile, entries):
    with open_stores() as stores:
        add_version(stores, model)
    delete("ver-001")

    with open_stores(write=False) as stores:
        shown = models.get_model(stores, model.id)
    assert (shown.status, shown.version, shown.metrics) == ("draft", 1, {})
    assert reconcile() == 0
    assert entries() == []


def test_the_promoted_version_is_kept(open_stores, model, delete):
    for _ in range(2):
        with open_stores() as stores:
            add_version(stores, model)
    with open_stores() as stores:
        versions.promote_version(stores, model.id, "ver-001")
    with pytest.raises(VersionPromoted):
        delete("ver-001")

    with open_stores() as stores:
        versions.promote_version(stores, model.id, "ver-002")
    delete("ver-001")
    with open_stores(write=False) as stores:
        shown = models.get_model(stores, model.id)
        held = versions.list_promotions(stores, model.id, page=1, page_size=20).page
    assert (shown.status, shown.promoted_version_id) == ("ready", "ver-002")
    assert [tenure.version_id for tenure in held.results] == ["ver-002", "ver-001"]


def test_a_room_above_can_forbid_it(open_stores, model, delete, monkeypatch):
    monkeypatch.setattr(uses, "_checks", [])
    with open_stores() as stores:
        add_version(stores, model)

    @versions.refuses_deletion
    def is_deployed(stores, model_id, number):
        raise VersionDeployed(f"{model_id} {number}")

    with pytest.raises(VersionDeployed, match=f"{model.id} 1"):
        delete("ver-001")


def test_a_clients_version_without_files_can_be_deleted(runtime, open_stores, model, delete, reconcile):
    add_by_client(runtime, model, source="runs:/0123456789abcdef0123456789abcdef/model")
    reconcile()
    delete("ver-001")
    with open_stores(write=False) as stores:
        assert not versions.has_version(stores, model.id)
