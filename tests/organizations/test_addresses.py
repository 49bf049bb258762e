"""An e-mail address is one member's, also when two come with it at once."""

import threading

import pytest

from studio.errors import AlreadyMember
from studio.organizations import service

pytestmark = pytest.mark.both_databases

AT_ONCE = 4


def at_once(act):
    """Run an act in several threads that wait for one another; gives what each returned or raised."""
    together, outcomes = threading.Barrier(AT_ONCE), [None] * AT_ONCE

    def run(number):
        together.wait()
        try:
            outcomes[number] = act(number)
        except Exception as error:
            outcomes[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def addresses(open_stores):
    with open_stores(write=False) as stores:
        page = service.list_members(stores, search=None, page=1, page_size=100)
        return {member.user_id: member.email for member in page.results}


def test_one_of_several_simultaneous_additions_wins(open_stores, client, headers):
    client.get("/api/v1/models", headers=headers())

    def add(number):
        body = {"user_id": f"new-{number}", "email": "Li@Example.org" if number % 2 else "li@example.org"}
        answer = client.application.test_client().post("/api/v1/organization/members", json=body, headers=headers())
        return answer.status_code, answer.json.get("code")

    assert sorted(at_once(add)) == [(201, None)] + [(409, "already_member")] * (AT_ONCE - 1)
    assert len(addresses(open_stores)) == 2


def test_an_address_goes_over_to_whoever_comes_with_it(open_stores):
    with open_stores(user="old", email="li@example.org") as stores:
        service.provision_member(stores)
    with open_stores(user="new", email="LI@example.org") as stores:
        service.provision_member(stores)
        assert service.find_member_by_email(stores, "li@example.org") == "new"
    assert addresses(open_stores) == {"old": None, "new": "LI@example.org"}
    with open_stores(user="old", email="li@example.org") as stores:
        service.provision_member(stores)
    assert addresses(open_stores) == {"old": "li@example.org", "new": None}


def test_others_keep_the_same_address_in_their_organization(open_stores):
    for organization in ("acme", "other"):
        with open_stores(organization, user="li", email="li@example.org") as stores:
            service.provision_member(stores)
    assert addresses(open_stores) == {"li": "li@example.org"}


def test_service_accounts_have_none(open_stores, client, token):
    for account in ("svc-00000001", "svc-00000002"):
        bearer = {"Authorization": f"Bearer {token(user=account, email=None)}"}
        assert client.get("/api/v1/models", headers=bearer).status_code == 200
    assert addresses(open_stores) == {"svc-00000001": None, "svc-00000002": None}


def test_several_come_with_one_address_at_once(open_stores):
    def provision(number):
        with open_stores(user=f"user-{number}", email="li@example.org") as stores:
            service.provision_member(stores)

    assert at_once(provision) == [None] * AT_ONCE
    assert sorted(addresses(open_stores).values(), key=str) == [None] * (AT_ONCE - 1) + ["li@example.org"]


def test_an_address_that_was_given_over_can_not_be_added(open_stores):
    with open_stores(user="li", email="li@example.org") as stores:
        service.provision_member(stores)
    with pytest.raises(AlreadyMember), open_stores() as stores:
        service.add_member(stores, user_id="other", email="LI@EXAMPLE.ORG")
