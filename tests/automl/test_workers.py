"""Processes that die, overrun or take too much memory end their task, not the pool."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from lightgbm import LGBMClassifier
from sklearn.ensemble import HistGradientBoostingClassifier

from studio.automl.workers import WorkerPool


def make_serve():
    kept = []

    def serve(task, line):
        kind, value = task
        if kind == "ask":
            return line.ask(value) * 2
        if kind == "pid":
            return os.getpid()
        if kind == "raise":
            raise ValueError(value)
        if kind == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "eat":
            kept.append(np.ones(value * 125_000))
            time.sleep(60)
        if kind == "sleep":
            subprocess.Popen(["sleep", "987"])
            time.sleep(60)
        if kind == "boost":
            return HistGradientBoostingClassifier().fit(*value).n_iter_
        return None

    return serve


@pytest.fixture
def pool():
    made = WorkerPool(make_serve, 2, memory_cap_mb=None)
    yield made
    made.close()


def hear(pool):
    """The next event."""
    for _ in range(100):
        events = pool.poll(1.0)
        if events:
            return events[0]
    raise AssertionError("no event came")


def test_a_task_reports_hears_the_answer_and_ends(pool):
    worker = pool.submit(("ask", 20), None)
    event = hear(pool)
    assert (event.kind, event.value) == ("report", 20)
    pool.answer(worker, 21)
    event = hear(pool)
    assert (event.worker, event.kind, event.value) == (worker, "done", 42)


def test_a_process_serves_many_tasks(pool):
    pids = set()
    for _ in range(3):
        pool.submit(("pid", None), None)
        pids.add(hear(pool).value)
    assert len(pids) == 1
    assert os.getpid() not in pids


def test_an_error_is_told_in_words_and_the_process_goes_on(pool):
    pool.submit(("raise", "too many\ncooks"), None)
    event = hear(pool)
    assert (event.kind, event.value) == ("failed", "ValueError: too many cooks")
    assert pool.n_idle == 2


def test_a_dead_process_is_replaced(pool):
    pool.submit(("die", None), None)
    event = hear(pool)
    assert (event.kind, event.value) == ("failed", "its process was ended by SIGKILL")
    pool.submit(("pid", None), None)
    assert hear(pool).kind == "done"


def test_a_task_that_overruns_is_killed_with_its_children(pool):
    worker = pool.submit(("sleep", None), time.monotonic() + 0.5)
    pid = pool._workers[worker].pid
    while not (children := psutil.Process(pid).children()):
        time.sleep(0.01)
    event = hear(pool)
    assert event.kind == "failed"
    assert "longer" in event.value
    assert not psutil.pid_exists(pid)
    for child in children:
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_task_that_eats_memory_is_killed():
    used_mb = psutil.Process().memory_info().rss / 2**20
    pool = WorkerPool(make_serve, 2, memory_cap_mb=used_mb + 300)
    try:
        eater = pool.submit(("eat", 600), None)
        pool.submit(("pid", None), None)
        events = {event.worker: event for event in (hear(pool), hear(pool))}
        assert events[eater].kind == "failed"
        assert "memory" in events[eater].value
        assert {event.kind for event in events.values()} == {"failed", "done"}
    finally:
        pool.close()


def test_processes_boost_after_the_parent_did(pool):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 3)), rng.integers(2, size=300)
    HistGradientBoostingClassifier(max_iter=2).fit(X, y)
    LGBMClassifier(n_estimators=2, n_jobs=2, verbosity=-1).fit(X, y)
    pool.submit(("boost", (X, y)), time.monotonic() + 60)
    assert hear(pool).kind == "done"


def test_closing_leaves_no_process():
    pool = WorkerPool(make_serve, 2, memory_cap_mb=None)
    pids = [pool._workers[pool.submit(("sleep", None), None)].pid for _ in range(2)]
    pool.close()
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_processes_die_with_their_parent():
    code = (
        "import os, signal, time\n"
        "from tests.automl.test_workers import WorkerPool, make_serve\n"
        "pool = WorkerPool(make_serve, 1, None)\n"
        "worker = pool.submit(('eat', 1), None)\n"
        "print(pool._workers[worker].pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    gone, _ = psutil.wait_procs([child], timeout=20)
    assert gone or child.status() == psutil.STATUS_ZOMBIE
