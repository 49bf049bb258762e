"""The audit chain: whole as long as nobody touches it, and broken where somebody did."""

from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from studio.audit import service
from studio.errors import InvalidInput, InvalidRange
from tests.audit.chains import fill

pytestmark = pytest.mark.both_databases


def test_each_entry_follows_the_one_before(stores):
    entries = fill(stores)
    assert [entry.number for entry in entries] == [1, 2, 3, 4, 5]
    assert entries[0].previous_hash == "0" * 64
    assert all(later.previous_hash == earlier.hash for earlier, later in pairwise(entries))
    assert service.verify_chain(stores) == service.Verdict(True, 5, None)


def test_organizations_have_chains_of_their_own(open_stores):
    for organization in ("acme", "others"):
        with open_stores(organization) as stores:
            fill(stores, 2)
    with open_stores("others") as stores:
        assert service.verify_chain(stores).entries == 2


@pytest.mark.parametrize("statement", ["UPDATE audit_entries SET user_id = 'x'", "DELETE FROM audit_entries"])
def test_the_service_itself_cannot_change_an_entry(open_stores, statement):
    with open_stores() as stores:
        fill(stores, 1)
    with pytest.raises(DatabaseError, match="cannot be changed"), open_stores() as stores:
        stores.db.execute(text(statement))


def test_entries_are_found_by_what_they_tell(stores, clock):
    fill(stores)
    clock.advance(days=1)
    service.append_entry(stores, "model.deleted", model_id="mdl-00000000", details={})
    clock.advance(seconds=1)
    found = lambda **wanted: service.list_entries(stores, service.AuditFilter(**wanted), page=1, page_size=50)  # noqa: E731
    assert found().total == 6
    assert [entry.number for entry in found(newest_first=False).results] == [1, 2, 3, 4, 5, 6]
    assert found(model_id="mdl-00000001").total == 2
    assert found(action="model.deleted").total == 1
    assert found(user_id="nobody").total == 0
    assert found(since=clock.now - timedelta(minutes=1)).total == 1
    assert len(list(service.each_entry(stores, service.AuditFilter()))) == 6


def test_a_filter_that_makes_no_sense_is_refused(stores, clock):
    with pytest.raises(InvalidInput):
        service.check_filter(stores, service.AuditFilter(action="model.eaten"))
    with pytest.raises(InvalidRange):
        service.check_filter(stores, service.AuditFilter(since=clock.now, until=clock.advance(days=-1)))


def test_an_action_must_be_one_of_the_catalogue(stores):
    with pytest.raises(ValueError, match="not an audit action"):
        service.append_entry(stores, "model.eaten", model_id=None, details={})


@pytest.mark.parametrize("fact", [2**53, -(2**63) - 1, 10**40, 1e17, 2.0**70, float("nan"), float("inf"), "\ud800"])
def test_no_fact_makes_an_entry_fail_or_the_chain_broken(open_stores, fact):
    with open_stores() as stores:
        fill(stores, 2, details={"fact": fact, "nested": [{"fact": fact}]})
    with open_stores(write=False) as stores:
        assert service.verify_chain(stores) == service.Verdict(True, 2, None)


def test_a_number_no_double_holds_is_told_as_text(stores):
    [entry] = fill(stores, 1, details={"seed": 2**64})
    assert entry.details == {"seed": "18446744073709551616"}
    listed = service.list_entries(stores, service.AuditFilter(), page=1, page_size=1).results
    assert listed == [entry]
