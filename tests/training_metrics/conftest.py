"""Runs that tell something, and a real server with real clients to listen to them."""

import contextlib
import dataclasses
import json
import socket
import threading
from datetime import timedelta

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from werkzeug.serving import WSGIRequestHandler, make_server

from studio.domain.runs import EventType
from studio.models import service as models
from studio.models.tables import ModelRow
from studio.training import service as training
from studio.training.tables import RunRow
from studio.web.context import install_edge
from studio.web.sockets import Pace, Sockets
from tests.factories import make_dataset, make_model
from tests.versions.factories import add_run, add_version

BASE = "/api/v1/models"
WAIT_S = 20  # far beyond what anything here takes: only a fault runs into it


class Quiet(WSGIRequestHandler):
    """Writes no line per request."""

    def log(self, *args):
        """Nothing."""


class Listener:
    """A client of the stream.

    Attributes:
        wait_s: Longest wait for a message.
    """

    wait_s = WAIT_S

    def __init__(self, url, headers=None, **options):
        self._opening = connect(url, additional_headers=headers, ping_interval=None, **options)

    def __enter__(self):
        self.socket = self._opening.__enter__()
        return self

    def __exit__(self, *error):
        self._opening.__exit__(*error)

    def break_off(self):
        """Go away without a word."""
        with contextlib.suppress(OSError):  # the server was quicker
            self.socket.socket.shutdown(socket.SHUT_RDWR)

    def take(self, count):
        """The next messages, without pings."""
        taken = []
        while len(taken) < count:
            message = json.loads(self.socket.recv(timeout=self.wait_s))
            if message["type"] != "ping":
                taken.append(message)
        return taken

    def seqs(self, count):
        """Sequence numbers of the next messages."""
        return [message["seq"] for message in self.take(count)]

    def rest(self):
        """Everything up to the close, and its code and reason."""
        messages = []
        try:
            while True:
                messages.append(json.loads(self.socket.recv(timeout=self.wait_s)))
        except ConnectionClosed as closed:
            end = closed.rcvd  # None where the connection broke off without a close code
        return messages, *((end.code, end.reason) if end else (None, None))


class Server:
    """The application behind a port of this machine."""

    def __init__(self, app):
        self._server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.port = self._server.port

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class WatchedSockets(Sockets):
    """Sockets that say when one has come to its end."""

    def __init__(self, *args):
        super().__init__(*args)
        self.ended = threading.Semaphore(0)

    @contextlib.contextmanager
    def hold(self, socket):
        with super().hold(socket):
            yield
        self.ended.release()


class Story:
    """One run of a model, and what it tells."""

    def __init__(self, open_stores, model_id, run_id):
        self.open_stores, self.model_id, self.run_id = open_stores, model_id, run_id

    def tell(self, *events):
        """Append messages, given as (type, fields)."""
        with self.open_stores() as stores:
            training.append_events(stores, self.run_id, [(EventType(kind), fields) for kind, fields in events])

    def log(self, *messages, level="info"):
        """Append lines of the log."""
        self.tell(*(("log", {"level": level, "message": message}) for message in messages))

    def end(self, kind="cancelled", **fields):
        """Append a terminal message."""
        self.tell((kind, fields))

    def begin_another(self):
        """End this run, a minute ago, and start a second one of its model."""
        self.end()
        with self.open_stores() as stores:
            row = stores.db.get(RunRow, self.run_id)
            row.status, row.created_at = "cancelled", row.created_at - timedelta(seconds=60)
            stores.db.get(ModelRow, self.model_id).status = "draft"
            stores.db.flush()
            run = training.start_run(stores, self.model_id)
        return Story(self.open_stores, self.model_id, run.run_id)

    def complete(self, *, artifacts=None, **version):
        """Have the run make a version, and end; ``artifacts`` are JSON files of its MLflow run. Gives the version."""
        with self.open_stores() as stores:
            model = models.get_model(stores, self.model_id)
            _, mlflow_run_id = add_run(stores, model, self.run_id)
            for name, content in (artifacts or {}).items():
                stores.runs.log_text(mlflow_run_id, name, json.dumps(content))
            stores.db.get(RunRow, self.run_id).mlflow_run_id = mlflow_run_id
        with self.open_stores() as stores:
            made = add_version(stores, model, run_id=self.run_id, mlflow_run_id=mlflow_run_id, **version)
            training.complete_run(stores, self.run_id, version=made, timed_out=False, stage_seconds={})
        return made

    def begin_next(self):
        """Start another run of a model whose run has ended."""
        with self.open_stores() as stores:
            row = stores.db.get(RunRow, self.run_id)
            row.created_at -= timedelta(seconds=60)
            run = training.start_run(stores, self.model_id)
        return Story(self.open_stores, self.model_id, run.run_id)

    def change(self, **facts):
        """Set columns of the run."""
        with self.open_stores() as stores:
            row = stores.db.get(RunRow, self.run_id)
            for name, value in facts.items():
                setattr(row, name, value)


@pytest.fixture
def start_story(open_stores):
    """Starts a run of a model, new ones unless named; the run has told its first message."""

    def start(model_id=None, **model):
        with open_stores() as stores:
            if model_id is None:
                name = model.pop("name", "Late delivery risk")
                model_id = make_model(stores, name, dataset=make_dataset(stores), **model).id
                stores.note = None
            run = training.start_run(stores, model_id)
        return Story(open_stores, model_id, run.run_id)

    return start


@pytest.fixture
def story(start_story):
    """A queued run of a model the organization can see."""
    return start_story()


@pytest.fixture
def ask(client, headers):
    """Reads something of a story's model; answers the JSON."""

    def get(story, path="training-metrics", status=200, caller=None, **query):
        url = f"{BASE}/{story.model_id}/{path}"
        answer = client.get(url, headers=caller or headers(), query_string=query)
        assert answer.status_code == status, answer.text
        return answer.json

    return get


@pytest.fixture
def pace():
    """How sockets are paced; a test module may override it."""
    return Pace()


@pytest.fixture
def sockets(app, config, pace):
    """The application's sockets, at the test's pace."""
    sockets = WatchedSockets(config.sockets_per_caller, pace)
    install_edge(app, dataclasses.replace(app.extensions["studio"], sockets=sockets))
    return sockets


@pytest.fixture
def server(app, sockets):
    """The application behind a port."""
    server = Server(app)
    yield server
    sockets.stop()
    server.close()


@pytest.fixture
def listen(server, headers):
    """Opens a socket on a run's stream; an admin's unless given other headers."""

    def open_socket(story, query="", *, caller=None, path="training-metrics/stream", model_id=None, **options):
        url = f"ws://127.0.0.1:{server.port}/api/v1/models/{model_id or story.model_id}/{path}"
        return Listener(f"{url}?{query}", headers() if caller is None else caller, **options)

    return open_socket
