"""Queries the audit log.

Entries are ordered by number and asked for by time. Numbers grow with time, but for a clock that was set back: the
numbers of the first and the last entry of a period bound the walk along an index, and every entry's time is looked at.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.orm import InstrumentedAttribute

from studio.audit.service.rows import BATCH, entry_of
from studio.audit.tables import AuditRow
from studio.backends.stores import Stores
from studio.db.planning import unindexed
from studio.domain.audit import ACTIONS, AuditEntry
from studio.domain.pages import Page
from studio.errors import InvalidInput, InvalidRange

DEFAULT_SPAN = timedelta(days=90)


@dataclass(frozen=True)
class AuditFilter:
    """Which entries are asked for; None leaves a side open."""

    model_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    action: str | None = None
    user_id: str | None = None
    newest_first: bool = True


def list_entries(stores: Stores, wanted: AuditFilter, *, page: int, page_size: int) -> Page:
    """One page of the entries a filter lets through.

    Raises:
        InvalidRange: It ends before it begins.
        InvalidInput: There is no such action.
    """
    span = _find_span(stores, wanted)
    numbers = _select(stores, wanted, span, AuditRow.number)
    if wanted.model_id is None and wanted.action is None and wanted.user_id is None:
        total = span.count
    else:
        total = stores.db.scalar(select(func.count()).select_from(numbers.subquery())) or 0
    met = _sort(numbers, wanted).offset((page - 1) * page_size).limit(page_size).subquery()
    its = and_(AuditRow.organization == stores.organization, AuditRow.number == met.c.number)
    rows = stores.db.scalars(_sort(select(AuditRow).join(met, its), wanted))
    return Page(total, page, page_size, [entry_of(row) for row in rows])


def list_newest(
    stores: Stores,
    is_about: Callable[[InstrumentedAttribute[Any]], ColumnElement[bool]],
    *,
    since: datetime,
    limit: int,
) -> list[AuditEntry]:
    """The newest entries about some models, newest first.

    Args:
        stores: Open stores.
        is_about: Condition on a column of model ids.
        since: Only entries from this time on.
        limit: Most entries to return.
    """
    wanted = AuditFilter(since=since)
    query = _select(stores, wanted, _find_span(stores, wanted), AuditRow).where(is_about(AuditRow.model_id))
    query = _sort(query, wanted).limit(limit)
    return [entry_of(row) for row in stores.db.scalars(query)]


def check_filter(stores: Stores, wanted: AuditFilter) -> None:
    """Refuse a filter that list_entries and each_entry would refuse; raises as they do."""
    _period(stores, wanted)


def each_entry(stores: Stores, wanted: AuditFilter) -> Iterator[AuditEntry]:
    """Every entry a filter lets through, one after the other, in bounded memory."""
    query = _sort(_select(stores, wanted, _find_span(stores, wanted), AuditRow), wanted)
    for row in stores.db.scalars(query.execution_options(yield_per=BATCH)):
        yield entry_of(row)


@dataclass(frozen=True)
class _Span:
    """Entries of a period: how many there are, and the first and the last number; nothing of it for one model's."""

    since: datetime
    until: datetime
    count: int = 0
    first: int | None = None
    last: int | None = None


def _find_span(stores: Stores, wanted: AuditFilter) -> _Span:
    since, until = _period(stores, wanted)
    if wanted.model_id is not None:
        return _Span(since, until)
    of_period = (AuditRow.organization == stores.organization, AuditRow.timestamp >= since, AuditRow.timestamp < until)
    query = select(func.count(), func.min(AuditRow.number), func.max(AuditRow.number)).where(*of_period)
    return _Span(since, until, *stores.db.execute(query).one())


def _select(stores: Stores, wanted: AuditFilter, span: _Span, what: Any) -> Select[Any]:
    """A query for a walk along the numbers of a span, or along those about one model."""
    query = select(what).where(AuditRow.organization == stores.organization)
    if wanted.model_id is not None:
        query = query.where(AuditRow.model_id == wanted.model_id)
    else:
        query = query.where(AuditRow.number.between(span.first or 0, span.last or 0))
    time = unindexed(stores.db, AuditRow.timestamp)
    query = query.where(time >= span.since, time < span.until)
    for column, value in ((AuditRow.action, wanted.action), (AuditRow.user_id, wanted.user_id)):
        if value is not None:
            query = query.where(column == value)
    return query


def _sort(query: Select[Any], wanted: AuditFilter) -> Select[Any]:
    return query.order_by(AuditRow.number.desc() if wanted.newest_first else AuditRow.number)


def _period(stores: Stores, wanted: AuditFilter) -> tuple[datetime, datetime]:
    """From when on, and up to when. Raises InvalidRange and InvalidInput."""
    if wanted.action is not None and wanted.action not in ACTIONS:
        raise InvalidInput("There is no such action.", fields=[("action", f"unknown action {wanted.action!r}")])
    until = wanted.until or stores.now() + timedelta(seconds=1)
    since = wanted.since or _before(until, DEFAULT_SPAN)
    if since > until:
        raise InvalidRange("`from` is after `to`.", fields=[("from", "must not be after to")])
    kept_since = _before(stores.now(), timedelta(days=stores.config.audit_retention_days))
    return max(since, kept_since), until


def _before(moment: datetime, span: timedelta) -> datetime:
    """A moment so much earlier, or the first there is."""
    first = datetime.min.replace(tzinfo=UTC)
    return moment - span if moment - first > span else first
