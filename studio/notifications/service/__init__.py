"""What is told, to whom, and how far that has come."""

from studio.notifications.service.letters import Letter
from studio.notifications.service.outbox import (
    CHANNELS,
    EMAIL,
    LEASE,
    LONGEST_PAUSE_S,
    MAX_ATTEMPTS,
    Announcement,
    Message,
    announce,
    claim,
    forget_old,
    has_due,
    note_failure,
    note_sent,
)

__all__ = [
    "CHANNELS",
    "EMAIL",
    "LEASE",
    "LONGEST_PAUSE_S",
    "MAX_ATTEMPTS",
    "Announcement",
    "Letter",
    "Message",
    "announce",
    "claim",
    "forget_old",
    "has_due",
    "note_failure",
    "note_sent",
]
