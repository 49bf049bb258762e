"""Sends mail over SMTP, as plain text and as HTML."""

import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from typing import Any

from studio.backends.outgoing.refusals import NotSent
from studio.config import Config

TIMEOUT_S = 10.0
MAX_SUBJECT = 200


def send_mail(config: Config, message_id: str, receiver: str, payload: Mapping[str, Any]) -> None:
    """Send one mail to one receiver.

    Args:
        config: The settings of the mail server.
        message_id: The same at every attempt; becomes the Message-ID.
        receiver: An address.
        payload: ``subject``, ``text`` and ``html``.

    Raises:
        NotSent: The server did not take it; final where it refuses the receiver or the mail for good.
    """
    if not config.smtp_host:
        raise NotSent("no mail server is set any more", is_final=True)
    try:
        mail = _compose(config, message_id, receiver, payload)
        with _open(config) as server:
            server.send_message(mail, from_addr=parseaddr(config.smtp_sender)[1], to_addrs=[receiver])
    except smtplib.SMTPRecipientsRefused as refusal:
        code, words = next(iter(refusal.recipients.values()))
        raise NotSent(f"{code} {_words(words)}", is_final=code >= 500) from refusal
    except smtplib.SMTPAuthenticationError as refusal:  # for the operator to mend, so it is tried again
        raise NotSent(f"the mail server refuses the login: {refusal.smtp_code}") from refusal
    except smtplib.SMTPResponseException as refusal:
        told = f"{refusal.smtp_code} {_words(refusal.smtp_error)}"
        raise NotSent(told, is_final=refusal.smtp_code >= 500) from refusal
    except smtplib.SMTPNotSupportedError as error:
        raise NotSent(f"the mail server cannot do what the settings ask: {error}") from error
    except ssl.SSLCertVerificationError as error:
        raise NotSent(f"the certificate of {config.smtp_host} is not trusted: {error.verify_message}") from error
    except (smtplib.SMTPException, OSError) as error:
        raise NotSent(f"the mail server does not answer: {str(error) or type(error).__name__}") from error
    except ValueError as error:  # an address no header can hold
        raise NotSent(f"the mail cannot be written: {error}", is_final=True) from error


def one_line(text: str) -> str:
    """A text as one line of printable characters, so that no name can add a header."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:MAX_SUBJECT]


def _compose(config: Config, message_id: str, receiver: str, payload: Mapping[str, Any]) -> EmailMessage:
    mail = EmailMessage()
    sender = parseaddr(config.smtp_sender)[1]
    mail["From"] = config.smtp_sender
    mail["To"] = receiver
    mail["Subject"] = one_line(payload["subject"])
    mail["Date"] = formatdate(usegmt=True)
    mail["Message-ID"] = f"<{message_id}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"  # so that nobody's absence note answers
    mail.set_content(payload["text"])
    mail.add_alternative(payload["html"], subtype="html")
    return mail


def _open(config: Config) -> smtplib.SMTP:
    trusted = ssl.create_default_context()
    if config.smtp_security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(config.smtp_host, config.smtp_port, timeout=TIMEOUT_S, context=trusted)
    else:
        server = smtplib.SMTP(config.smtp_host, config.smtp_port, timeout=TIMEOUT_S)
    try:
        if config.smtp_security == "starttls":
            server.starttls(context=trusted)
        if config.smtp_user and config.smtp_password is not None:
            server.login(config.smtp_user, config.smtp_password.get_secret_value())
    except BaseException:
        server.close()
        raise
    return server


def _words(answer: bytes | str) -> str:
    return answer.decode(errors="replace") if isinstance(answer, bytes) else answer
