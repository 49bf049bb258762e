"""A real server, and real clients that send Parquet files to it."""

import base64
import io
import json

import pytest

from tests.factories import parcels
from tests.training_metrics.conftest import Listener, pace, server, sockets  # noqa: F401  fixtures

PATH = "/api/model-studio/ws/train-from-parquet"


def parquet_of(frame):
    """A table as the bytes of a Parquet file."""
    sink = io.BytesIO()
    frame.to_parquet(sink, index=False)
    return sink.getvalue()


def start_message(content=None, **changes):
    """A message that starts a training; a field set to None is left out."""
    content = parquet_of(parcels()) if content is None else content
    fields = {
        "action": "start_training",
        "file_data": base64.b64encode(content).decode(),
        "ml_task": "classification",
        "target_variable": "late",
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}


class Client(Listener):
    """A client of the socket."""

    def say(self, **changes):
        """Send a message that starts a training."""
        self.socket.send(json.dumps(start_message(**changes)))

    def error(self):
        """Code and text of the next message, which is an error."""
        message = self.take(1)[0]
        assert message["type"] == "error", message
        return message["code"], message["message"]


@pytest.fixture
def connect(server, headers):  # noqa: F811
    """Opens a socket; an admin's unless given other headers."""

    def open_socket(query="", *, caller=None, **options):
        url = f"ws://127.0.0.1:{server.port}{PATH}?{query}"
        return Client(url, headers() if caller is None else caller, max_size=None, **options)

    return open_socket
