"""Sends what waits, in a thread of its own: a slow mail server must not keep the worker from its runs."""

import logging
import threading

from studio.backends.outgoing.mail import send_mail
from studio.backends.outgoing.refusals import NotSent
from studio.backends.outgoing.webhooks import send_webhook
from studio.clock import Clock
from studio.config import Config
from studio.db.session import Database
from studio.notifications import service
from studio.notifications.service import EMAIL, Message

logger = logging.getLogger(__name__)


class Postman:
    """Sends every message that is due, one after the other."""

    def __init__(self, database: Database, config: Config, clock: Clock) -> None:
        self._database, self._config, self._clock = database, config, clock
        self._thread: threading.Thread | None = None
        if not config.smtp_host:
            logger.info("no mail server is set: nobody is told by e-mail")

    def begin_round(self) -> None:
        """Start sending what is due, unless that is under way; returns at once."""
        if self._thread is not None and self._thread.is_alive():
            return
        with self._database.transaction(write=False) as db:
            if not service.has_due(db, self._clock()):
                return
        self._thread = threading.Thread(target=self._send_in_thread, name="postman", daemon=True)
        self._thread.start()

    def send_due(self) -> int:
        """Send what is due, and return how many messages were tried."""
        tried = 0
        while (message := self._claim()) is not None:
            self._send(message)
            tried += 1
        return tried

    def _send_in_thread(self) -> None:
        try:
            self.send_due()
        except Exception:
            logger.exception("sending notifications failed")

    def _claim(self) -> Message | None:
        with self._database.transaction(write=True) as db:
            return service.claim(db, self._clock())

    def _send(self, message: Message) -> None:
        told = {"notification_id": message.id, "channel": message.channel, "attempt": message.attempt}
        try:
            (send_mail if message.channel == EMAIL else send_webhook)(
                self._config, message.id, message.receiver, message.payload
            )
        except NotSent as refusal:
            with self._database.transaction(write=True) as db:
                given_up = service.note_failure(db, message, self._clock(), str(refusal), is_final=refusal.is_final)
            logger.log(
                logging.ERROR if given_up else logging.WARNING,
                "a notification was given up" if given_up else "a notification could not be sent; trying again",
                extra={**told, "error": str(refusal)},
            )
            return
        with self._database.transaction(write=True) as db:
            service.note_sent(db, message, self._clock())
        logger.info("notification sent", extra=told)
