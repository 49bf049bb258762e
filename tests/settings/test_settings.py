"""Settings: merged by section, with a section of its own right."""

import pytest

from studio.domain.model_settings import DEFAULTS
from studio.errors import Forbidden
from studio.models import service as models
from tests.factories import make_model


@pytest.mark.both_databases
class TestMerging:
    def test_what_nobody_set_is_the_default(self, stores):
        assert models.get_settings(stores, make_model(stores).id) == DEFAULTS

    def test_each_section_is_merged(self, stores):
        model = make_model(stores)
        models.update_settings(stores, model.id, {"display": {"icon": "truck"}})
        stores.note = None
        changes = {"display": {"color_label": "#336699"}, "notifications": {"notify_emails": ["a@b.org"]}}
        after = models.update_settings(stores, model.id, changes)
        assert after["display"] == {"pinned_to_dashboard": False, "color_label": "#336699", "icon": "truck"}
        assert after == models.get_settings(stores, model.id)
        assert stores.note.details["changes"] == {
            "display.color_label": {"previous": "#6B7280", "new": "#336699"},
            "notifications.notify_emails": {"previous": [], "new": ["a@b.org"]},
        }

    def test_a_change_to_what_it_is_leaves_no_note(self, stores):
        model = make_model(stores)
        models.update_settings(stores, model.id, {"display": {"icon": "model"}, "access": {"visibility": "org"}})
        assert stores.note is None

    def test_the_way_back_leaves_nothing(self, stores):
        model = make_model(stores)
        for visibility in ("private", "org"):
            stores.note = None
            models.update_settings(stores, model.id, {"access": {"visibility": visibility}})
        assert models.get_settings(stores, model.id) == DEFAULTS

    def test_access_needs_manage(self, open_stores):
        with open_stores() as stores:
            model = make_model(stores)
        changes = {"display": {"icon": "truck"}, "access": {"visibility": "private"}}
        with open_stores(user="user-2", permissions=["model:write"]) as stores, pytest.raises(Forbidden):
            models.update_settings(stores, model.id, changes)
        with open_stores() as stores:
            assert models.get_settings(stores, model.id) == DEFAULTS


@pytest.fixture
def path(open_stores):
    with open_stores() as stores:
        return f"/api/v1/models/{make_model(stores).id}"


def test_a_private_model_is_gone_at_the_next_call(client, headers, path):
    reader = headers(user="user-2", permissions=["model:read"])
    assert client.get(path, headers=reader).status_code == 200
    private = {"access": {"visibility": "private"}}
    refused = client.patch(
        f"{path}/settings", headers=headers(user="user-2", permissions=["model:write"]), json=private
    )
    assert (refused.status_code, refused.json["code"]) == (403, "forbidden")
    assert client.patch(f"{path}/settings", headers=headers(), json=private).status_code == 200
    assert client.get(path, headers=reader).json["code"] == "model_not_found"
    assert client.get("/api/v1/models", headers=reader).json["total"] == 0


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"display": {"color_label": "336699"}}, "/display/color_label"),
        ({"display": {"color_label": "#336699\n"}}, "/display/color_label"),
        ({"display": {"icon": "x" * 41}}, "/display/icon"),
        ({"display": {"icon": ""}}, "/display/icon"),
        ({"display": {"pinned_to_dashboard": "yes"}}, "/display/pinned_to_dashboard"),
        ({"notifications": {"notify_emails": ["a@b.org\nBcc: c@d.org"]}}, "/notifications/notify_emails/0"),
        ({"notifications": {"notify_emails": ["a@b.org"] * 21}}, "/notifications/notify_emails"),
        ({"access": {"visibility": "public"}}, "/access/visibility"),
        ({"access": None}, "/access"),
        ({"nothing": {}}, "/nothing"),
    ],
)
def test_what_makes_no_sense_is_refused(client, headers, path, body, pointer):
    answer = client.patch(f"{path}/settings", headers=headers(), json=body)
    assert (answer.status_code, [fault["pointer"] for fault in answer.json["errors"]]) == (422, [pointer])


@pytest.mark.parametrize("icon", ["x" * 40, "a-1"])
def test_the_bounds_are_taken(client, headers, path, icon):
    body = {"display": {"icon": icon}, "notifications": {"notify_emails": [f"a{n}@b.org" for n in range(20)]}}
    answer = client.patch(f"{path}/settings", headers=headers(), json=body)
    assert (answer.status_code, answer.json["display"]["icon"]) == (200, icon)
