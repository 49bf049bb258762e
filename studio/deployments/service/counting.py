"""Keeps how requests of deployments ended, and tells what of it crosses a limit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import Table, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from studio.backends.serving.tally import BUCKET_S, Count, upper_bound_ms
from studio.db.session import Database
from studio.deployments.tables import DeploymentCountRow
from studio.domain.deployments import AutoRollback

JUDGED_OVER = timedelta(minutes=5)
LEAST_REQUESTS = 100
KEPT_FOR = timedelta(hours=1)


@dataclass(frozen=True)
class Figures:
    """How requests went.

    Attributes:
        requests: How many were answered or failed.
        errors: How many of them the service or the model failed.
        p99_ms: Milliseconds within which 99 of 100 ended, to a tenth; None without requests.
    """

    requests: int
    errors: int
    p99_ms: float | None

    @property
    def error_rate(self) -> float:
        """Share that failed, 0..1."""
        return self.errors / self.requests if self.requests else 0.0


def add_counts(database: Database, counts: Sequence[Count]) -> None:
    """Add counts to those that are kept; several processes may do so at once."""
    dialect = sqlite if database.is_sqlite else postgresql
    statement = dialect.insert(cast(Table, DeploymentCountRow.__table__))
    fresh = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=["deployment_id", "version_id", "bucket", "latency_class"],
        set_={
            "requests": DeploymentCountRow.requests + fresh.requests,
            "errors": DeploymentCountRow.errors + fresh.errors,
        },
    )
    ordered = sorted((vars(count) for count in counts), key=lambda count: tuple(count.values()))  # no deadlocks
    with database.transaction(write=True) as db:
        db.execute(statement, ordered)


def read_figures(db: Session, deployment_id: str, version_id: str, *, since: datetime) -> Figures:
    """How the requests of a deployment's version went since a moment, which is rounded up to ten seconds."""
    of_version = DeploymentCountRow.deployment_id == deployment_id, DeploymentCountRow.version_id == version_id
    query = (
        select(
            DeploymentCountRow.latency_class,
            func.sum(DeploymentCountRow.requests),
            func.sum(DeploymentCountRow.errors),
        )
        .where(*of_version, DeploymentCountRow.bucket >= math.ceil(since.timestamp() / BUCKET_S))
        .group_by(DeploymentCountRow.latency_class)
        .order_by(DeploymentCountRow.latency_class)
    )
    found = [(number, int(requests), int(errors)) for number, requests, errors in db.execute(query)]
    total = sum(requests for _, requests, _ in found)
    return Figures(total, sum(errors for *_, errors in found), _percentile(found, 0.99 * total) if total else None)


def find_excess(figures: Figures, limits: AutoRollback) -> str | None:
    """What crosses a limit, in words; None while nothing does or too few requests came to tell."""
    if figures.requests < LEAST_REQUESTS:
        return None
    if limits.max_error_rate is not None and figures.error_rate > limits.max_error_rate:
        return f"{figures.error_rate:.1%} of {figures.requests} requests failed, more than {limits.max_error_rate:.1%}"
    if limits.max_p99_ms is not None and figures.p99_ms is not None and figures.p99_ms > limits.max_p99_ms:
        return (
            f"99 of 100 of {figures.requests} requests took up to {figures.p99_ms:.0f} ms,"
            f" more than {limits.max_p99_ms:g} ms"
        )
    return None


def forget_counts(db: Session, *, now: datetime) -> None:
    """Remove counts nobody asks for any more."""
    oldest = (now - KEPT_FOR).timestamp() // BUCKET_S
    db.execute(delete(DeploymentCountRow).where(DeploymentCountRow.bucket < oldest))


def _percentile(found: Sequence[tuple[int, int, int]], rank: float) -> float:
    """The latency of a rank, taken as spread evenly over its class."""
    below = 0
    for number, requests, _ in found:
        if below + requests >= rank:
            lower = upper_bound_ms(number - 1) if number else 0.0
            return lower + (upper_bound_ms(number) - lower) * (rank - below) / requests
        below += requests
    raise ValueError("the rank lies beyond all requests")
