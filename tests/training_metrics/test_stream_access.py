"""Who may listen, and with which code everybody else is closed."""

import pytest
import requests

from studio.collaborators.tables import RoleRow
from studio.models.tables import ModelRow
from studio.web import sockets
from studio.web.sockets import Pace, close_all_sockets

UNKNOWN = "mdl-00000000"
REFUSED = (4401, "unauthenticated")


def end_of(listener):
    """Code and reason of a socket that tells nothing."""
    messages, code, reason = listener.rest()
    assert messages == []
    return code, reason


def role_of(story):
    """A viewer's role on the model, for ``user-2``."""
    return RoleRow(organization="acme", model_id=story.model_id, user_id="user-2", role="viewer")


@pytest.fixture
def ticket(client, headers):
    """Makes a ticket for a run's stream."""

    def make(caller=None, **body):
        answer = client.post("/api/v1/models/stream-tickets", headers=caller or headers(), json=body)
        assert answer.status_code == 201, answer.text
        return answer.json["ticket"]

    return make


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer x.y.z", "Bearer \u00ff", "Basic dXNlcjpwYXNz", "Bearer " + "e" * 4000]
)
def test_a_caller_nobody_knows_is_closed_with_4401(story, listen, authorization):
    caller = {} if authorization is None else {"Authorization": authorization}
    with listen(story, caller=caller) as listener:
        assert end_of(listener) == REFUSED


def test_an_expired_token_is_closed_with_4401(story, listen, headers):
    with listen(story, caller=headers(lifetime_s=-60)) as listener:
        assert end_of(listener) == REFUSED


def test_a_revoked_token_is_closed_with_4401(story, listen, headers, client):
    caller = headers()
    assert client.delete("/api/v1/auth/token", headers=caller).status_code == 204
    with listen(story, caller=caller) as listener:
        assert end_of(listener) == REFUSED


def test_a_caller_without_permission_is_closed_with_4403(story, listen, headers):
    with listen(story, caller=headers(user="user-2", permissions=["dataset:read"])) as listener:
        assert end_of(listener) == (4403, "forbidden")


@pytest.mark.parametrize("model_id", [UNKNOWN, "mdl-xyz", "%00", "'"])
def test_an_unknown_model_is_closed_with_4404(story, listen, model_id):
    with listen(story, model_id=model_id) as listener:
        assert end_of(listener) == (4404, "not_found")


def test_another_organization_s_model_is_closed_with_4404(story, listen, headers):
    with listen(story, caller=headers(org="other")) as listener:
        assert end_of(listener) == (4404, "not_found")


def test_another_model_s_run_is_closed_with_4404(story, start_story, listen):
    other = start_story(name="Other")
    for run_id in (other.run_id, "run-20260101-000000", "nonsense"):
        with listen(story, f"run_id={run_id}") as listener:
            assert end_of(listener) == (4404, "not_found")


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "", "null", "1e3", str(10**9 + 1), str(2**63), "9" * 400])
def test_a_parameter_that_is_no_sequence_number_is_closed_with_1008(story, listen, after):
    with listen(story, f"after={after}") as listener:
        assert end_of(listener) == (1008, "validation_failed")


@pytest.mark.parametrize("query", ["after=0", "after=00", "after=0&after=7", "page=x&anything=1"])
def test_what_is_fine_or_unknown_is_taken(story, listen, query):
    with listen(story, query) as listener:
        assert listener.seqs(1) == [1]


def test_the_largest_sequence_number_lies_beyond_every_end(story, listen):
    with listen(story, f"after={10**9}") as listener:
        story.end()
        assert end_of(listener) == (1000, "")


def test_a_reader_may_listen(story, listen, headers):
    with listen(story, caller=headers(user="user-2", permissions=["model:read"])) as listener:
        assert listener.seqs(1) == [1]


def test_a_collaborator_may_listen_with_a_role_alone(story, listen, headers):
    with story.open_stores() as stores:
        stores.db.get(ModelRow, story.model_id).visibility = "private"
        stores.db.add(role_of(story))
    with listen(story, caller=headers(user="user-2", permissions=[])) as listener:
        assert listener.seqs(1) == [1]
    with listen(story, caller=headers(user="user-3", permissions=["model:read"])) as listener:
        assert end_of(listener) == (4404, "not_found")


def test_a_ticket_opens_one_handshake(story, listen, ticket):
    opened = ticket(model_id=story.model_id)
    with listen(story, f"ticket={opened}", caller={}) as listener:
        assert listener.seqs(1) == [1]
    with listen(story, f"ticket={opened}", caller={}) as listener:
        assert end_of(listener) == REFUSED


def test_a_ticket_is_good_for_half_a_minute_and_not_longer(story, listen, ticket, clock):
    opened, late = ticket(model_id=story.model_id), ticket(model_id=story.model_id)
    clock.advance(seconds=30)
    with listen(story, f"ticket={opened}", caller={}) as listener:
        assert listener.seqs(1) == [1]
    opened = late
    clock.advance(seconds=1)
    with listen(story, f"ticket={opened}", caller={}) as listener:
        assert end_of(listener) == REFUSED


def test_a_ticket_is_for_its_model_and_run_alone(story, start_story, listen, ticket):
    other = start_story(name="Other")
    second = story.begin_another()
    with listen(other, f"ticket={ticket(model_id=story.model_id)}", caller={}) as listener:
        assert end_of(listener) == REFUSED
    with listen(story, f"ticket={ticket()}", caller={}) as listener:
        assert end_of(listener) == REFUSED
    opened = ticket(model_id=story.model_id, run_id=story.run_id)
    with listen(story, f"ticket={opened}&run_id={second.run_id}", caller={}) as listener:
        assert end_of(listener) == REFUSED
    opened = ticket(model_id=story.model_id, run_id=story.run_id)
    with listen(story, f"ticket={opened}", caller={}) as listener:
        assert listener.take(1)[0]["run_id"] == story.run_id


def test_a_ticket_opens_nothing_its_caller_lost_meanwhile(story, listen, ticket, headers):
    opened = ticket(headers(user="user-2", permissions=["model:read"]), model_id=story.model_id)
    with story.open_stores() as stores:
        stores.db.get(ModelRow, story.model_id).visibility = "private"
    with listen(story, f"ticket={opened}", caller={}) as listener:
        assert end_of(listener) == (4404, "not_found")


@pytest.mark.parametrize("ticket", ["", "stk_unknown", "%00"])
def test_an_unknown_ticket_is_closed_with_4401(story, listen, ticket):
    with listen(story, f"ticket={ticket}", caller={}) as listener:
        assert end_of(listener) == REFUSED


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.fixture
def ask(server, headers):
    """Sends a GET; status and body of the answer."""

    def send(path, **given):
        url = f"http://127.0.0.1:{server.port}/api/v1/models/{path}"
        answer = requests.get(url, headers={**headers(), **given}, timeout=20)
        return answer.status_code, answer.json(), answer.headers

    return send


def test_a_call_without_an_upgrade_is_told_that_the_path_is_a_socket(story, ask):
    status, body, _ = ask(f"{story.model_id}/training-metrics/stream")
    assert (status, body["code"]) == (422, "malformed_body")
    assert "is a WebSocket" in body["detail"]


@pytest.mark.parametrize("path", ["", "{model_id}", "{model_id}/training-metrics", "dashboard/stats"])
def test_an_upgrade_on_a_path_that_is_no_socket_is_told_so(story, ask, path):
    status, body, _ = ask(path.format(model_id=story.model_id), **UPGRADE)
    assert (status, body["code"]) == (404, "not_found")
    assert "no WebSocket at this path" in body["detail"]


def test_an_upgrade_on_an_unknown_path_is_not_found(ask):
    assert ask("nothing/of/this", **UPGRADE)[0] == 404


def test_an_upgrade_to_something_else_is_passed_over(ask):
    assert ask("", Connection="Upgrade", Upgrade="h2c")[0] == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Sec-WebSocket-Version", "8"),
        ("Sec-WebSocket-Version", None),
        ("Sec-WebSocket-Key", None),
        ("Sec-WebSocket-Key", "short"),
    ],
)
def test_a_handshake_of_another_version_or_without_a_key_names_the_header(story, ask, name, value):
    given = {key: told for key, told in {**UPGRADE, name: value}.items() if told is not None}
    status, body, headers = ask(f"{story.model_id}/training-metrics/stream", **given)
    assert (status, body["code"], headers["Sec-WebSocket-Version"]) == (422, "validation_failed", "13")
    assert [fault["pointer"] for fault in body["errors"]] == [name]


class TestLimit:
    """A caller that opens too many."""

    @pytest.fixture
    def config(self, config):
        return config.model_copy(update={"sockets_per_caller": 2})

    def test_one_socket_too_many_is_closed_with_1013(self, story, listen, headers, sockets):
        with listen(story) as first, listen(story) as second:
            assert first.seqs(1) == second.seqs(1) == [1]
            with listen(story) as third:
                assert end_of(third) == (1013, "too_many_sockets")
            with listen(story, caller=headers(user="user-2")) as other:
                assert other.seqs(1) == [1]
            for _ in range(2):
                assert sockets.ended.acquire(timeout=20)
        for _ in range(2):
            assert sockets.ended.acquire(timeout=20)
        with listen(story) as again:
            assert again.seqs(1) == [1]


class TestLookingAgain:
    """Callers who lose what they had while they listen."""

    @pytest.fixture
    def pace(self):
        return Pace(recheck_s=0.05)

    def test_a_revoked_token_ends_the_stream(self, story, listen, headers, client):
        caller = headers()
        with listen(story, caller=caller) as listener:
            assert listener.seqs(1) == [1]
            assert client.delete("/api/v1/auth/token", headers=caller).status_code == 204
            assert end_of(listener) == REFUSED

    def test_a_token_that_expires_ends_the_stream(self, story, listen, headers, clock):
        with listen(story, caller=headers(lifetime_s=600)) as listener:
            assert listener.seqs(1) == [1]
            clock.advance(seconds=601)
            assert end_of(listener) == REFUSED

    def test_a_model_made_private_ends_the_stream(self, story, listen, headers):
        with listen(story, caller=headers(user="user-2", permissions=["model:read"])) as listener:
            assert listener.seqs(1) == [1]
            with story.open_stores() as stores:
                stores.db.get(ModelRow, story.model_id).visibility = "private"
            assert end_of(listener) == (4404, "not_found")

    def test_a_role_taken_away_ends_the_stream(self, story, listen, headers):
        with story.open_stores() as stores:
            stores.db.add(role_of(story))
        with listen(story, caller=headers(user="user-2", permissions=[])) as listener:
            assert listener.seqs(1) == [1]
            with story.open_stores() as stores:
                stores.db.delete(stores.db.get(RoleRow, (story.model_id, "user-2")))
            assert end_of(listener) == (4403, "forbidden")


def test_a_stopping_service_closes_with_1012_and_lets_nobody_in(story, listen, app, monkeypatch):
    monkeypatch.setattr(sockets, "_of_this_process", {app.extensions["studio"].sockets})  # none of other tests'
    with listen(story) as listener:
        assert listener.seqs(1) == [1]
        close_all_sockets()
        assert end_of(listener) == (1012, "service_restart")
    with listen(story) as listener:
        assert end_of(listener) == (1012, "service_restart")
