"""What listeners hear, over real sockets."""

import json

import pytest

from studio.web.sockets import Pace
from studio.web.talk import WINDOW


@pytest.mark.both_databases
def test_messages_are_replayed_then_live_then_closed_after_the_last(story, listen, database):
    story.log("one", "two")
    with listen(story) as listener:
        first = listener.take(3)
        assert [message["seq"] for message in first] == [1, 2, 3]
        assert first[0] | {"timestamp": ""} == {
            "type": "state",
            "run_id": story.run_id,
            "seq": 1,
            "timestamp": "",
            "status": "queued",
        }
        assert list(first[1]) == ["type", "run_id", "seq", "timestamp", "level", "message", "line"]
        story.tell(("metric", {"name": "val_auc", "value": float("nan"), "step": 0}))
        assert listener.take(1)[0] | {"timestamp": ""} == {
            "type": "metric",
            "run_id": story.run_id,
            "seq": 4,
            "timestamp": "",
            "name": "val_auc",
            "value": None,
            "step": 0,
        }
        story.end("completed", version_id="ver-001", metrics={}, algorithm="lightgbm")
        messages, code, _ = listener.rest()
        assert [message["type"] for message in messages] == ["completed"]
        assert code == 1000


def test_two_listeners_hear_the_same(story, listen):
    with listen(story) as early:
        story.log(*(f"line {number}" for number in range(20)))
        with listen(story, path="training/metrics/stream") as late:
            story.log(*(f"more {number}" for number in range(20)))
            story.end()
            heard = early.rest()
            assert heard == late.rest()
            assert [message["seq"] for message in heard[0]] == list(range(1, 43))


def test_coming_back_with_after_goes_on_where_it_was(story, listen):
    story.log("a", "b", "c")
    with listen(story) as listener:
        assert listener.seqs(2) == [1, 2]
    story.log("d")
    with listen(story, "after=2") as listener:
        assert listener.seqs(3) == [3, 4, 5]


def test_coming_back_after_the_last_message_closes_at_once(story, listen):
    story.end()
    for after in (2, 99):
        with listen(story, f"after={after}") as listener:
            assert listener.rest() == ([], 1000, "")


def test_a_place_beyond_the_newest_message_ends_with_the_run(story, listen):
    with listen(story, "after=50") as listener, listen(story) as other:
        assert other.seqs(1) == [1]
        story.end()
        assert listener.rest() == ([], 1000, "")


def test_a_long_past_is_replayed_from_the_table(story, listen):
    for start in range(0, 3000, 1000):
        story.log(*(f"line {number}" for number in range(start, start + 1000)))
    with listen(story) as listener:
        assert listener.seqs(1500) == list(range(1, 1501))
        story.end()
        messages, code, _ = listener.rest()
        assert [message["seq"] for message in messages] == list(range(1501, 3003))
        assert code == 1000


def test_a_burst_reaches_a_reading_listener_whole(story, listen):
    with listen(story) as listener:
        assert listener.seqs(1) == [1]
        story.log(*(f"line {number}" for number in range(4000)))
        assert listener.seqs(4000) == list(range(2, 4002))


def test_the_newest_run_is_followed_unless_one_is_named(story, listen):
    second = story.begin_another()
    with listen(story) as newest, listen(story, f"run_id={story.run_id}") as named:
        assert newest.take(1)[0]["run_id"] == second.run_id
        assert named.take(1)[0]["run_id"] == story.run_id


def test_what_the_client_says_is_ignored(story, listen):
    with listen(story) as listener:
        listener.socket.send('{"action":"stop"}')
        listener.socket.send(b"\x00" * (64 << 10))
        assert listener.seqs(1) == [1]
        story.log("still here")
        assert listener.seqs(1) == [2]


@pytest.mark.parametrize("message", ["x" * ((64 << 10) + 1), "ü" * (40 << 10), b"\x00" * (8 << 20)])
def test_too_long_a_message_closes(story, listen, message):
    with listen(story) as listener:
        assert listener.seqs(1) == [1]
        listener.socket.send(message)
        assert listener.rest() == ([], 1009, "message_too_large")


def test_a_message_in_many_parts_counts_as_a_whole(story, listen):
    with listen(story) as listener:
        assert listener.seqs(1) == [1]
        listener.socket.send(["x" * 1000] * 70)
        assert listener.rest()[1] == 1009


def test_a_ping_of_the_client_is_answered(story, listen):
    with listen(story) as listener:
        assert listener.socket.ping("hello").wait(20)


class TestQuickly:
    """With every period shortened."""

    @pytest.fixture
    def pace(self):
        return Pace(ping_s=0.05)

    def test_a_ping_without_seq_shows_the_socket_is_alive(self, story, listen, clock):
        with listen(story, "after=1") as listener:
            ping = json.loads(listener.socket.recv(timeout=20))
            assert ping == {
                "type": "ping",
                "run_id": story.run_id,
                "timestamp": f"{clock.now:%Y-%m-%dT%H:%M:%SZ}",
            }


class TestSlow:
    """A client that does not read."""

    @pytest.fixture
    def pace(self):
        return Pace(backlog_s=0.2)

    def test_is_closed_once_a_thousand_messages_behind_while_others_hear_everything(self, story, listen, sockets):
        with listen(story, max_queue=1) as slow, listen(story) as quick:
            assert slow.seqs(1) == quick.seqs(1) == [1]
            for start in range(0, 4000, 1000):
                story.log(*("x" * 500 for _ in range(start, start + 1000)))
                assert quick.seqs(1000) == list(range(start + 2, start + 1002))
            assert sockets.ended.acquire(timeout=20)
            messages, code, reason = slow.rest()
            assert (code, reason) == (4408, "slow_consumer")
            assert len(messages) < 2.5 * WINDOW  # what it had read, and what was under way: the rest stays here
            last = messages[-1]["seq"]
            assert [message["seq"] for message in messages] == list(range(2, last + 1))
            with listen(story, f"after={last}") as again:
                assert again.seqs(20) == list(range(last + 1, last + 21))


class TestStalled:
    """A client that reads nothing for too long."""

    @pytest.fixture
    def pace(self):
        return Pace(stall_s=0.3)

    def test_is_closed_though_it_is_not_many_messages_behind(self, story, listen, sockets):
        with listen(story, max_queue=1) as slow:
            assert slow.seqs(1) == [1]
            story.log(*("x" * 20_000 for _ in range(300)))
            assert sockets.ended.acquire(timeout=20)
            messages, code, reason = slow.rest()
            assert (code, reason) == (4408, "slow_consumer")
            assert [message["seq"] for message in messages] == list(range(2, len(messages) + 2))
            assert len(messages) < 300
