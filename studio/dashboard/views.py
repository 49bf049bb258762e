"""Route of the dashboard."""

from typing import Any

from flask_smorest import Blueprint

from studio.dashboard import service
from studio.dashboard.schemas import DashboardQuery, DashboardStatsOut
from studio.dashboard.service import DashboardStats
from studio.web.context import Context
from studio.web.endpoint import endpoint

bp = Blueprint("dashboard", __name__, url_prefix="/api/v1/models")


@endpoint(
    bp, "dashboard.stats", "GET", "/dashboard/stats", needs="model:read",
    query=DashboardQuery(), returns=DashboardStatsOut(),
)  # fmt: skip
def get_stats(ctx: Context, query: dict[str, Any]) -> DashboardStats:
    """Get the organization at a glance."""
    return service.sum_up(ctx.stores, **query)
