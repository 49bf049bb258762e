"""Routes of members and of the organization's configuration."""

from typing import Any

from flask_smorest import Blueprint

from studio.domain.pages import Page
from studio.organizations import service
from studio.organizations.schemas import (
    MemberBody,
    MemberList,
    MemberOut,
    MemberQuery,
    OrganizationConfigBody,
    OrganizationConfigOut,
)
from studio.web.context import Context
from studio.web.endpoint import endpoint

bp = Blueprint("organizations", __name__, url_prefix="/api/v1/organization")


@endpoint(bp, "member.list", "GET", "/members", needs="model:read", query=MemberQuery(), returns=MemberList())
def list_members(ctx: Context, query: dict[str, Any]) -> Page:
    """List the organization's members."""
    return service.list_members(ctx.stores, **query)


@endpoint(
    bp, "member.add", "POST", "/members", needs="organization:admin", audit="organization.member_added", status=201,
    body=MemberBody(), returns=MemberOut(), location="/api/v1/organization/members?search={user_id}",
)  # fmt: skip
def add_member(ctx: Context, body: dict[str, Any]) -> service.Member:
    """Add a member before its first call."""
    return service.add_member(ctx.stores, **body)


@endpoint(
    bp, "organization_config.get", "GET", "/config", needs="model:read or organization:viewer",
    returns=OrganizationConfigOut(), has_etag=True,
)  # fmt: skip
def get_config(ctx: Context) -> service.OrganizationConfig:
    """Get what the organization sets for all its models."""
    return service.get_config(ctx.stores)


@endpoint(
    bp, "organization_config.replace", "PUT", "/config", needs="organization:admin",
    audit="organization.config_updated", body=OrganizationConfigBody(), returns=OrganizationConfigOut(),
    has_etag=True, current=get_config,
)  # fmt: skip
def replace_config(ctx: Context, body: dict[str, Any]) -> service.OrganizationConfig:
    """Replace what the organization sets for all its models."""
    return service.replace_config(ctx.stores, body["overrides"])
