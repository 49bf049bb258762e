"""The stream as it is served: by gunicorn with the settings that are shipped."""

import signal
import time
from contextlib import ExitStack

import pytest
import requests

from tests.api_processes import THREADS, WORKERS, api_processes, database_urls  # noqa: F401  a fixture
from tests.training_metrics.conftest import Listener

pytestmark = pytest.mark.slow


@pytest.fixture
def gunicorn(config):
    """The API's own processes on the test's database; gives its port and the master."""
    with api_processes(config) as (port, master):
        yield port, master


def url_of(port, story):
    return f"ws://127.0.0.1:{port}/api/v1/models/{story.model_id}/training-metrics/stream"


def test_listeners_of_all_processes_hear_the_same_until_the_service_stops(gunicorn, story, headers):
    port, master = gunicorn
    listeners = [Listener(url_of(port, story), headers()) for _ in range(6)]
    for listener in listeners:
        listener.__enter__()
    story.log(*(f"line {number}" for number in range(300)))
    for listener in listeners:
        assert listener.seqs(301) == list(range(1, 302))
    with Listener(url_of(port, story)) as stranger:
        assert stranger.rest() == ([], 4401, "unauthenticated")
    with Listener(url_of(port, story), headers()) as loud:
        loud.socket.send("x" * (1 << 20))
        assert loud.rest()[1:] == (1009, "message_too_large")
    began = time.monotonic()
    master.send_signal(signal.SIGTERM)
    for listener in listeners:
        assert listener.rest() == ([], 1012, "service_restart")
        listener.__exit__(None, None, None)
    assert master.wait(timeout=60) == 0
    assert time.monotonic() - began < 60


def test_more_sockets_than_request_threads_are_open_and_calls_are_answered(gunicorn, story, headers):
    port, _ = gunicorn
    with ExitStack() as stack:
        count = 3 * WORKERS * THREADS
        listeners = [stack.enter_context(Listener(url_of(port, story), headers())) for _ in range(count)]
        for listener in listeners:
            assert listener.seqs(1) == [1]
        story.log("heard by all")
        url = f"http://127.0.0.1:{port}/api/v1/models/{story.model_id}"
        for _ in range(2 * WORKERS):
            assert requests.get(url, headers=headers(), timeout=20).status_code == 200
        for listener in listeners:
            assert listener.seqs(1) == [2]
