"""Members, and what an organization sets for all its models."""

import pytest

from studio.errors import AlreadyMember, UnknownAlgorithm
from studio.models import service as models
from studio.organizations import service
from tests.factories import make_model

pytestmark = pytest.mark.both_databases


def emails(stores, **facts):
    return [
        member.email
        for member in service.list_members(stores, **{"search": None, "page": 1, "page_size": 20, **facts}).results
    ]


def test_an_added_member_is_recognised_at_the_first_call(open_stores):
    with open_stores() as stores:
        added = service.add_member(stores, user_id="user-7", email="Li@example.org")
        assert (added.first_seen_at, added.last_seen_at, added.added_by, added.type) == (None, None, "user-1", "user")
    with open_stores(user="user-7") as stores:
        assert not service.is_up_to_date(stores)
        service.provision_member(stores)
        member = service.list_members(stores, search="user-7", page=1, page_size=9).results[0]
        assert (member.added_by, member.first_seen_at) == ("user-1", stores.now())


@pytest.mark.parametrize(
    ("user_id", "email"), [("user-7", "new@example.org"), ("user-8", "LI@example.org"), ("user-8", "li@Example.ORG")]
)
def test_id_and_address_are_given_once(stores, user_id, email):
    service.add_member(stores, user_id="user-7", email="li@example.org")
    with pytest.raises(AlreadyMember):
        service.add_member(stores, user_id=user_id, email=email)


def test_members_are_found_by_part_of_address_or_id(stores):
    for number, name in enumerate(("ana", "li", "o%k_")):
        service.add_member(stores, user_id=f"u{number}", email=f"{name}@example.org")
        stores.note = None
    assert emails(stores, search="ANA") == ["ana@example.org"]
    assert emails(stores, search="u1") == ["li@example.org"]
    assert emails(stores, search="%") == ["o%k_@example.org"]
    assert emails(stores, search="nobody'; --") == []
    assert emails(stores, page=2, page_size=2) == ["o%k_@example.org"]


def test_what_an_organization_sets_holds_where_a_model_sets_nothing(stores):
    model = make_model(stores, "one", config={"search": {"max_trials": 5}})
    stores.note = None
    service.replace_config(stores, {"search": {"max_trials": 30, "sampler": "random"}, "imbalance": "none"})
    assert stores.note.details["new_config"]["imbalance"] == "none"
    found = models.get_model(stores, model.id)
    assert (found.config["search"]["max_trials"], found.config["search"]["sampler"]) == (5, "random")
    assert found.sources["search.max_trials"] == "model"
    assert (found.sources["search.sampler"], found.sources["imbalance"]) == ("organization", "organization")


def test_it_is_replaced_as_a_whole_and_cleared(stores):
    assert service.get_config(stores).updated_at is None
    service.replace_config(stores, {"imbalance": "none"})
    stores.note = None
    assert service.replace_config(stores, {"imbalance": "none"}).updated_by == "user-1"
    assert stores.note is None  # the same again changes nothing
    assert service.replace_config(stores, {"compute_shap": True}).overrides == {"compute_shap": True}
    stores.note = None
    assert service.replace_config(stores, {}).overrides == {}


def test_an_algorithm_no_task_has_is_refused(stores):
    with pytest.raises(UnknownAlgorithm):
        service.replace_config(stores, {"algorithm": "oracle"})
    assert service.replace_config(stores, {"algorithm": "linear_regression"}).overrides
