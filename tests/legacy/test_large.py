"""Messages of a hundred megabytes, sent to the processes that are shipped: what they take, and where the limit is."""

import io
import json
import os
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.api_processes import api_processes, database_urls  # noqa: F401  a fixture
from tests.factories import parcels
from tests.legacy.conftest import PATH, Client, parquet_of, start_message

MB = 1 << 20
LIMIT = 100 * MB
GROWTH_MB = 30  # the file is 75, the message 100: whoever holds one takes more
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def large():
    """A table whose message comes close to the limit: one row group of noise, which nothing makes smaller."""
    random = np.random.default_rng(1)
    rows = LIMIT // 4 * 3 // (8 * 8 + 1) - 20_000
    table = pa.table({f"x{number}": random.random(rows) for number in range(8)} | {"late": random.random(rows) < 0.5})
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=rows, compression="none", use_dictionary=False)
    return json.dumps(start_message(sink.getvalue()))


def sized(large, size_bytes=LIMIT, **changes):
    """The message with further fields, and of a size: blanks in the Base64 count for nothing."""
    text = large[:-1] + "".join(f', "{name}": {json.dumps(value)}' for name, value in changes.items()) + "}"
    assert 0.97 * size_bytes < len(text) < size_bytes
    return text.replace('", "ml_task"', " " * (size_bytes - len(text)) + '", "ml_task"')


@pytest.fixture
def api(config):
    """The API with one process that serves; gives its port and that process."""
    with api_processes(config, api_workers=1) as (port, master):
        yield port, psutil.Process(master.pid).children()[0]


@pytest.fixture
def connect(api, headers):
    """Opens a socket of an admin."""
    return lambda: Patient(f"ws://127.0.0.1:{api[0]}{PATH}", headers(), max_size=None)


class Patient(Client):
    """Waits for what takes long."""

    wait_s = 120


class Watch(threading.Thread):
    """Looks at the memory of a process, without that of its children."""

    def __init__(self, process):
        super().__init__(daemon=True)
        self._process, self._stop_now = process, threading.Event()
        self.before_mb = self.most_mb = self._look()

    def _look(self):
        info = self._process.memory_info()
        return (info.rss - info.shared) / MB

    def run(self):
        while not self._stop_now.wait(0.02):
            self.most_mb = max(self.most_mb, self._look())

    def growth_mb(self):
        """How many MB more than at first it had at most."""
        self._stop_now.set()
        self.join()
        return max(self.most_mb, self._look()) - self.before_mb


def test_a_message_at_the_limit_takes_no_memory_for_it(connect, api, large):
    with connect() as client:  # the first message loads what later ones find loaded
        client.say()
        assert client.take(1)[0]["type"] == "accepted"
    watch = Watch(api[1])
    watch.start()
    with connect() as client:
        began = time.monotonic()
        client.socket.send(sized(large, task_name=""))  # the fault is in its last field
        assert client.error()[0] == "validation_failed"
        print(f"refused after {time.monotonic() - began:.1f} s")
    with connect() as client:
        began = time.monotonic()
        client.socket.send(sized(large))
        assert client.take(1)[0]["type"] == "accepted"
        print(f"accepted after {time.monotonic() - began:.1f} s")
    growth_mb = watch.growth_mb()
    print(f"{LIMIT / MB:.0f} MB in a message, {growth_mb:.1f} MB more in the process")
    assert growth_mb < GROWTH_MB


@pytest.mark.parametrize("is_cut", [False, True], ids=["one frame", "many frames"])
def test_one_byte_beyond_the_limit_closes_with_1009(connect, large, is_cut):
    beyond = sized(large, LIMIT + 1)
    with connect() as client:
        client.socket.send([beyond[place : place + MB] for place in range(0, len(beyond), MB)] if is_cut else beyond)
        assert client.rest() == ([], 1009, "message_too_large")


def test_two_large_ones_at_once_and_a_small_one_between_are_all_accepted(connect, large):
    heard = []

    def start(name):
        with connect() as client:
            client.socket.send(sized(large, task_name=name))
            heard.append(client.take(1)[0]["type"])

    threads = [threading.Thread(target=start, args=(name,)) for name in ("One", "Two")]
    for thread in threads:
        thread.start()
    with connect() as client:
        client.say(content=parquet_of(parcels()))
        assert client.take(1)[0]["type"] == "accepted"
    for thread in threads:
        thread.join()
    assert heard == ["accepted"] * 2


def nameless_files(process):
    """How many files without a name a process has open."""
    links = [os.readlink(path) for path in Path(f"/proc/{process.pid}/fd").iterdir()]
    return sum(link.endswith("(deleted)") and "memfd" not in link for link in links)


def wait_for_nameless_files(process, count):
    """Wait until a process has so many of them open."""
    deadline = time.monotonic() + 30
    while nameless_files(process) != count:
        assert time.monotonic() < deadline, f"{nameless_files(process)} files, not {count}"
        time.sleep(0.05)


def test_a_client_killed_in_the_middle_leaves_no_file(connect, api, large, config):
    before = nameless_files(api[1])
    with connect() as client:

        def break_off():
            yield large[: LIMIT // 2]
            wait_for_nameless_files(api[1], before + 1)
            client.break_off()
            yield large[LIMIT // 2 :]

        with pytest.raises(Exception, match=r"clos|sent|frame"):
            client.socket.send(break_off())
    wait_for_nameless_files(api[1], before)
    assert not (config.data_folder / "uploads").exists()
