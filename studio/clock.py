"""The time, so that tests can fix it."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)


def format_time(value: datetime) -> str:
    """ISO 8601 in UTC with ``Z`` and second precision."""
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")  # strftime pads no years
