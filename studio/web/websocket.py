"""One WebSocket (RFC 6455) over the connection a WSGI server hands out, served by one thread at a time.

The connection is taken away from the server, whose thread is free for other calls. Reading and writing never block:
a pong can so never land in the middle of a message, and a client that stops reading is noticed. How far a client has
read is known from pings: it answers one only after everything sent before it. What the client sends is handed on
piece by piece as it comes, so that memory does not depend on how long its messages are.
"""

import contextlib
import functools
import os
import re
import selectors
import socket
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    Request,
    TextMessage,
)
from wsproto.utilities import ProtocolError

from studio.errors import NoHandshake

READ_BYTES = 1 << 16
WRITE_BYTES = 1 << 18
READS_AT_ONCE = 16
OUT_LIMIT_BYTES = 1 << 20  # with so much unsent, nothing is read either: answers to pings must not pile up
HELD_LIMIT_BYTES = 1 << 20  # with so much that nobody has taken yet, nothing more is read
HANDSHAKE_HEADERS = ("Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version")
VERSION = "13"
KEY = re.compile(r"[A-Za-z0-9+/]{22}==")
KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}  # a host that is gone is so in two minutes
MARK_EVERY_S = 2.0  # a question and its answer cost more than a message
MARK_AT_ONCE = 125  # messages unread for which it is asked without delay
TOO_LARGE = (1009, "message_too_large")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a message of the client.

    Attributes:
        data: Text of a text message, else bytes; may be empty.
        is_last: The message ends with it.
    """

    data: str | bytes
    is_last: bool


class WebSocket:
    """An accepted connection.

    Attributes:
        is_open: Messages can be sent: neither side has begun to close.
        fault: Close code and reason the client's own fault asks for; None while it has made none.
        has_ended: The client's side is closed: nothing more will come.
        wake: Has the socket served soon; from any thread or signal handler. Set by who serves it.
    """

    def __init__(self, connection: socket.socket, protocol: WSConnection, max_message_bytes: int) -> None:
        self._connection, self._protocol, self._max_message_bytes = connection, protocol, max_message_bytes
        self.is_open = True
        self.fault: tuple[int, str] | None = None
        self._out = bytearray()
        self._held: list[Piece] = []
        self._held_bytes = self._message_bytes = 0
        self._sent = self._read_by_client = 0
        self._marked: int | None = None
        self._marked_at = -MARK_EVERY_S
        self.has_ended = False
        self.wake: Callable[[], None] = lambda: None
        self._is_half_closed = False
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEPALIVE.items():
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    @classmethod
    def accept(cls, environ: Mapping[str, Any], *, max_message_bytes: int, headers: Mapping[str, str]) -> "WebSocket":
        """Answer the handshake of a request.

        No extension is agreed on: messages are short, and a compressed one could be far larger than it arrives.

        Args:
            environ: The request's WSGI environment, of gunicorn or Werkzeug.
            max_message_bytes: Longest message the client may send.
            headers: Of the answer, beside those of the handshake; ASCII.

        Raises:
            NoHandshake: The request is no handshake of WebSocket version 13.
            RuntimeError: The server does not hand out its connections.
        """
        connection = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
        if connection is None:
            raise RuntimeError("this server does not hand out its connections")
        protocol = WSConnection(ConnectionType.SERVER)
        handshake = _handshake_of(environ)
        try:
            protocol.receive_data(handshake)
            if not any(isinstance(event, Request) for event in protocol.events()):
                raise NoHandshake("This is not a WebSocket handshake.")
            answer = protocol.send(
                AcceptConnection(extra_headers=[(name.encode(), value.encode()) for name, value in headers.items()])
            )
        except (ProtocolError, UnicodeError) as error:
            raise NoHandshake(f"This is not a WebSocket handshake: {error}.") from error
        accepted = cls(_take_over(connection), protocol, max_message_bytes)
        accepted._write(answer)
        return accepted

    @property
    def is_clear(self) -> bool:
        """True when the operating system has taken everything that was sent."""
        return not self._out

    @property
    def unread(self) -> int:
        """Messages sent that the client is not known to have read."""
        return self._sent - self._read_by_client

    @property
    def waiting_since(self) -> float | None:
        """Monotonic time of the ping that is still unanswered; None when none is."""
        return None if self._marked is None else self._marked_at

    @property
    def connection(self) -> socket.socket:
        """The connection, to wait for."""
        return self._connection

    @property
    def interest(self) -> int:
        """What to wait for at the connection, as a selector knows it."""
        if self.has_ended:
            return 0
        return (0 if self._is_full else selectors.EVENT_READ) | (selectors.EVENT_WRITE if self._out else 0)

    def pump(self, ready: int) -> None:
        """Write and read what can be at once.

        Args:
            ready: What the connection is ready for, as a selector tells.
        """
        if self._out:
            self._write()
        if ready & selectors.EVENT_READ:
            self._read()

    def hear(self) -> list[Piece]:
        """Take what the client has said since the last time, in order."""
        heard, self._held, self._held_bytes = self._held, [], 0
        return heard

    def send(self, messages: Iterable[bytes]) -> None:
        """Send messages; kept while the client does not read, so look at ``is_clear`` before the next.

        Args:
            messages: Each the UTF-8 of a text.
        """
        if self.is_open:
            frames = [_frame_of(message) for message in messages]
            self._sent += len(frames)
            self._write(b"".join(frames))

    @property
    def mark_at(self) -> float | None:
        """Monotonic time from which ``mark`` asks; None while there is nothing to ask."""
        if not self.is_open or self._marked is not None or not self.unread:
            return None
        return 0.0 if self.unread >= MARK_AT_ONCE else self._marked_at + MARK_EVERY_S

    def mark(self, now: float) -> None:
        """Ask the client how far it has read, unless it has read all, has not answered yet or was just asked."""
        moment = self.mark_at
        if moment is not None and now >= moment:
            self._marked, self._marked_at = self._sent, now
            self._put(Ping(payload=str(self._sent).encode()))

    def begin_close(self, code: int, reason: str) -> None:
        """Close with a code; then ``drain`` until ``has_ended``, or until the patience is over.

        What the client still sends is read and dropped meanwhile: a connection that is closed over unread data is
        reset, and a reset takes the code with it.

        Args:
            code: Close code.
            reason: At most 123 bytes.
        """
        if self.is_open:
            self.is_open = False
            self._put(CloseConnection(code=code, reason=reason))

    def drain(self, ready: int) -> None:
        """Do what can be done at once towards the end of a closed socket; ``ready`` as for ``pump``."""
        self.hear()
        self.pump(ready)
        if self.is_clear and self._has_said_goodbye and not self._is_half_closed and not self.has_ended:
            self._is_half_closed = True
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_WR)

    def release(self) -> None:
        """Let go of the connection; safe to repeat."""
        self.is_open = False
        self._connection.close()

    @property
    def _is_full(self) -> bool:
        return len(self._out) > OUT_LIMIT_BYTES or self._held_bytes > HELD_LIMIT_BYTES

    @property
    def _has_said_goodbye(self) -> bool:
        return self.fault is not None or self._protocol.state.name == "CLOSED"

    def _put(self, event: Event) -> None:
        with contextlib.suppress(ProtocolError):  # the client has closed meanwhile
            self._write(self._protocol.send(event))

    def _write(self, data: bytes = b"") -> None:
        self._out += data
        try:
            while self._out and not self.has_ended:
                taken = self._connection.send(self._out[:WRITE_BYTES])
                del self._out[:taken]
        except BlockingIOError:
            return
        except OSError:
            self._end()

    def _read(self) -> None:
        try:
            for _ in range(READS_AT_ONCE):
                if self.has_ended or self._is_full:
                    return
                data = self._connection.recv(READ_BYTES)
                self._take(data) if data else self._end()
                if len(data) < READ_BYTES:
                    return  # that was all, or the selector will tell of more
        except BlockingIOError:
            return
        except OSError:
            self._end()

    def _take(self, data: bytes) -> None:
        if self.fault is not None and self.fault != TOO_LARGE:
            return  # after a broken frame nothing that follows can be told apart
        try:
            self._protocol.receive_data(data)
            for event in self._protocol.events():
                self._handle(event)
        except ProtocolError:
            self.fault = self.fault or (1002, "protocol_error")

    def _handle(self, event: Event) -> None:
        if isinstance(event, Ping):
            self._put(event.response())
        elif isinstance(event, Pong):
            self._note_answer(bytes(event.payload))
        elif isinstance(event, CloseConnection):
            self._hear_close(event)
        elif isinstance(event, TextMessage | BytesMessage) and self.fault is None:
            self._collect(event)

    def _note_answer(self, payload: bytes) -> None:
        if self._marked is not None and payload == str(self._marked).encode():
            self._read_by_client, self._marked = self._marked, None

    def _hear_close(self, event: CloseConnection) -> None:
        if self._protocol.state.name == "OPEN":  # not the client's close but a frame that breaks the protocol
            self.fault = self.fault or (int(event.code), "protocol_error")
            return
        if self.is_open:
            self._put(event.response())
        self.is_open = False

    def _collect(self, event: TextMessage | BytesMessage) -> None:
        data: str | bytes = event.data if isinstance(event.data, str) else bytes(event.data)
        self._message_bytes += len(data) if isinstance(data, bytes) or data.isascii() else len(data.encode())
        if self._message_bytes > self._max_message_bytes:
            self.fault = TOO_LARGE
            self.hear()
            return
        self._held.append(Piece(data, event.message_finished))
        self._held_bytes += len(data) + 1
        if event.message_finished:
            self._message_bytes = 0

    def _end(self) -> None:
        self.has_ended, self.is_open = True, False
        self._out.clear()


def _handshake_of(environ: Mapping[str, Any]) -> bytes:
    given = {name: environ.get(f"HTTP_{name.upper().replace('-', '_')}") for name in HANDSHAKE_HEADERS}
    if given["Sec-WebSocket-Version"] != VERSION:
        raise NoHandshake("1 field was refused", fields=[("Sec-WebSocket-Version", f"must be {VERSION}")])
    if not KEY.fullmatch(given["Sec-WebSocket-Key"] or ""):
        raise NoHandshake("1 field was refused", fields=[("Sec-WebSocket-Key", "must be 16 bytes in Base64")])
    lines = ["GET / HTTP/1.1", *(f"{name}: {value}" for name, value in given.items() if value is not None)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _take_over(connection: socket.socket) -> socket.socket:
    """The connection as our own; the server keeps a closed one in its place, to close and count as it likes."""
    own = connection.dup()
    stand_in, peer = socket.socketpair()
    peer.close()
    with stand_in:
        os.dup2(stand_in.fileno(), connection.fileno(), inheritable=False)
    return own


@functools.lru_cache(maxsize=512)  # most messages go to many clients, one after the other
def _frame_of(data: bytes) -> bytes:
    """A text message in one frame, as a server sends it: unmasked."""
    if len(data) < 126:
        return struct.pack("!BB", 0x81, len(data)) + data
    if len(data) < 1 << 16:
        return struct.pack("!BBH", 0x81, 126, len(data)) + data
    return struct.pack("!BBQ", 0x81, 127, len(data)) + data
