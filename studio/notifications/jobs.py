"""Sends what waits, in a thread for each channel: a slow mail server must keep neither runs nor webhooks waiting."""

import logging
import threading

from studio.backends.outgoing.mail import send_mail
from studio.backends.outgoing.refusals import NotSent
from studio.backends.outgoing.webhooks import send_webhook
from studio.clock import Clock
from studio.config import Config
from studio.db.session import Database
from studio.notifications import service
from studio.notifications.service import CHANNELS, EMAIL, Message

logger = logging.getLogger(__name__)


class Postman:
    """Sends every message that is due, one after the other on each channel."""

    def __init__(self, database: Database, config: Config, clock: Clock) -> None:
        self._database, self._config, self._clock = database, config, clock
        self._threads: dict[str, threading.Thread] = {}
        if not config.smtp_host:
            logger.info("no mail server is set: nobody is told by e-mail")

    def begin_round(self) -> None:
        """Start sending what is due on each channel where that is not under way; returns at once."""
        for channel in CHANNELS:
            thread = self._threads.get(channel)
            if (thread is None or not thread.is_alive()) and self._has_due(channel):
                thread = threading.Thread(target=self._work, args=(channel,), name=f"postman-{channel}", daemon=True)
                self._threads[channel] = thread
                thread.start()

    def send_due(self) -> int:
        """Send what is due on all channels, and return how many messages were tried."""
        return sum(self._send_all(channel) for channel in CHANNELS)

    def _work(self, channel: str) -> None:
        try:
            self._send_all(channel)
        except Exception:
            logger.exception("sending notifications failed")

    def _send_all(self, channel: str) -> int:
        tried = 0
        while (message := self._claim(channel)) is not None:
            self._send(message)
            tried += 1
        return tried

    def _has_due(self, channel: str) -> bool:
        with self._database.transaction(write=False) as db:
            return service.has_due(db, channel, self._clock())

    def _claim(self, channel: str) -> Message | None:
        with self._database.transaction(write=True) as db:
            return service.claim(db, channel, self._clock())

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
