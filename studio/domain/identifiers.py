"""Ids of things: how they are made, and which text can be one."""

import os
import re
import secrets
from datetime import datetime

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PREFIXES = {
    "model": "mdl",
    "dataset": "ds",
    "deployment": "dep",
    "batch": "bat",
    "job": "job",
    "key": "key",
    "service_account": "svc",
}


def new_id(thing: str) -> str:
    """``mdl-00c0ffee`` for a model: a prefix and 8 random hex digits."""
    return f"{PREFIXES[thing]}-{secrets.token_hex(4)}"


def new_run_id(now: datetime) -> str:
    """``run-20260503-9f31aa``: the day in UTC and 6 random hex digits."""
    return f"run-{now:%Y%m%d}-{secrets.token_hex(3)}"


def new_prediction_ids(count: int, now_s: float) -> list[str]:
    """``prd-`` and a ULID each: they sort by time, and within one call by their order.

    Args:
        count: How many.
        now_s: The time, in seconds since 1970.
    """
    # The first of the 80 random bits stays free, so that counting on from them never overflows.
    first = int(now_s * 1000) << 80 | int.from_bytes(os.urandom(10), "big") >> 1
    return [f"prd-{_ulid(first + place)}" for place in range(count)]


def _ulid(number: int) -> str:
    return "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def is_id(thing: str, text: str) -> bool:
    """True when the text has the form of such an id."""
    return re.fullmatch(rf"{PREFIXES[thing]}-[0-9a-f]{{8}}", text) is not None


def is_run_id(text: str) -> bool:
    """True when the text has the form of a run's id."""
    return re.fullmatch(r"run-[0-9]{8}-[0-9a-f]{6}", text) is not None
