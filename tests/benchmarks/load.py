"""Closed-loop clients: each keeps one connection and sends its next call when the last one is answered.

The client is as lean as it can be, for what it takes is part of every latency, on both sides alike.
"""

import random
import re
import socket
import threading
import time
from dataclasses import dataclass, field

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
TIMEOUT_S = 60


class Connection:
    """One kept connection."""

    def __init__(self, port):
        self._port = port
        self._socket = None

    def call(self, request, *, status=200):
        """Send one request; gives the body. Raises ConnectionError for an answer of another status."""
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), TIMEOUT_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(request)
        received = self._receive(b"")
        while (end := received.find(b"\r\n\r\n")) < 0:
            received = self._receive(received)
        head = received[:end]
        length = LENGTH.search(head)
        if not head.startswith(b"HTTP/1.1 %d" % status) or length is None:
            raise ConnectionError(received[:500].decode(errors="replace"))
        whole = end + 4 + int(length[1])
        while len(received) < whole:
            received = self._receive(received)
        if CLOSES.search(head):
            self.close()
        return received[end + 4 :]

    def close(self):
        """Let go of the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _receive(self, received):
        more = self._socket.recv(1 << 16)
        if not more:
            raise ConnectionError("the server closed the connection before it had answered")
        return received + more


@dataclass
class Sample:
    """What clients measured together: the seconds of every call, and of the whole."""

    latencies_s: list = field(default_factory=list)
    seconds: float = 0.0

    @property
    def calls_per_second(self):
        return len(self.latencies_s) / self.seconds


def get_request(port, path, **headers):
    """A GET as it goes over the wire."""
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Accept: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def run_clients(port, requests, *, clients, seconds):
    """Let clients call at once for some seconds, each choosing among the requests by a seed of its own.

    Raises:
        ConnectionError: A call was not answered 200.
    """
    sample, faults, lock = Sample(), [], threading.Lock()
    started = time.perf_counter()
    ends_at = started + seconds

    def work(number):
        chosen, latencies, connection = random.Random(number), [], Connection(port)
        try:
            while (before := time.perf_counter()) < ends_at:
                connection.call(chosen.choice(requests))
                latencies.append(time.perf_counter() - before)
        except OSError as error:
            faults.append(error)
        finally:
            connection.close()
        with lock:
            sample.latencies_s += latencies

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sample.seconds = time.perf_counter() - started
    if faults:
        raise faults[0]
    return sample
