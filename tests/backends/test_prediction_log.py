"""What a host predicted is written down before it answers, whatever ends it afterwards."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from studio.backends.serving import prediction_log
from studio.backends.serving.prediction_log import PredictionLog, finished_segments, read_segment

ROOT = Path(__file__).resolve().parents[2]
ABOUT = {"deployment_id": "dep-1", "version_id": "ver-001"}


def line(number):
    ids = [f"prd-{number}"]
    return {"at": 1.5, "ids": ids, "rows": [{"a": None}], "predictions": ["x"], "probabilities": None, "ms": 1.0}


def contents(folder):
    found = []
    for path in finished_segments(folder):
        about, lines = read_segment(path)
        found.append((about, [each["ids"][0] for each in lines]))
    return found


def test_a_segment_is_taken_up_once_it_is_left(tmp_path):
    log = PredictionLog(tmp_path / "log", "host", ABOUT)
    log.append([line(1), line(2)])
    log.append([line(3)])
    assert contents(tmp_path / "log") == []
    log.close()
    log.append([line(4)])
    assert contents(tmp_path / "log") == [(ABOUT, ["prd-1", "prd-2", "prd-3"])]


def test_a_segment_is_left_when_it_is_old_or_long(tmp_path, monkeypatch):
    now = [0.0]
    log = PredictionLog(tmp_path, "host", ABOUT, clock=lambda: now[0])
    log.append([line(1)])
    now[0] += prediction_log.MAX_SEGMENT_S + 1
    log.close_if_old()
    monkeypatch.setattr(prediction_log, "MAX_SEGMENT_BYTES", 100)
    log.append([line(2)])
    assert contents(tmp_path) == [(ABOUT, ["prd-1"]), (ABOUT, ["prd-2"])]


WRITER = """
import pathlib, sys
from studio.backends.serving.prediction_log import PredictionLog
from tests.backends.test_prediction_log import ABOUT, line
log, number = PredictionLog(pathlib.Path(sys.argv[1]), "host", ABOUT), 0
while True:
    log.append([line(number), line(number + 1)])
    print(number + 1, flush=True)
    number += 2
"""


def test_what_was_written_outlives_its_writer(tmp_path):
    for _ in range(3):
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as writer:
            last = 0
            while last < 500:
                last = int(writer.stdout.readline())
            writer.kill()
            last = max([last, *(int(told) for told in writer.stdout.read().split("\n")[:-1])])
        [(about, ids)] = contents(tmp_path)
        assert about == ABOUT
        assert ids[: last + 1] == [f"prd-{number}" for number in range(last + 1)]
        for path in tmp_path.iterdir():
            path.unlink()


def test_half_a_line_is_none(tmp_path):
    log = PredictionLog(tmp_path, "host", ABOUT)
    log.append([line(1), line(2)])
    log.close()
    [path] = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-5])
    assert contents(tmp_path) == [(ABOUT, ["prd-1"])]


@pytest.fixture
def small_files():
    """No file of this process can become longer than this."""
    before, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


def test_what_the_disk_does_not_take_is_counted_and_harms_nothing(tmp_path, small_files):
    log = PredictionLog(tmp_path, "host", ABOUT)
    for number in range(10):
        log.append([line(number)])
    log.close()
    [(about, ids)] = contents(tmp_path)
    assert about == ABOUT
    assert 0 < len(ids) < 10
    assert log.dropped == 10 - len(ids)


def test_an_empty_segment_is_left_alone_until_its_host_must_have_locked_it(tmp_path):
    fresh = tmp_path / "fresh.open"
    fresh.touch()
    assert list(finished_segments(tmp_path)) == []
    os.utime(fresh, (0, 0))
    assert list(finished_segments(tmp_path)) == [fresh]
    assert read_segment(fresh)[0] is None
    assert list(finished_segments(tmp_path / "none")) == []
