"""How often and with how many sockets one caller may come, to however many processes."""

import os
import pickle
import signal
from contextlib import ExitStack

import pytest

from studio.errors import TooMany, TooManySockets
from studio.web import limiter, shared_counts
from studio.web.limiter import CallLimiter
from studio.web.shared_counts import PROBES, ROWS, Columns
from studio.web.socket_counts import SocketCounts


class Forked:
    """A process forked now that does something, stays until it is told to end, and has an answer."""

    def __init__(self, work):
        answer, self._write = os.pipe()
        self._wait, end = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(end)
            os.write(self._write, pickle.dumps(work()))
            os.read(self._wait, 1)
            os._exit(0)
        self.answer = pickle.loads(os.read(answer, 1 << 16))
        self._end = end
        for each in (answer, self._write, self._wait):
            os.close(each)

    def end(self, how=signal.SIGTERM):
        """Have it end; by default as if it did so by itself."""
        if how is signal.SIGKILL:
            os.kill(self.pid, how)
        else:
            os.write(self._end, b"x")
        os.close(self._end)
        os.waitpid(self.pid, 0)


@pytest.fixture
def now(monkeypatch):
    """The monotonic time in a list, to be set."""
    moment = [1_000_000.0]
    for module in (limiter, shared_counts):
        monkeypatch.setattr(module.time, "monotonic", lambda: moment[0])
    return moment


def passed(limit, caller="a", calls=100):
    """How many of some calls are let through."""
    count = 0
    for _ in range(calls):
        try:
            limit.count(caller)
            count += 1
        except TooMany:
            pass
    return count


def test_so_many_calls_pass_and_no_more(now):
    limit = CallLimiter(40)
    assert passed(limit) == 40
    assert passed(limit, "b") == 40


def test_no_minute_ever_holds_more_than_the_limit(now):
    limit, moments = CallLimiter(40), []
    for _ in range(4000):
        moments += [now[0]] * passed(limit, calls=1)
        now[0] += 0.05
    assert len(moments) >= 120
    assert all(later - earlier >= 60 for earlier, later in zip(moments, moments[40:], strict=False))
    assert all(later - earlier < 62 for earlier, later in zip(moments, moments[40:], strict=False))


@pytest.mark.parametrize("spent", [1, 30])
def test_who_is_refused_is_told_when_to_come_back(now, spent):
    limit = CallLimiter(40)
    assert passed(limit, calls=20) == 20
    now[0] += spent
    assert passed(limit) == 20
    now[0] += 0.7
    with pytest.raises(TooMany) as refusal:
        limit.count("a")
    wait_s = refusal.value.retry_after_s
    assert wait_s == 61 - spent
    now[0] += wait_s - 1
    assert passed(limit) == 0
    now[0] += 1
    assert passed(limit) == 20


def test_processes_count_together():
    limit = CallLimiter(40, Columns(2))
    one, other = Forked(lambda: passed(limit, calls=30)), Forked(lambda: passed(limit, calls=30))
    assert one.answer + other.answer == 40
    assert passed(limit) == 0
    one.end()
    other.end()


def test_processes_counting_at_once_let_at_most_one_more_each_through():
    limit = CallLimiter(500, Columns(2))
    children = []
    for _ in range(2):
        wait, go = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(go)
            os.read(wait, 1)
            os._exit(0 if passed(limit, calls=240) == 240 else 1)
        children.append((pid, go))
    for _, go in children:
        os.write(go, b"x")
        os.close(go)
    assert [os.waitpid(pid, 0)[1] for pid, _ in children] == [0, 0]
    assert passed(limit) == 20  # nothing that was counted at once is lost


def test_more_processes_than_there_should_be_work_too():
    limit = CallLimiter(1000, Columns(1))
    children = [Forked(lambda: passed(limit, calls=10)) for _ in range(4)]
    assert [child.answer for child in children] == [10] * 4
    assert passed(limit, calls=1000) in (960, 961)
    for child in children:
        child.end()


def test_sockets_of_all_processes_count_together_and_those_of_a_killed_one_no_longer():
    counts = SocketCounts(5, Columns(2))

    held = ExitStack()

    def hold(count):
        def work():
            try:
                for _ in range(count):
                    held.enter_context(counts.count("a"))
            except TooManySockets:
                return False
            return True

        return work

    first, second = Forked(hold(3)), Forked(hold(2))
    assert first.answer
    assert second.answer
    third = Forked(hold(1))
    assert not third.answer
    third.end()
    first.end(signal.SIGKILL)
    again = Forked(hold(3))  # in its place
    assert again.answer
    last = Forked(hold(1))
    assert not last.answer
    for child in (second, again, last):
        child.end()


def test_a_socket_that_is_closed_counts_no_longer():
    counts = SocketCounts(1)
    for _ in range(3):
        with counts.count("a"):
            with pytest.raises(TooManySockets), counts.count("a"):
                pass
            with counts.count("b"):
                pass


def test_callers_who_are_long_gone_make_room(now):
    limit = CallLimiter(1)
    callers = [f"caller-{number}" for number in range(3 * ROWS)]
    for number, caller in enumerate(callers):
        limit.count(caller)
        now[0] += 200 if number % 1000 == 0 else 0
    assert passed(limit, callers[-1]) == 0
    assert passed(limit, callers[0]) == 1


def test_callers_beyond_the_room_there_is_are_let_in_uncounted(now, monkeypatch):
    monkeypatch.setattr(shared_counts, "ROWS", PROBES)
    limit = CallLimiter(1)
    callers = [f"caller-{number}" for number in range(PROBES + 1)]
    for caller in callers:
        limit.count(caller)
    assert passed(limit, callers[0]) == 0
    assert passed(limit, callers[-1]) == 100
