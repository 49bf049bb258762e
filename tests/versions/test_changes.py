"""Registries that MLflow clients have written to are noted once, and taken once."""

import pytest

from studio.versions import service


@pytest.mark.both_databases
def test_a_change_is_noted_once_and_taken_once(open_stores):
    for organization in ("acme", "acme", "others"):
        with open_stores(organization) as stores:
            service.note_change(stores)
    with open_stores() as stores:
        assert service.has_changes(stores.db)
        assert sorted(service.take_changes(stores.db)) == ["acme", "others"]
    with open_stores() as stores:
        assert not service.has_changes(stores.db)
        assert service.take_changes(stores.db) == []
