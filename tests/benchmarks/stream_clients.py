"""Clients of one run's stream: ``PORT MODEL_ID SOCKETS SLOW FIRST LAST TOKEN...``.

They follow the messages after number FIRST up to LAST. All are in this one process and do as little as a client can:
plain sockets, frames taken apart in place, each message parsed once however many receive it.
"""

import json
import random
import selectors
import socket
import sys
import time

import psutil

from tests.benchmarks.figures import percentile
from tests.benchmarks.load import get_request

OPENING_AT_ONCE = 20
RESTLESS = 0.1  # share of the clients that leave and come back
STAYS_S = (1.0, 10.0)  # for a time in between
PATIENCE_S = 180
STALL_S = 30  # after which the service drops those that never read
DROPS_S = (STALL_S - 1.0, STALL_S + 5.0)  # seconds from their opening in which it does
READ_BYTES = 1 << 16
TEXT, CLOSE, PING = 0x81, 0x88, 0x89
NO_MASK = b"\0\0\0\0"  # a client must mask; with nothing but zeros it leaves all as it is
UPGRADE = {
    "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}  # fmt: skip


class Frames:
    """Takes apart what a server sends: its answer to the handshake, then unmasked frames.

    Attributes:
        is_open: The handshake was answered.
    """

    def __init__(self):
        self._left, self.is_open = b"", False

    def take(self, data):
        """The whole frames there are now, as (first byte, payload)."""
        data = self._left + data if self._left else data
        if not self.is_open:
            head, found, data = data.partition(b"\r\n\r\n")
            if not found:
                self._left = head
                return []
            if not head.startswith(b"HTTP/1.1 101"):
                raise SystemExit(head.decode(errors="replace"))
            self.is_open = True
        place, end, frames = 0, len(data), []
        while end - place >= 2:
            length, start = data[place + 1], place + 2
            if length > 125:
                start += 2 if length == 126 else 8
                length = int.from_bytes(data[place + 2 : start], "big")
            if start + length > end:
                break
            frames.append((data[place], data[start : start + length]))
            place = start + length
        self._left = data[place:]
        return frames


class Reader:
    """One client that reads to the last message, over as many sockets as it takes."""

    def __init__(self, number, connect, first, last):
        self._connect, self.last_seq, self._end = connect, first, last
        self._chosen = random.Random(number)
        self._is_restless = self._chosen.random() < RESTLESS
        self.is_whole, self.opened = True, 0
        self.socket = None
        self.open()

    @property
    def is_at_end(self):
        """Whether it got the last message."""
        return self.last_seq >= self._end

    def open(self):
        """Open a socket that goes on after the last message."""
        self.socket, self._frames = self._connect(self.last_seq), Frames()
        self.since = self.leaves_at = float("inf")
        self.opened += 1

    def read(self, moment_of, delays):
        """Take what has come; True when the socket is done with: the end, or time to leave."""
        data = self.socket.recv(READ_BYTES)
        if not data:
            raise SystemExit("the service closed a socket that reads")
        frames, now = self._frames.take(data), time.monotonic()
        if self._frames.is_open and self.since > now:
            self.since = now
            self.leaves_at = now + self._chosen.uniform(*STAYS_S) if self._is_restless else float("inf")
        for kind, payload in frames:
            if kind == TEXT:
                self._hear(*moment_of(payload), now, delays)
            elif kind == PING:
                self.socket.sendall(bytes((0x8A, 0x80 | len(payload))) + NO_MASK + payload)
            else:
                raise SystemExit(f"a socket that reads was closed: {payload!r}")
        return self.is_at_end or now > self.leaves_at

    def _hear(self, seq, written, now, delays):
        if seq is None:
            return
        self.is_whole &= seq == self.last_seq + 1
        self.last_seq = seq
        if written > self.since:
            delays.append((now, now - written))


class Crowd:
    """All readers, served by one thread."""

    def __init__(self, connect, sockets, first, last):
        self._selector, self._delays, self._moments = selectors.DefaultSelector(), [], {}
        self.readers = []
        while len(self.readers) < sockets or self._opening():
            if len(self.readers) < sockets and self._opening() < OPENING_AT_ONCE:
                reader = Reader(len(self.readers), connect, first, last)
                self.readers.append(reader)
                self._selector.register(reader.socket, selectors.EVENT_READ, reader)
            else:
                self.serve(0.1)

    def _opening(self):
        return sum(reader.since == float("inf") for reader in self.readers[-2 * OPENING_AT_ONCE :])

    def serve(self, timeout_s):
        """Read where there is something to read."""
        for key, _ in self._selector.select(timeout_s):
            reader = key.data
            if reader.read(self._moment_of, self._delays):
                self._selector.unregister(reader.socket)
                reader.socket.close()
                if not reader.is_at_end:
                    reader.open()
                    self._selector.register(reader.socket, selectors.EVENT_READ, reader)

    def figures(self, deaf_since):
        """What they waited for, and what they missed."""
        delays_s = [delay for _, delay in self._delays]
        first, last = (deaf_since + moment for moment in DROPS_S)
        at_drops_s = [delay for moment, delay in self._delays if first <= moment <= last]
        return {
            "event_delay_p50_ms": 1000 * percentile(delays_s, 0.5),
            "event_delay_p99_ms": 1000 * percentile(delays_s, 0.99),
            "event_delay_max_ms": 1000 * max(delays_s),
            "event_delay_p99_at_drops_ms": 1000 * (percentile(at_drops_s, 0.99) or 0),
            "reconnects": sum(reader.opened - 1 for reader in self.readers),
            "incomplete_clients": sum(not (reader.is_whole and reader.is_at_end) for reader in self.readers),
        }

    def _moment_of(self, payload):
        """Sequence number of a message and the moment it was written; None for messages that do not count."""
        found = self._moments.get(payload)
        if found is None:
            message = json.loads(payload)
            found = (message["seq"], float(message["message"])) if message["type"] == "log" else (None, None)
            self._moments[payload] = found
        return found


def main(port, model_id, sockets, slow, first, last, tokens):
    """Listen; prints ``open`` when all sockets are, and a line of figures at the end."""
    path = f"/api/v1/models/{model_id}/training-metrics/stream?after="
    count = 0

    def connect(after, *, receive_bytes=None):
        nonlocal count
        count += 1
        opened = socket.socket()
        if receive_bytes is not None:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        opened.connect(("127.0.0.1", port))
        header = {"Authorization": f"Bearer {tokens[count % len(tokens)]}"}
        opened.sendall(get_request(port, f"{path}{after}", **header, **UPGRADE))
        return opened

    crowd = Crowd(connect, sockets, first, last)
    deaf, deaf_since = [connect(first, receive_bytes=4096) for _ in range(slow)], time.monotonic()
    used_s, since = psutil.Process().cpu_times(), time.monotonic()
    print("open", flush=True)
    patient_until = since + PATIENCE_S
    while not all(reader.is_at_end for reader in crowd.readers) and time.monotonic() < patient_until:
        crowd.serve(0.5)
    seconds, cpu = time.monotonic() - since, psutil.Process().cpu_times()
    busy_s = cpu.user + cpu.system - used_s.user - used_s.system
    codes = [close_code(opened) for opened in deaf]
    extra = {"slow_dropped": codes.count(4408), "clients_cpu_percent": 100 * busy_s / seconds}
    print(json.dumps(crowd.figures(deaf_since) | extra), flush=True)


def close_code(opened):
    """Read all that a socket was sent, and the code it was closed with; None while it is open."""
    frames = Frames()
    opened.settimeout(1)
    try:
        while data := opened.recv(READ_BYTES):
            for kind, payload in frames.take(data):
                if kind == CLOSE:
                    return int.from_bytes(payload[:2], "big")
    except OSError:
        return None
    return None


if __name__ == "__main__":
    given = sys.argv[1:]
    main(int(given[0]), given[1], *(int(number) for number in given[2:6]), given[6:])
