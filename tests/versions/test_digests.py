"""Whether the files of a version that an MLflow client registered are still those that were seen first."""

from pathlib import Path

import pytest

from studio.backends.mlflow.digests import digest_of
from studio.errors import ModelFilesChanged
from studio.versions import service as versions
from tests.factories import make_model
from tests.versions.factories import add_by_client, add_model_version, classifier


@pytest.fixture
def model(open_stores):
    with open_stores() as stores:
        return make_model(stores)


@pytest.fixture
def source(open_stores, model):
    """Address of a complete model folder, that of version 1."""
    with open_stores() as stores:
        return add_model_version(stores, model, classifier()).source


@pytest.fixture
def version_of(open_stores, model):
    def read(number):
        with open_stores(write=False) as stores:
            return versions.find_version(stores, model.id, f"ver-{number:03}")

    return read


def folder_of(open_stores, model, number):
    with open_stores(write=False) as stores:
        return Path(stores.registry.storage_address(model.name, number))


@pytest.mark.both_databases
def test_it_is_taken_when_the_version_is_first_seen(
    open_stores, runtime, model, source, reconcile, entries, version_of
):
    assert add_by_client(runtime, model, source) == 2
    assert version_of(2).digest is None

    assert (reconcile(), reconcile()) == (1, 0)

    seen = version_of(2)
    assert seen.digest == digest_of(folder_of(open_stores, model, 2))
    assert (seen.is_external, seen.algorithm, seen.run_id, seen.tags) == (True, "external", None, {})
    assert [action for action, _, _ in entries()] == ["model.version_registered"]


def test_later_changes_do_not_become_right_by_being_seen_again(
    open_stores, runtime, model, source, reconcile, version_of
):
    add_by_client(runtime, model, source)
    reconcile()
    first = version_of(2).digest
    (folder_of(open_stores, model, 2) / "more.py").write_text("")
    add_by_client(runtime, model, source)

    reconcile()

    assert version_of(2).digest == first
    assert version_of(3).digest != first  # registered as it is now


def test_a_folder_that_is_filled_later_is_taken_at_its_first_use(
    open_stores, runtime, model, source, reconcile, version_of
):
    folder = folder_of(open_stores, model, 1)
    hidden = folder.rename(folder.with_name("not yet there"))
    add_by_client(runtime, model, source)
    assert reconcile() == 1
    assert version_of(2).digest is None

    hidden.rename(folder)
    with open_stores(write=False) as stores:
        used = versions.ensure_digest(stores, model.name, version_of(2))
    assert used.digest == version_of(2).digest == digest_of(folder)


def test_a_version_whose_folder_holds_a_link_is_registered_but_never_used(
    open_stores, runtime, model, source, reconcile, version_of
):
    (folder_of(open_stores, model, 1) / "link").symlink_to("/etc/hostname")
    add_by_client(runtime, model, source)
    assert reconcile() == 1
    assert version_of(2).digest is None
    with open_stores(write=False) as stores, pytest.raises(ModelFilesChanged, match="symbolic link"):
        versions.ensure_digest(stores, model.name, version_of(2))
