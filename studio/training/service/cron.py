"""The moments of a cron expression in the time of a place, whose clocks may change."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from croniter import croniter
from croniter.croniter import CroniterError

from studio.errors import InvalidCron

NAMES = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun"
FIELD = re.compile(rf"(?:[0-9*/,-]|{NAMES})+", re.IGNORECASE)
FIELDS = 5


def next_time(cron: str, timezone: str, *, after: datetime) -> datetime:
    """The first moment of an expression after another, in UTC.

    Where clocks go forward, a time that is left out is met right after the gap. Where they go back, an hour that the
    expression names is met once, the first time; every hour (``*``) is met each time it passes.

    Args:
        cron: Five fields: minute, hour, day of the month, month, day of the week.
        timezone: IANA name of the time it is read in.
        after: Aware; the moment itself does not count.

    Raises:
        InvalidCron: It is no such expression, or none of its days will ever come.
    """
    fields = cron.split()
    if len(fields) != FIELDS or not all(FIELD.fullmatch(field) for field in fields):
        raise _invalid(cron, "must be five fields such as 0 3 * * 1: minute, hour, day, month, day of the week")
    zone = ZoneInfo(timezone)
    try:
        moments = croniter(" ".join(fields), after.astimezone(zone))
        while True:
            moment: datetime = moments.get_next(datetime).astimezone(UTC)
            is_repeated = moment.astimezone(zone).fold == 1
            if not is_repeated or fields[1].startswith("*"):
                return moment
    except CroniterError as error:
        raise _invalid(cron, f"is no cron expression with a time to come: {error}") from error


def _invalid(cron: str, fault: str) -> InvalidCron:
    return InvalidCron(f"The cron expression {cron!r} cannot be used.", fields=[("/cron", fault)])
