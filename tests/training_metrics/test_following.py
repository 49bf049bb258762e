"""Listening through breaks: whatever breaks off when, nothing is lost and nothing comes twice."""

import os
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.errors import BackendDown
from studio.training_metrics.service import RunHub, follow_run

BATCHES = st.lists(st.integers(1, 400), min_size=1, max_size=6)
BREAKS = st.lists(st.integers(0, 300), max_size=5)


@pytest.mark.slow
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=BATCHES, breaks=BREAKS)
def test_breaking_off_at_any_point_loses_nothing(start_story, listen, batches, breaks):
    story = start_story(name=f"Model {os.urandom(8).hex()}")

    def tell():
        for size in batches:
            story.log(*(f"line {number}" for number in range(size)))
        story.end()

    total = 1 + sum(batches) + 1
    writer = threading.Thread(target=tell)
    writer.start()
    heard = []
    for count in breaks:
        with listen(story, f"after={len(heard)}") as listener:
            heard += listener.seqs(min(count, total - len(heard)))
            listener.break_off()
    with listen(story, f"after={len(heard)}") as listener:
        messages, code, _ = listener.rest()
    writer.join()
    assert heard + [message["seq"] for message in messages] == list(range(1, total + 1))
    assert code == 1000


@pytest.fixture
def hub(runtime):
    return RunHub(runtime.open_stores)


@pytest.fixture
def follow(hub, story):
    """Makes a feed of the story's run, and the event that says it has something to take."""
    feeds = []

    def start(after=0):
        with story.open_stores(write=False) as stores:
            feed = follow_run(stores, hub, story.model_id, run_id=None, after=after)
        woken = threading.Event()
        feed.start(woken.set)
        feeds.append(feed)
        return feed, woken

    yield start
    for feed in feeds:
        feed.close()


def test_a_run_is_followed_once_and_only_while_somebody_listens(hub, follow, story):
    (first, woken), (second, _) = follow(after=1), follow()
    assert len(hub._runs) == 1
    story.log("one")
    assert woken.wait(20)
    assert len(first.take(10)) == 1
    assert len(second.take(10)) == 2
    first.close()
    assert list(hub._runs) == [story.run_id]
    second.close()
    assert hub._runs == {}
    hub._thread.join(20)
    assert not hub._thread.is_alive()


def test_no_database_connection_is_held_between_looks(runtime, follow, story):
    feed, woken = follow(after=1)
    story.log("one")
    assert woken.wait(20)
    assert len(feed.take(10)) == 1
    feed.close()
    feed._hub._thread.join(20)
    assert runtime.database.engine.pool.checkedout() == 0


def test_a_feed_counts_its_backlog_only_once_it_has_caught_up(follow, story):
    story.log("one", "two")
    feed, woken = follow()
    assert feed.backlog == 0
    assert len(feed.take(2)) == 2
    assert feed.backlog == 0
    assert len(feed.take(2)) == 1
    story.log("three", "four")
    assert woken.wait(20)
    assert feed.backlog == 2


def test_following_survives_a_database_that_is_away_for_a_while(runtime, story):
    away = threading.Event()
    asked = threading.Event()

    def open_stores(actor, *, write):
        if away.is_set():
            asked.set()
            raise BackendDown("gone")
        return runtime.open_stores(actor, write=write)

    hub = RunHub(open_stores)
    with story.open_stores(write=False) as stores:
        feed = follow_run(stores, hub, story.model_id, run_id=None, after=1)
    away.set()
    woken = threading.Event()
    feed.start(woken.set)
    assert asked.wait(20)
    away.clear()
    story.log("back")
    assert woken.wait(20)
    assert len(feed.take(10)) == 1
    feed.close()


def test_a_forked_process_follows_anew(hub, follow, story):
    _, woken = follow(after=1)
    story.log("one")
    assert woken.wait(20)
    child = os.fork()
    if child == 0:
        try:
            hub._open_stores.__self__.after_fork()
            with story.open_stores(write=False) as stores:
                anew = follow_run(stores, hub, story.model_id, run_id=None, after=2)
            told = threading.Event()
            anew.start(told.set)
            story.log("two")
            os._exit(0 if told.wait(20) and len(anew.take(10)) == 1 else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
