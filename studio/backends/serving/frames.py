"""How requests reach a model host and answers come back: frames over local stream sockets.

A frame is its length in four bytes, the highest first, and so many bytes. One connection carries one request at a time.
Plain sockets and not ZeroMQ, which serves the control channel: its own thread costs every exchange several switches
between threads at either end, where a call has a millisecond for everything. And the end of a host is the end of its
connections, which a caller notices at once.
"""

import contextlib
import select
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

BACKLOG: Final = 1024
CHUNK_BYTES: Final = 1 << 18
STUCK_S: Final = 2  # a caller that does not take its answer for so long has its connection closed
_LENGTH: Final = struct.Struct("!I")


class FrameServer:
    """The host's end: takes requests from any number of connections; for one thread."""

    def __init__(self, path: Path) -> None:
        """Listen at a path, which must not exist."""
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(BACKLOG)
        self._listener.setblocking(False)
        self._epoll = select.epoll()
        self._epoll.register(self._listener, select.EPOLLIN)
        self._senders: dict[int, int] = {}  # descriptor -> number of the connection, which no later one has
        self._connections: dict[int, tuple[socket.socket, bytearray]] = {}
        self._count = 0

    def fileno(self) -> int:
        """Descriptor that is readable while there is something to receive."""
        return self._epoll.fileno()

    def receive(self) -> Iterator[tuple[int, bytes]]:
        """What has come in, each with the number of who is to have the answer; ends when there is nothing for now."""
        while ready := self._epoll.poll(0):
            for descriptor, _ in ready:
                if descriptor == self._listener.fileno():
                    self._accept()
                else:
                    yield from self._read(descriptor)

    def send(self, sender: int, body: bytes) -> None:
        """Answer; nothing happens where nobody waits any more."""
        if sender not in self._connections:
            return
        connection, _ = self._connections[sender]
        try:
            connection.sendall(_LENGTH.pack(len(body)) + body)
        except OSError:  # it ended, or is stuck
            self._drop(sender)

    def close(self) -> None:
        """Close all connections; whoever still waits notices."""
        for sender in list(self._connections):
            self._drop(sender)
        self._epoll.close()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            connection, _ = self._listener.accept()
            connection.setblocking(True)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", STUCK_S, 0))
            self._count += 1
            self._senders[connection.fileno()] = self._count
            self._connections[self._count] = connection, bytearray()
            self._epoll.register(connection, select.EPOLLIN)

    def _read(self, descriptor: int) -> Iterator[tuple[int, bytes]]:
        sender = self._senders[descriptor]
        connection, buffer = self._connections[sender]
        try:
            chunk = connection.recv(CHUNK_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self._drop(sender)
            return
        buffer += chunk
        while len(buffer) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(buffer)[0]
            if len(buffer) < end:
                return
            body = bytes(buffer[_LENGTH.size : end])
            del buffer[:end]
            yield sender, body

    def _drop(self, sender: int) -> None:
        connection, _ = self._connections.pop(sender)
        del self._senders[connection.fileno()]
        self._epoll.unregister(connection)
        connection.close()


def connect(path: str, timeout_s: float) -> socket.socket:
    """A caller's connection. Raises OSError where no host listens."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        connection.connect(path)
    except BaseException:
        connection.close()
        raise
    return connection


def exchange(connection: socket.socket, request: bytes, timeout_s: float) -> bytes:
    """Send a request and wait for its answer. After an error the connection is of no more use.

    Raises:
        TimeoutError: There was none in time.
        OSError: The host has ended.
    """
    connection.settimeout(timeout_s)
    connection.sendall(_LENGTH.pack(len(request)) + request)
    received = connection.recv(CHUNK_BYTES)
    while len(received) < _LENGTH.size:
        received += _more(connection)
    missing = _LENGTH.size + _LENGTH.unpack_from(received)[0] - len(received)
    parts = [received[_LENGTH.size :]]
    while missing > 0:
        parts.append(_more(connection))
        missing -= len(parts[-1])
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _more(connection: socket.socket) -> bytes:
    part = connection.recv(CHUNK_BYTES)
    if not part:
        raise ConnectionResetError("the host closed the connection")
    return part
