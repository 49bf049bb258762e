"""Calls of the audit log."""

import pytest

LOG = "/api/v1/models/audit-logs"


@pytest.fixture
def ask(client, headers):
    """Calls the list, or another path, with a query."""

    def ask(path=LOG, accept="application/json", **query):
        return client.get(path, query_string=query, headers={**headers(), "Accept": accept})

    ask()  # a caller's first call makes a member, which is an entry too
    return ask
