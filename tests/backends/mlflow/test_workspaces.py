import threading

import pytest
from mlflow.store.workspace.abstract_store import WorkspaceNameValidator
from mlflow.tracking._workspace.registry import get_workspace_store
from mlflow.utils.workspace_context import get_request_workspace
from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME

from studio.backends.mlflow.workspaces import bind_workspace, ensure_workspace, workspace_of

ODD = ["a", "acme-", "default", "api", "workspaces", "static-files", "ajax-api", "org--x", "a" * 63, "1" * 62 + "-"]


def test_a_workspace_is_named_like_its_organization():
    assert workspace_of("acme-2") == "acme-2"


def test_every_slug_has_a_workspace_of_its_own_that_mlflow_takes():
    slugs = [*ODD, *(workspace_of(slug) for slug in ODD)]
    names = {workspace_of(slug) for slug in slugs}

    assert len(names) == len(set(slugs))
    for name in names:
        WorkspaceNameValidator.validate(name)
    assert DEFAULT_WORKSPACE_NAME not in names


def test_bindings_nest_and_end(mlflow_connection):
    url = mlflow_connection.tracking_url
    with bind_workspace(url, "acme"):
        with bind_workspace(url, "borealis"):
            assert get_request_workspace() == "borealis"
        assert get_request_workspace() == "acme"
        with pytest.raises(KeyError), bind_workspace(url, "borealis"):
            raise KeyError
        assert get_request_workspace() == "acme"
    assert get_request_workspace() is None


def test_a_binding_is_not_seen_by_other_threads(mlflow_connection):
    seen = []
    with bind_workspace(mlflow_connection.tracking_url, "acme"):
        thread = threading.Thread(target=lambda: seen.append(get_request_workspace()))
        thread.start()
        thread.join()

    assert seen == [None]


def test_a_workspace_is_made_once_however_many_ask(mlflow_connection, monkeypatch):
    from studio.backends.mlflow import workspaces

    monkeypatch.setattr(workspaces, "_known", set())
    barrier, failures = threading.Barrier(6), []

    def work():
        try:
            barrier.wait()
            ensure_workspace(mlflow_connection.tracking_url, "acme")
        except Exception as fault:
            failures.append(fault)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    names = [held.name for held in get_workspace_store(mlflow_connection.tracking_url).list_workspaces()]
    assert sorted(names) == ["acme", "default"]
