"""Sends events to a program, signed as the Standard Webhooks specification says."""

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import orjson
from standardwebhooks import Webhook

from studio.backends.outgoing.addresses import connect
from studio.backends.outgoing.refusals import NotSent
from studio.config import Config

TIMEOUT_S = 10.0  # for the connection, and for each read
DEADLINE_S = 20.0  # for the whole: a receiver could answer a byte now and then
GONE = 410


class _Connection(http.client.HTTPConnection):
    """Connects to allowed addresses only; follows no redirect, which could name another."""

    allow_private = False
    is_late = False
    _open: socket.socket | None = None

    def connect(self) -> None:
        """Open the connection."""
        self.sock = connect(self.host, self.port, timeout_s=TIMEOUT_S, allow_private=self.allow_private)
        self._open = self.sock

    def hang_up(self) -> None:
        """End whatever another thread waits for on this connection."""
        self.is_late = True
        if self._open is not None:
            with contextlib.suppress(OSError):  # closed meanwhile
                self._open.shutdown(socket.SHUT_RDWR)


class _SecureConnection(http.client.HTTPSConnection, _Connection):
    """The same over TLS, which HTTPSConnection lays over what the next class connects."""


def send_webhook(config: Config, message_id: str, receiver: str, payload: Mapping[str, Any]) -> None:
    """POST one event to the operator's address.

    Args:
        config: The settings: address, secret, and whether it may be private.
        message_id: The same at every attempt.
        receiver: Not used: there is one address for all events.
        payload: The body.

    Raises:
        NotSent: It was not answered with a status of success; final where the receiver says it is gone.
    """
    secret = config.notification_webhook_secret
    if not config.notification_webhook_url or secret is None:
        raise NotSent("no webhook is set any more", is_final=True)
    body = orjson.dumps(payload)
    now = datetime.now(UTC)  # the receiver compares it with its own clock
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "model-studio",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret.get_secret_value()).sign(message_id, now, body.decode()),
    }
    status = _post(config, body, headers)
    if not 200 <= status < 300:
        raise NotSent(f"the receiver answered {status}", is_final=status == GONE)


def _post(config: Config, body: bytes, headers: Mapping[str, str]) -> int:
    parts = urlsplit(config.notification_webhook_url)
    assert parts.hostname is not None
    connection: _Connection
    if parts.scheme == "https":
        connection = _SecureConnection(
            parts.hostname, parts.port, timeout=TIMEOUT_S, context=ssl.create_default_context()
        )
    else:
        connection = _Connection(parts.hostname, parts.port, timeout=TIMEOUT_S)
    connection.allow_private = config.notification_private_addresses
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    deadline = threading.Timer(DEADLINE_S, connection.hang_up)
    deadline.start()
    try:
        connection.request("POST", path, body, dict(headers))
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        if connection.is_late:
            raise NotSent(f"the receiver did not answer within {DEADLINE_S:g} s") from error
        told = str(error) or type(error).__name__
        raise NotSent(f"the receiver does not answer: {told}") from error
    finally:
        deadline.cancel()
        connection.close()
