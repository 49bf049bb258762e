"""Routes of versions."""

from typing import Any

from flask_smorest import Blueprint

from studio.domain.pages import Page
from studio.domain.versions import Gate, VersionRecord, VersionStatus
from studio.versions import service
from studio.versions.schemas import PromoteBody, VersionList, VersionOut, VersionQuery
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
