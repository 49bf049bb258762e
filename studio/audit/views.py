"""Routes of the audit log."""

import csv
import io
import itertools
from collections.abc import Iterator
from typing import Any

import orjson
from flask_smorest import Blueprint

from studio.audit import service
from studio.audit.schemas import (
    AuditEntryList,
    AuditEntryOut,
    AuditQuery,
    OrganizationAuditQuery,
    VerdictOut,
)
from studio.domain.pages import Page
from studio.web.context import Context
from studio.web.endpoint import endpoint

bp = Blueprint("audit", __name__, url_prefix="/api/v1/models")

CSV_COLUMNS = (
    "entry_id", "action", "actor_user_id", "actor_email", "actor_type", "ip_address", "request_id", "timestamp",
    "model_id", "details", "previous_hash", "hash",
)  # fmt: skip
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def render_ndjson(ctx: Context, query: dict[str, Any], model_id: str | None = None) -> Iterator[bytes]:
    """Every matching entry, one JSON object a line."""
    return (orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE) for entry in _each(ctx, query, model_id))


def render_csv(ctx: Context, query: dict[str, Any], model_id: str | None = None) -> Iterator[bytes]:
    """Every matching entry as CSV; cells that a spreadsheet would read as formulas are quoted with an apostrophe."""
    lines = (_csv_line(_flatten(entry)) for entry in _each(ctx, query, model_id))
    return itertools.chain([_csv_line(CSV_COLUMNS)], lines)


RENDERS = {"text/csv": render_csv, "application/x-ndjson": render_ndjson}


@endpoint(
    bp, "audit.list_organization", "GET", "/audit-logs",
    needs="organization:admin", query=OrganizationAuditQuery(), returns=AuditEntryList(), renders=RENDERS,
)  # fmt: skip
def list_organization_entries(ctx: Context, query: dict[str, Any]) -> Page:
    """Query the organization's audit log."""
    return _list(ctx, query, None)


@endpoint(bp, "audit.verify", "GET", "/audit-logs/verify", needs="organization:admin", returns=VerdictOut())
def verify_chain(ctx: Context) -> service.Verdict:
    """Verify the organization's audit chain."""
    return service.verify_chain(ctx.stores)


@endpoint(
    bp, "audit.list", "GET", "/<model_id>/audit-logs",
    needs="model:read", query=AuditQuery(), returns=AuditEntryList(), renders=RENDERS,
)  # fmt: skip
def list_model_entries(ctx: Context, query: dict[str, Any], model_id: str) -> Page:
    """Query a model's audit log."""
    return _list(ctx, query, model_id)


def _list(ctx: Context, query: dict[str, Any], model_id: str | None) -> Page:
    wanted = _filter_of(query, model_id)
    return service.list_entries(ctx.stores, wanted, page=query["page"], page_size=query["page_size"])


def _each(ctx: Context, query: dict[str, Any], model_id: str | None) -> Iterator[dict[str, Any]]:
    wanted = _filter_of(query, model_id)
    service.check_filter(ctx.stores, wanted)  # while a refusal can still be answered
    return _dump_each(ctx, wanted)


def _dump_each(ctx: Context, wanted: service.AuditFilter) -> Iterator[dict[str, Any]]:
    schema = AuditEntryOut()
    with ctx.stores.open_apart(write=False) as stores:  # the call's own are closed while the answer is streamed
        for entry in service.each_entry(stores, wanted):
            yield schema.dump(entry)


def _flatten(entry: dict[str, Any]) -> list[str]:
    flat = {**entry, **{f"actor_{name}": value for name, value in entry["actor"].items()}}
    flat["details"] = orjson.dumps(entry["details"]).decode()
    return ["" if flat[name] is None else str(flat[name]) for name in CSV_COLUMNS]


def _filter_of(query: dict[str, Any], model_id: str | None) -> service.AuditFilter:
    return service.AuditFilter(
        model_id=model_id or query.get("model_id"),
        since=query["since"],
        until=query["until"],
        action=query["action"],
        user_id=query["actor_id"],
        newest_first=query["sort_order"] == "desc",
    )


def _csv_line(cells: Any) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell for cell in cells)
    return line.getvalue().encode()
