"""Routes of downloads."""

from typing import Any

from flask_smorest import Blueprint

from studio.domain.actors import system_actor
from studio.domain.versions import FileFormat
from studio.downloads import service
from studio.downloads.schemas import DownloadLinkOut, DownloadQuery
from studio.web.context import Context, current_edge
from studio.web.endpoint import Download, endpoint

bp = Blueprint("downloads", __name__, url_prefix="/api/v1/models")

FILE = "application/octet-stream"
NO_ORGANIZATION = system_actor("default")  # the token says what may be had, whoever asks


@endpoint(
    bp, "download.link", "GET", "/<model_id>/download", needs="model:read", audit="model.artifact_downloaded",
    query=DownloadQuery(), returns=DownloadLinkOut(),
)  # fmt: skip
def create_link(ctx: Context, query: dict[str, Any], model_id: str) -> service.DownloadLink:
    """Make a link to a model file, which works for a while and for whoever has it."""
    format, lifetime_s = FileFormat(query["format"]), query["expires_in"]
    return service.create_link(
        ctx.stores, model_id, version_id=query["version_id"], format=format, lifetime_s=lifetime_s
    )


@endpoint(bp, "download.fetch", "GET", "/downloads/<token>", needs="public", media_types=(FILE,), has_etag=True)
def fetch_file(token: str) -> Download:
    """Hand out the file of a link."""
    with current_edge().open_stores(NO_ORGANIZATION, write=False) as stores:
        file = service.fetch_file(stores, token)
    headers = {"Content-Length": str(file.size_bytes), "ETag": f'"{file.sha256}"', "Cache-Control": "private"}
    return Download(FILE, file.chunks, filename=file.filename, headers=headers)
