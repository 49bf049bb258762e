"""Clients of one run's stream: ``PORT MODEL_ID TOKEN SOCKETS SLOW LAST``, where LAST is the last sequence number."""

import asyncio
import json
import random
import socket
import sys
import time

from websockets.asyncio.client import connect

from tests.benchmarks.figures import percentile
from tests.benchmarks.load import get_request

OPENING_AT_ONCE = 20
RESTLESS = 0.1  # share of the clients that leave and come back
STAYS_S = (1.0, 10.0)  # for a time in between
PATIENCE_S = 180


class Reader:
    """One client that reads to the last message, over as many sockets as it takes."""

    def __init__(self, number, open_socket, last):
        self._open_socket, self._last = open_socket, last
        self._chosen = random.Random(number)
        self._is_restless = self._chosen.random() < RESTLESS
        self.seqs, self.delays_s, self.returns = [], [], 0
        self.is_open = asyncio.Event()

    @property
    def is_complete(self):
        """Whether it got every message once, in order."""
        return self.seqs == list(range(1, self._last + 1))

    async def read(self):
        """Read to the last message."""
        while not self.seqs or self.seqs[-1] < self._last:
            self.returns += self.is_open.is_set()
            async with self._open_socket(self.seqs[-1] if self.seqs else 0) as opened:
                since = time.monotonic()
                self.is_open.set()
                leaves_at = since + self._chosen.uniform(*STAYS_S) if self._is_restless else float("inf")
                async for text in opened:
                    self._take(json.loads(text), time.monotonic(), since)
                    if self.seqs and (self.seqs[-1] >= self._last or time.monotonic() > leaves_at):
                        break

    def _take(self, message, now, since):
        if message["type"] != "log":
            return
        self.seqs.append(message["seq"])
        written = float(message["message"])
        if written > since:
            self.delays_s.append(now - written)


async def main(port, model_id, token, sockets, slow, last):
    """Listen; prints ``open`` when all sockets are, and a line of figures at the end."""
    path = f"/api/v1/models/{model_id}/training-metrics/stream?after="
    header, gate = {"Authorization": f"Bearer {token}"}, asyncio.Semaphore(OPENING_AT_ONCE)
    deaf = [open_deaf(port, f"{path}0", header) for _ in range(slow)]

    def open_socket(after):
        url = f"ws://127.0.0.1:{port}{path}{after}"
        options = {"ping_interval": None, "compression": None, "open_timeout": 60, "proxy": None}
        return connect(url, additional_headers=header, **options)

    readers = [Reader(number, open_socket, last) for number in range(sockets)]
    reading = []

    async def begin(reader):
        async with gate:
            reading.append(asyncio.create_task(reader.read()))
            await reader.is_open.wait()

    await asyncio.wait_for(asyncio.gather(*(begin(reader) for reader in readers)), PATIENCE_S)
    print("open", flush=True)
    await asyncio.wait(reading, timeout=PATIENCE_S)
    delays_s = [delay for reader in readers for delay in reader.delays_s]
    figures = {
        f"event_delay_{name}_ms": 1000 * percentile(delays_s, share) for share, name in ((0.5, "p50"), (0.99, "p99"))
    }
    figures |= {
        "reconnects": sum(reader.returns for reader in readers),
        "incomplete_clients": sum(not reader.is_complete for reader in readers),
    }
    print(json.dumps(figures), flush=True)
    for opened in deaf:
        opened.close()


def open_deaf(port, path, header):
    """A socket whose client never reads."""
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    opened.connect(("127.0.0.1", port))
    upgrade = {
        "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }  # fmt: skip
    opened.sendall(get_request(port, path, **header, **upgrade))
    return opened


if __name__ == "__main__":
    given = sys.argv[1:]
    asyncio.run(main(int(given[0]), given[1], given[2], *(int(number) for number in given[3:])))
