"""The history of promotions: rows are added and never changed."""

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from studio.backends.stores import Stores
from studio.domain.pages import Page
from studio.domain.versions import PromotionSource, Tenure
from studio.models import service as models
from studio.versions.service.marks import find_mark
from studio.versions.tables import PromotionRow


@dataclass(frozen=True)
class PromotionHistory:
    """One page of the versions that were in production.

    Attributes:
        at: The moment asked for; None for all times.
        page: Items are Tenures, newest first.
    """

    model_id: str
    at: datetime | None
    page: Page


def list_promotions(
    stores: Stores, model_id: str, *, at: datetime | None = None, page: int, page_size: int
) -> PromotionHistory:
    """Which versions were in production when; deleted ones stay in it.

    Args:
        stores: Open stores.
        model_id: Id of the model.
        at: A moment, to the second: only what was in production then, or nothing. None for all times.
        page: From 1.
        page_size: Most items.

    Raises:
        ModelNotFound: There is no such model.
    """
    models.get_model(stores, model_id)
    following = func.lead(PromotionRow.promoted_at, type_=PromotionRow.promoted_at.type)
    rows = (
        select(PromotionRow, following.over(order_by=PromotionRow.number).label("demoted_at"))
        .where(PromotionRow.model_id == model_id)
        .subquery()
    )
    held = select(rows).where(rows.c.version.is_not(None))
    if at is not None:
        # Times are shown to the second: the one shown as the promotion's must find the promotion.
        until = PromotionRow.promoted_at <= at.replace(microsecond=999_999)
        newest = select(func.max(PromotionRow.number)).where(PromotionRow.model_id == model_id, until)
        held = held.where(rows.c.number == newest.scalar_subquery())
    total = stores.db.scalar(select(func.count()).select_from(held.subquery())) or 0
    shown = held.order_by(rows.c.number.desc()).offset((page - 1) * page_size).limit(page_size)
    results = [
        Tenure(row.version, row.promoted_at, row.demoted_at, row.by, row.reason, PromotionSource(row.source))
        for row in stores.db.execute(shown)
    ]
    return PromotionHistory(model_id, at, Page(total, page, page_size, results))


def find_previous(stores: Stores, model_id: str, promoted: int | None, eligible: Container[int]) -> int | None:
    """Number of the version that was in production last before the present one.

    Args:
        stores: Open stores.
        model_id: Id of the model.
        promoted: The present one.
        eligible: Numbers it may be; others are skipped.
    """
    query = select(PromotionRow.version).where(PromotionRow.model_id == model_id).order_by(PromotionRow.number.desc())
    held = stores.db.scalars(query.execution_options(yield_per=100))
    return next((number for number in held if number != promoted and number in eligible), None)


def add_promotion(
    stores: Stores,
    model_id: str,
    version: int | None,
    *,
    by: str | None,
    reason: str | None,
    source: PromotionSource,
) -> None:
    """Write a promotion into the history, and into what is known of the registry.

    Args:
        stores: Open stores that hold the model's registry (hold_registry).
        model_id: Id of the model.
        version: Number of the version; None where the place was emptied.
        by: Who did it, None where nobody knows.
        reason: Why.
        source: Through which door it came.
    """
    newest = select(func.max(PromotionRow.number)).where(PromotionRow.model_id == model_id)
    number = (stores.db.scalar(newest) or 0) + 1
    facts = {"promoted_at": stores.now(), "by": by, "reason": reason, "source": str(source)}
    stores.db.add(PromotionRow(model_id=model_id, number=number, version=version, **facts))
    mark = find_mark(stores, model_id)
    mark.promoted = mark.staged = version  # MLflow gets both, alias and stage
    stores.db.flush()
