"""What operations declare is what is promised."""

from tests.contract.offered import each, offered, operations_of
from tests.contract.published import ANY_ROLE_SHOWS, BESIDE, TO_COME, needs_contract, parse, promises

pytestmark = needs_contract


def test_nothing_is_offered_that_is_not_promised():
    assert not offered().keys() - promises().keys()


def test_what_is_promised_is_offered_or_still_to_come():
    to_come = set().union(*TO_COME.values())
    missing = promises().keys() - offered().keys() - BESIDE
    assert not {name for name in missing if not {name, name.partition(".")[0]} & to_come}


def test_the_application_has_what_its_rooms_declare(app):
    assert operations_of(app) == offered()


@each(sockets=True, others=True)
def test_it_is_reached_as_promised(promise):
    wanted = {(promise.method, path) for path in (promise.path, *promise.aliases)}
    assert offered()[promise.id].routes == wanted


@each(sockets=True, others=True)
def test_it_asks_for_the_promised_permission(promise):
    wanted = parse(promise.permission)
    if promise.id in ANY_ROLE_SHOWS:
        wanted |= {frozenset({"any role"})}
    assert frozenset(offered()[promise.id].operation.needs.alternatives) == wanted


@each(sockets=True, others=True)
def test_it_declares_the_promised_outcome(promise):
    operation = offered()[promise.id].operation
    assert operation.status == promise.success
    assert operation.audit == promise.audit
    assert (operation.location is not None) == promise.has_location
