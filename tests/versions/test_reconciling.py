import pytest
from sqlalchemy import select

from studio.errors import ModelNotFound
from studio.models import service as models
from studio.versions import service as versions
from studio.versions.tables import PromotionRow
from tests.factories import make_model
from tests.versions.factories import add_by_client, add_version, cut_off, random_id


@pytest.fixture
def model(open_stores):
    with open_stores() as stores:
        return make_model(stores)


def promoted(new, previous=None):
    details = {"previous_version_id": previous, "new_version_id": new, "reason": None, "gate": None}
    return ("model.version_promoted", "mlflow", details)


@pytest.mark.both_databases
def test_what_a_client_registers_and_promotes_is_taken_up_once(
    open_stores, runtime, model, reconcile, entries, mlflow_client
):
    number = add_by_client(runtime, model)
    mlflow_client("set_registered_model_alias", model.name, "production", str(number))

    assert reconcile() == 1
    assert reconcile() == 0

    registered = ("model.version_registered", "mlflow", {"version_id": "ver-001", "mlflow_run_id": None})
    assert entries() == [registered, promoted("ver-001")]
    with open_stores(write=False) as stores:
        shown = models.get_model(stores, model.id)
        record = versions.get_version(stores, model.id, "ver-001")
    assert (shown.status, shown.version, shown.promoted_version_id) == ("ready", 1, "ver-001")
    assert (record.version.algorithm, record.version.run_id, record.version.duration_s) == ("external", None, None)
    assert (record.promotion.by, record.promotion.source) == ("mlflow", "mlflow")


def test_what_the_api_did_is_not_audited_again(open_stores, model, reconcile, entries):
    with open_stores() as stores:
        add_version(stores, model)
    with open_stores() as stores:
        versions.promote_version(stores, model.id, "ver-001")

    assert reconcile() == 0
    assert entries() == []


def test_a_version_of_a_run_whose_rows_a_crash_lost_is_ours(open_stores, model, reconcile, entries):
    with cut_off(open_stores) as stores:
        add_version(stores, model)

    assert reconcile() == 0
    assert entries() == []
    with open_stores(write=False) as stores:
        assert models.get_model(stores, model.id).status == "ready"


def test_a_later_version_of_a_client_is_told_apart(open_stores, runtime, model, reconcile, entries):
    with open_stores() as stores:
        add_version(stores, model)
    reconcile()
    add_by_client(runtime, model)

    assert reconcile() == 1
    assert [details["version_id"] for _, _, details in entries()] == ["ver-002"]


def test_a_stage_counts_as_a_promotion_once(open_stores, runtime, model, reconcile, entries, mlflow_client):
    for _ in range(2):
        add_by_client(runtime, model)
    reconcile()
    before = len(entries())
    mlflow_client("transition_model_version_stage", model.name, "1", "Production")

    assert reconcile() == 1
    with open_stores() as stores:
        assert stores.registry.find_promoted(model.name) == 1
        versions.promote_version(stores, model.id, "ver-002")
    reconcile()

    with open_stores(write=False) as stores:
        assert stores.registry.find_promoted(model.name) == 2  # the old stage does not take it back
    assert entries()[before:] == [promoted("ver-001")]


def test_an_alias_taken_away_empties_the_place(open_stores, runtime, model, reconcile, entries, mlflow_client):
    add_by_client(runtime, model)
    mlflow_client("set_registered_model_alias", model.name, "production", "1")
    reconcile()
    mlflow_client("delete_registered_model_alias", model.name, "production")

    assert reconcile() == 1
    assert entries()[-1] == promoted(None, "ver-001")
    with open_stores(write=False) as stores:
        assert models.get_model(stores, model.id).promoted_version_id is None
        assert stores.db.scalars(select(PromotionRow.version).order_by(PromotionRow.number)).all() == [1, None]


def test_versions_a_client_deletes_are_told(open_stores, runtime, model, reconcile, entries, mlflow_client):
    for _ in range(2):
        add_by_client(runtime, model)
    reconcile()
    mlflow_client("delete_model_version", model.name, "1")
    assert reconcile() == 1
    assert entries()[-1] == ("model.version_deleted", "mlflow", {"version_id": "ver-001"})

    mlflow_client("delete_model_version", model.name, "2")
    assert reconcile() == 1
    with open_stores(write=False) as stores:
        shown = models.get_model(stores, model.id)
    assert (shown.status, shown.metrics) == ("draft", {})


def test_models_of_others_and_without_rows_are_passed_over(runtime, model, reconcile, entries, mlflow_client):
    mlflow_client("create_registered_model", "a client's own")
    mlflow_client("create_registered_model", "left over", tags={"studio.model_id": random_id()})
    for name in ("a client's own", "left over"):
        mlflow_client("create_model_version", name, "mlflow-artifacts:/workspaces/acme/1/x", await_creation_for=0)
    with runtime.connection.bound("other") as client:
        client.create_registered_model(model.name)
        client.create_model_version(model.name, "mlflow-artifacts:/workspaces/other/1/x", await_creation_for=0)

    assert reconcile() == 0
    assert entries() == []


def test_a_model_that_is_gone_cannot_be_reconciled(open_stores):
    with pytest.raises(ModelNotFound), open_stores() as stores:
        versions.reconcile_model(stores, random_id())


def test_a_promotion_made_here_is_no_change_of_a_client(open_stores, model, reconcile, entries, mlflow_client):
    for number in ("ver-001", "ver-002"):
        with open_stores() as stores:
            add_version(stores, model)
        with open_stores() as stores:
            versions.promote_version(stores, model.id, number)
    with open_stores() as stores:
        versions.rollback_promotion(stores, model.id)

    assert [mlflow_client("get_model_version", model.name, number).current_stage for number in "12"] == [
        "Production",
        "Archived",
    ]
    assert mlflow_client("get_model_version_by_alias", model.name, "production").version in (1, "1")
    assert [version.version for version in mlflow_client("get_latest_versions", model.name, ["Production"])] == [1]
    for _ in range(2):
        assert reconcile() == 0
    assert entries() == []


def test_a_client_stages_an_older_version_beside_the_promoted_one(
    open_stores, runtime, model, reconcile, entries, mlflow_client
):
    for number in ("ver-001", "ver-002"):
        with open_stores() as stores:
            add_version(stores, model)
        with open_stores() as stores:
            versions.promote_version(stores, model.id, number)
    reconcile()
    mlflow_client("transition_model_version_stage", model.name, "1", "Production")

    assert reconcile() == 1
    assert reconcile() == 0
    assert entries() == [promoted("ver-001", "ver-002")]
    with open_stores(write=False) as stores:
        assert stores.registry.find_promoted(model.name) == 1
        assert stores.registry.list_staged(model.name) == [1]
        held = versions.list_promotions(stores, model.id, page=1, page_size=20).page.results
    assert [(tenure.version, tenure.by, tenure.source) for tenure in held] == [
        (1, "mlflow", "mlflow"),
        (2, "user-1", "api"),
        (1, "user-1", "api"),
    ]


def test_an_alias_a_client_moves_is_a_stage_too(open_stores, runtime, model, reconcile, mlflow_client):
    for _ in range(2):
        add_by_client(runtime, model)
    mlflow_client("transition_model_version_stage", model.name, "1", "Production")
    reconcile()
    mlflow_client("set_registered_model_alias", model.name, "production", "2")
    assert reconcile() == 1
    with open_stores(write=False) as stores:
        assert stores.registry.list_staged(model.name) == [2]

    mlflow_client("delete_registered_model_alias", model.name, "production")
    assert reconcile() == 1
    assert reconcile() == 0
    with open_stores(write=False) as stores:
        assert stores.registry.list_staged(model.name) == []


def test_files_of_a_version_a_client_deleted_are_removed(open_stores, model, reconcile, mlflow_client, tmp_path):
    (tmp_path / "model.pkl").write_bytes(b"x")
    with open_stores() as stores:
        add_version(stores, model, model_file=tmp_path / "model.pkl")
    mlflow_client("delete_model_version", model.name, "1")

    assert reconcile() == 1
    with open_stores(write=False) as stores:
        assert stores.files.list_keys(model.id) == []


@pytest.mark.both_databases
def test_a_client_may_archive_the_promoted_version_along(open_stores, runtime, model, reconcile, mlflow_client):
    for _ in range(2):
        add_by_client(runtime, model)
    for number in "12":
        mlflow_client(
            "transition_model_version_stage", model.name, number, "Production", archive_existing_versions=True
        )
        assert reconcile() == 1

    with open_stores(write=False) as stores:
        assert (stores.registry.find_promoted(model.name), stores.registry.list_staged(model.name)) == (2, [2])
