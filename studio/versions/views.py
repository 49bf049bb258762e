"""Routes of versions."""

from typing import Any

from flask_smorest import Blueprint

from studio.domain.pages import Page
from studio.domain.versions import Gate, VersionComparison, VersionRecord, VersionStatus
from studio.versions import service
from studio.versions.schemas import (
    CompareQuery,
    HistoryQuery,
    PromoteBody,
    PromotionHistoryOut,
    RestoredOut,
    RollbackBody,
    VersionChanges,
    VersionComparisonOut,
    VersionList,
    VersionOut,
    VersionQuery,
)
from studio.web.context import Context
from studio.web.endpoint import endpoint

bp = Blueprint("versions", __name__, url_prefix="/api/v1/models")


@endpoint(
    bp, "version.list", "GET", "/<model_id>/versions", needs="model:read",
    query=VersionQuery(), returns=VersionList(),
)  # fmt: skip
def list_versions(ctx: Context, query: dict[str, Any], model_id: str) -> Page:
    """List the versions of a model."""
    wanted = service.VersionFilter(
        status=VersionStatus(query["status"]) if query["status"] else None,
        sort_by=query["sort_by"],
        descending=query["sort_order"] == "desc",
    )
    return service.list_versions(ctx.stores, model_id, wanted, page=query["page"], page_size=query["page_size"])


@endpoint(
    bp, "version.get", "GET", "/<model_id>/versions/<version_id>", needs="model:read",
    returns=VersionOut(), has_etag=True,
)  # fmt: skip
def get_version(ctx: Context, model_id: str, version_id: str) -> VersionRecord:
    """Get one version."""
    return service.get_version(ctx.stores, model_id, version_id)


@endpoint(
    bp, "version.promote", "POST", "/<model_id>/versions/<version_id>/promote",
    needs="model:write or model:deploy", audit="model.version_promoted",
    body=PromoteBody(), returns=VersionOut(), has_etag=True,
)  # fmt: skip
def promote_version(ctx: Context, body: dict[str, Any], model_id: str, version_id: str) -> VersionRecord:
    """Make one version the model's production version."""
    gate = Gate(**body["gate"]) if "gate" in body else None
    return service.promote_version(ctx.stores, model_id, version_id, reason=body.get("reason"), gate=gate)


@endpoint(
    bp, "version.rollback", "POST", "/<model_id>/versions/rollback",
    needs="model:write or model:deploy", audit="model.version_promoted",
    body=RollbackBody(), returns=VersionOut(), has_etag=True,
)  # fmt: skip
def rollback_promotion(ctx: Context, body: dict[str, Any], model_id: str) -> VersionRecord:
    """Promote the version that was in production before the present one."""
    return service.rollback_promotion(ctx.stores, model_id, reason=body.get("reason"))


@endpoint(
    bp, "version.history", "GET", "/<model_id>/versions/history", needs="model:read",
    query=HistoryQuery(), returns=PromotionHistoryOut(),
)  # fmt: skip
def list_promotions(ctx: Context, query: dict[str, Any], model_id: str) -> service.PromotionHistory:
    """List which versions were in production when, or the one at a moment."""
    return service.list_promotions(ctx.stores, model_id, **query)


@endpoint(
    bp, "version.compare", "GET", "/<model_id>/versions/compare", needs="model:read",
    query=CompareQuery(), returns=VersionComparisonOut(),
)  # fmt: skip
def compare_versions(ctx: Context, query: dict[str, Any], model_id: str) -> VersionComparison:
    """Compare two versions of a model."""
    return service.compare_versions(ctx.stores, model_id, **query)


@endpoint(
    bp, "version.restore", "POST", "/<model_id>/versions/<version_id>/restore",
    needs="model:write", audit="model.version_restored", returns=RestoredOut(),
)  # fmt: skip
def restore_version(ctx: Context, model_id: str, version_id: str) -> service.Restored:
    """Make a version's configuration the model's own."""
    return service.restore_version(ctx.stores, model_id, version_id)


@endpoint(
    bp, "version.update", "PATCH", "/<model_id>/versions/<version_id>",
    needs="model:write", audit="model.version_updated",
    body=VersionChanges(), returns=VersionOut(), has_etag=True, current=get_version,
)  # fmt: skip
def update_version(ctx: Context, body: dict[str, Any], model_id: str, version_id: str) -> VersionRecord:
    """Change a version's description or tags; what is not named stays."""
    return service.update_version(ctx.stores, model_id, version_id, body)


@endpoint(
    bp, "version.delete", "DELETE", "/<model_id>/versions/<version_id>",
    needs="model:write", audit="model.version_deleted", status=204, current=get_version,
)  # fmt: skip
def delete_version(ctx: Context, model_id: str, version_id: str) -> None:
    """Delete a version with its files."""
    service.delete_version(ctx.stores, model_id, version_id)
