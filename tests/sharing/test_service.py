"""Collaborators: who may add, change and remove them, and that there is one owner."""

import threading

import pytest

from studio.collaborators import service as roles
from studio.domain.permissions import Role
from studio.errors import (
    AlreadyCollaborator,
    CollaboratorNotFound,
    Forbidden,
    NotAMember,
    OwnerCannotBeRemoved,
    OwnerRoleFixed,
)
from studio.models import service as models
from studio.organizations import service as organizations
from studio.sharing import service
from tests.factories import make_model

pytestmark = pytest.mark.both_databases


@pytest.fixture
def model_id(open_stores):
    """A model of ``user-1``; ``user-2`` to ``user-4`` are members, and ``robot`` has no address."""
    for number in range(1, 5):
        with open_stores(user=f"user-{number}", permissions=[]) as stores:
            organizations.provision_member(stores)
    with open_stores() as stores:
        return make_model(stores).id


def add(open_stores, model_id, number, role, caller="user-1", permissions=()):
    with open_stores(user=caller, permissions=permissions) as stores:
        return service.add_collaborator(stores, model_id, f"USER-{number}@example.ORG", role)


def held(open_stores, model_id):
    with open_stores() as stores:
        return [(found.user_id, found.email, found.role) for found in service.list_collaborators(stores, model_id)]


def test_the_owner_stands_first(open_stores, model_id):
    add(open_stores, model_id, 2, Role.VIEWER)
    with open_stores(user="user-1", permissions=[]) as stores:
        roles.grant_role(stores, model_id, "a-robot", Role.EDITOR)
    assert held(open_stores, model_id) == [
        ("user-1", "user-1@example.org", "owner"),
        ("a-robot", None, "editor"),
        ("user-2", "user-2@example.org", "viewer"),
    ]


@pytest.mark.parametrize("email", ["nobody@example.org", "", "user-2@example.org'", "\0", "%", "user-_@example.org"])
def test_only_members_are_added(open_stores, model_id, email):
    with open_stores("others", user="user-9") as stores:
        organizations.provision_member(stores)
    for unknown in (email, "user-9@example.org"):
        with open_stores(user="user-1", permissions=[]) as stores, pytest.raises(NotAMember):
            service.add_collaborator(stores, model_id, unknown, Role.VIEWER)


def test_nobody_is_added_twice(open_stores, model_id):
    add(open_stores, model_id, 2, Role.VIEWER)
    with pytest.raises(AlreadyCollaborator):
        add(open_stores, model_id, 2, Role.EDITOR)
    with pytest.raises(AlreadyCollaborator):
        add(open_stores, model_id, 1, Role.EDITOR)
    assert held(open_stores, model_id)[1][2] == "viewer"


def test_a_role_changes_and_the_same_one_leaves_no_note(open_stores, model_id):
    add(open_stores, model_id, 2, Role.VIEWER)
    with open_stores() as stores:
        assert service.change_role(stores, model_id, "user-2", Role.ADMIN).role is Role.ADMIN
        assert stores.note.details == {"user_id": "user-2", "previous_role": "viewer", "new_role": "admin"}
    with open_stores() as stores:
        service.change_role(stores, model_id, "user-2", Role.ADMIN)
        assert stores.note is None


def test_the_owner_stays_the_owner(open_stores, model_id):
    with open_stores() as stores, pytest.raises(OwnerRoleFixed):
        service.change_role(stores, model_id, "user-1", Role.VIEWER)
    with open_stores() as stores, pytest.raises(OwnerCannotBeRemoved):
        service.remove_collaborator(stores, model_id, "user-1")
    for unknown in ("user-2", "", "x" * 500, "\0"):
        with open_stores() as stores, pytest.raises(CollaboratorNotFound):
            service.remove_collaborator(stores, model_id, unknown)


def test_a_removed_collaborator_sees_a_private_model_no_more(open_stores, model_id):
    add(open_stores, model_id, 2, Role.VIEWER)
    with open_stores() as stores:
        models.update_settings(stores, model_id, {"access": {"visibility": "private"}})
    with open_stores(user="user-2", permissions=["model:read"]) as stores:
        assert models.find_access(stores, model_id).role is Role.VIEWER
    with open_stores() as stores:
        service.remove_collaborator(stores, model_id, "user-2")
    with open_stores(user="user-2", permissions=["model:read"]) as stores:
        assert models.find_access(stores, model_id) is None


def test_every_change_gives_the_model_another_revision(open_stores, model_id):
    seen = set()

    def look():
        with open_stores() as stores:
            seen.add(models.get_model(stores, model_id).revision)

    look()
    add(open_stores, model_id, 2, Role.VIEWER)
    look()
    with open_stores() as stores:
        service.change_role(stores, model_id, "user-2", Role.EDITOR)
    look()
    with open_stores() as stores:
        service.transfer_ownership(stores, model_id, "user-2@example.org")
    look()
    with open_stores() as stores:
        service.remove_collaborator(stores, model_id, "user-1")
    look()
    assert len(seen) == 5  # though the clock stands still


class TestEditors:
    """Those who may invite where the settings say so."""

    @pytest.fixture(autouse=True)
    def editor(self, open_stores, model_id):
        add(open_stores, model_id, 2, Role.EDITOR)

    def allow(self, open_stores, model_id):
        with open_stores() as stores:
            models.update_settings(stores, model_id, {"access": {"allow_collaborator_invites": True}})

    def test_they_add_nobody_unless_allowed(self, open_stores, model_id):
        with pytest.raises(Forbidden):
            add(open_stores, model_id, 3, Role.VIEWER, "user-2", ["model:write"])

    def test_they_add_viewers_and_editors_and_no_admins(self, open_stores, model_id):
        self.allow(open_stores, model_id)
        with pytest.raises(Forbidden):
            add(open_stores, model_id, 3, Role.ADMIN, "user-2")
        add(open_stores, model_id, 3, Role.VIEWER, "user-2")
        add(open_stores, model_id, 4, Role.EDITOR, "user-2")
        with open_stores(user="user-2", permissions=[]) as stores, pytest.raises(Forbidden):
            service.change_role(stores, model_id, "user-3", Role.EDITOR)
        with open_stores(user="user-2", permissions=[]) as stores, pytest.raises(Forbidden):
            service.remove_collaborator(stores, model_id, "user-3")

    def test_viewers_and_strangers_add_nobody(self, open_stores, model_id):
        self.allow(open_stores, model_id)
        add(open_stores, model_id, 3, Role.VIEWER)
        for caller in ("user-3", "user-4"):
            with pytest.raises(Forbidden):
                add(open_stores, model_id, 4, Role.VIEWER, caller, ["model:write"])


class TestTransfer:
    """Handing a model over."""

    def test_the_former_owner_stays_as_admin(self, open_stores, model_id):
        add(open_stores, model_id, 2, Role.VIEWER)
        with open_stores(user="user-1", permissions=[]) as stores:
            after = service.transfer_ownership(stores, model_id, "User-2@example.org")
            assert stores.note.details == {"previous_owner": "user-1", "new_owner": "user-2"}
        assert [(one.user_id, one.role) for one in after] == [("user-2", "owner"), ("user-1", "admin")]

    def test_the_present_owner_changes_nothing(self, open_stores, model_id):
        with open_stores(user="user-1", permissions=[]) as stores:
            after = service.transfer_ownership(stores, model_id, "user-1@example.org")
            assert (stores.note, [one.role for one in after]) == (None, ["owner"])

    def test_it_takes_a_member_and_an_owner(self, open_stores, model_id):
        add(open_stores, model_id, 2, Role.ADMIN)
        with open_stores(user="user-1", permissions=[]) as stores, pytest.raises(NotAMember):
            service.transfer_ownership(stores, model_id, "nobody@example.org")
        with open_stores(user="user-2", permissions=["model:write"]) as stores, pytest.raises(Forbidden):
            service.transfer_ownership(stores, model_id, "user-2@example.org")

    def test_two_at_once_leave_one_owner(self, open_stores, model_id):
        start, refused = threading.Barrier(2), []

        def transfer(number):
            start.wait()
            try:
                with open_stores(user="user-1", permissions=[]) as stores:
                    service.transfer_ownership(stores, model_id, f"user-{number}@example.org")
            except Forbidden:
                refused.append(number)

        threads = [threading.Thread(target=transfer, args=[number]) for number in (2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        owner, second = held(open_stores, model_id)
        assert len(refused) == 1
        assert (owner[2], second[0], second[2]) == ("owner", "user-1", "admin")
