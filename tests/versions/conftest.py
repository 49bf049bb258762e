"""What an MLflow client does, and what is then in the audit log."""

import pytest

from studio.audit import service as audit
from studio.versions import service as versions


@pytest.fixture
def reconcile(open_stores):
    """One round of the worker; gives how many models had changed."""

    def one_round():
        with open_stores(write=False) as stores:
            return versions.reconcile(stores, stores.registry.list_entries())

    return one_round


@pytest.fixture
def entries(open_stores):
    """Audit entries so far, oldest first, as (action, actor, details)."""

    def read():
        with open_stores(write=False) as stores:
            wanted = audit.AuditFilter(newest_first=False)
            found = audit.list_entries(stores, wanted, page=1, page_size=100).results
            return [(entry.action, str(entry.actor.type), dict(entry.details)) for entry in found]

    return read


@pytest.fixture
def mlflow_client(runtime):
    """Runs a call of an MLflow client, for ``acme``."""

    def call(verb, *args, **given):
        with runtime.connection.bound("acme") as client:
            return getattr(client, verb)(*args, **given)

    return call
