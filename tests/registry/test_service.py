import pytest

from studio.errors import ModelNotFound, NothingPromoted
from studio.registry import service as registry
from studio.versions import service as versions
from tests.factories import make_model
from tests.versions.factories import FEATURES, add_by_client, add_model_version, add_version, classifier, random_id


@pytest.fixture
def model(open_stores, tmp_path):
    """A model with a promoted version that has files, and a newer one that has none."""
    (tmp_path / "model.pkl").write_bytes(b"x")
    with open_stores() as stores:
        model = make_model(stores, description="Parcels")
    with open_stores() as stores:
        add_model_version(stores, model, classifier(), model_file=tmp_path / "model.pkl")
    with open_stores() as stores:
        add_version(stores, model, source="mlflow-artifacts:/workspaces/acme/1/x")
        versions.promote_version(stores, model.id, "ver-001")
    return model


@pytest.fixture
def read(open_stores, model):
    def read(get=registry.get_listing, model_id=model.id, **choices):
        with open_stores(write=False) as stores:
            return get(stores, model_id, **choices)

    return read


@pytest.mark.both_databases
def test_the_promoted_version_is_told_with_its_signature(read, model, clock):
    listing = read()

    assert (listing.model_id, listing.model_name, listing.versions) == (model.id, model.name, None)
    assert (listing.promoted.version.id, listing.promoted.promoted_at) == ("ver-001", clock.now)
    assert listing.promoted.artifact_uri == f"local://models/{model.id}/v1/model.pkl"
    assert [(column.name, column.type) for column in listing.signature.inputs] == list(
        zip(FEATURES, ["double", "double", "string", "boolean"], strict=True)
    )
    assert [(column.name, column.type) for column in listing.signature.outputs] == [("prediction", "string")]


def test_all_versions_are_listed_newest_first(read):
    found = read(include_all_versions=True).versions
    assert [(one.version.id, one.version.is_promoted) for one in found] == [("ver-002", False), ("ver-001", True)]
    assert [one.artifact_uri[:12] for one in found] == ["mlflow-artif", "local://mode"]


@pytest.mark.both_databases
def test_mlflows_form_is_that_of_its_own_api(read, model, mlflow_registered):
    told = read(registry.get_mlflow_listing, include_all_versions=True)
    held = mlflow_registered(model.name)

    assert (told["name"], told["description"]) == (model.name, "Parcels")
    assert told["creation_timestamp"] == held.creation_timestamp
    assert told["last_updated_timestamp"] == held.last_updated_timestamp
    assert told["tags"] == [{"key": "model_id", "value": model.id}]
    assert told["aliases"] == [{"alias": "production", "version": "1"}]
    assert [(one["version"], one["status"], one["aliases"]) for one in told["versions"]] == [
        ("2", "READY", []),
        ("1", "READY", ["production"]),
    ]
    assert {one["current_stage"] for one in told["latest_versions"]} == {"None", "Production"}
    assert not [tag for one in told["versions"] for tag in one["tags"]]


@pytest.fixture
def mlflow_registered(runtime):
    """The registered model as MLflow's client finds it."""

    def find(name):
        with runtime.connection.bound("acme") as client:
            return client.get_registered_model(name)

    return find


def test_a_version_of_a_client_needs_no_files_and_no_history(read, runtime, model):
    number = add_by_client(runtime, model, source="runs:/0123456789abcdef0123456789abcdef/model")
    with runtime.connection.bound("acme") as client:
        client.set_registered_model_alias(model.name, "production", str(number))

    listing = read()

    assert (listing.promoted.version.id, listing.promoted.version.algorithm) == ("ver-003", "external")
    assert listing.promoted.artifact_uri == "runs:/0123456789abcdef0123456789abcdef/model"
    assert listing.promoted.promoted_at is not None
    assert (listing.signature.inputs, listing.signature.outputs) == ([], [])


@pytest.mark.parametrize("get", [registry.get_listing, registry.get_mlflow_listing])
def test_nothing_promoted_is_absent(open_stores, read, get):
    with open_stores() as stores:
        other = make_model(stores, name="other")
    with pytest.raises(NothingPromoted):
        read(get, other.id)
    with pytest.raises(ModelNotFound):
        read(get, random_id())
