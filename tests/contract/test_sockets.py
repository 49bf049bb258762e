"""Who may open a socket, what it tells, and with which code it is closed."""

import contextlib
import json

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.contract.installation import ADMIN, OTHERS
from tests.contract.offered import each
from tests.contract.published import PERMISSIONS, ROLES, missing_keys, needs_contract
from tests.legacy.conftest import start_message
from tests.training_metrics.conftest import Server

pytestmark = needs_contract

each_socket = each(lambda promise: promise.method == "WS", sockets=True)
each_on_a_model = each(lambda promise: promise.method == "WS" and promise.is_on_a_model, sockets=True)
SAYS = {"legacy.train_from_parquet": lambda: json.dumps(start_message())}  # what a client says to be told anything
WAIT_S = 20


@pytest.fixture(scope="module")
def port(place):
    server = Server(place.app)
    yield server.port
    place.app.extensions["studio"].sockets.stop()
    server.close()


@pytest.fixture(scope="module")
def ids(place):
    """A model of ``owner-1`` with a queued run, which goes on for ever."""
    model_id, run_id = place.start_run()
    return {"model_id": model_id, "run_id": run_id}


@pytest.fixture
def listen(port):
    """Opens a socket; its first message, or the code it is closed with."""

    def open_socket(promise, ids, headers, path=None):
        url = f"ws://127.0.0.1:{port}{(path or promise.path).format(**ids)}"
        with connect(url, additional_headers=headers, close_timeout=1) as socket, contextlib.suppress(ConnectionClosed):
            if promise.id in SAYS:
                socket.send(SAYS[promise.id]())
            return json.loads(socket.recv(timeout=WAIT_S))
        return socket.protocol.close_code

    return open_socket


@each_socket
def test_it_tells_every_promised_key(place, listen, ids, promise):
    for path in (promise.path, *promise.aliases):
        message = listen(promise, ids, place.admin(), path)
        assert not missing_keys(message, promise.response)


@each_socket
def test_without_a_valid_token_it_is_closed(place, listen, ids, promise):
    over = place.headers("admin-1", ADMIN, lifetime_s=-60)
    for headers in ({}, {"Authorization": "Bearer x"}, over, *place.end_tokens().values()):
        assert listen(promise, ids, headers) == 4401
    assert 4401 in promise.errors


@each_on_a_model
def test_what_is_another_organizations_is_unknown(place, listen, ids, promise):
    assert listen(promise, ids, place.headers("stranger", ADMIN, org=OTHERS)) == 4404
    assert listen(promise, {**ids, "model_id": "mdl-00000000"}, place.admin()) == 4404
    assert 4404 in promise.errors


@pytest.mark.parametrize("permission", PERMISSIONS)
@each_socket
def test_one_organization_permission_lets_in_where_promised(place, listen, ids, promise, permission):
    found = listen(promise, ids, place.headers(f"has-{permission}", [permission]))
    assert isinstance(found, dict) if promise.allows(permission=permission) else found == 4403


@pytest.mark.parametrize("role", ROLES)
@each_socket
def test_one_role_lets_in_where_promised(place, listen, ids, promise, role):
    user = f"is-{role}"
    place.grant(ids["model_id"], user, role)
    found = listen(promise, ids, place.headers(user))
    assert isinstance(found, dict) if promise.allows(role=role) else found == 4403


@each_socket
def test_a_ticket_opens_it_once(place, listen, ids, promise):
    body = {"model_id": ids["model_id"]} if promise.is_on_a_model else {}
    made = place.app.test_client().post("/api/v1/models/stream-tickets", json=body, headers=place.admin())
    path = f"{made.json['url']}?ticket={made.json['ticket']}"
    assert isinstance(listen(promise, ids, {}, path), dict)
    assert listen(promise, ids, {}, path) == 4401


@each_socket
def test_every_set_of_permissions_that_is_promised_lets_in(place, listen, ids, promise):
    for number, together in enumerate(promise.permission.split(" or ")):
        headers = place.headers(f"has-all-{number}", together.split(" and "))
        assert isinstance(listen(promise, ids, headers), dict)


@pytest.mark.parametrize(("given", "is_taken"), [("socket-1", True), ("no good", False), ("", False)])
@each_socket
def test_the_handshake_carries_the_request_id(place, port, ids, promise, caplog, given, is_taken):
    caplog.set_level("WARNING", "studio.security")
    url = f"ws://127.0.0.1:{port}{promise.path.format(**ids)}"
    refused = place.headers("has-nothing")
    with connect(url, additional_headers={**refused, "X-Request-ID": given}, close_timeout=1) as socket:
        told = socket.response.headers["X-Request-ID"]
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=WAIT_S)
    assert told == given if is_taken else told.startswith("req-")
    assert [record.request_id for record in caplog.records if record.name == "studio.security"] == [told]


@each_socket
def test_what_is_no_handshake_is_told_so(place, ids, promise):
    answer = place.app.test_client().get(promise.path.format(**ids), headers=place.admin())
    assert (answer.status_code, answer.json["code"]) == (422, "malformed_body")
    assert "handshake" in answer.json["detail"]
