"""Routes of a model's configuration and settings."""

from typing import Any

from flask_smorest import Blueprint

from studio.settings import service
from studio.settings.schemas import ConfigBody, ModelConfigOut, ModelSettingsOut, SettingsBody
from studio.web.context import Context
from studio.web.endpoint import endpoint

bp = Blueprint("settings", __name__, url_prefix="/api/v1/models")


@endpoint(
    bp, "config.get", "GET", "/<model_id>/config", needs="model:read or organization:viewer",
    returns=ModelConfigOut(), has_etag=True,
)  # fmt: skip
def get_config(ctx: Context, model_id: str) -> dict[str, Any]:
    """Get the effective configuration."""
    return service.get_config(ctx.stores, model_id)


@endpoint(
    bp, "config.replace", "PUT", "/<model_id>/config", needs="model:write", audit="model.config_updated",
    body=ConfigBody(), returns=ModelConfigOut(), has_etag=True, current=get_config,
)  # fmt: skip
def replace_config(ctx: Context, body: dict[str, Any], model_id: str) -> dict[str, Any]:
    """Replace the model's own configuration."""
    return service.replace_config(ctx.stores, model_id, body)


@endpoint(
    bp, "settings.get", "GET", "/<model_id>/settings", needs="model:read", returns=ModelSettingsOut(), has_etag=True,
)  # fmt: skip
def get_settings(ctx: Context, model_id: str) -> dict[str, Any]:
    """Get display, notifications and access."""
    return service.get_settings(ctx.stores, model_id)


@endpoint(
    bp, "settings.update", "PATCH", "/<model_id>/settings", needs="model:write", audit="model.settings_updated",
    body=SettingsBody(), returns=ModelSettingsOut(), has_etag=True, current=get_settings,
)  # fmt: skip
def update_settings(ctx: Context, body: dict[str, Any], model_id: str) -> dict[str, Any]:
    """Change settings; what a section does not name stays."""
    return service.update_settings(ctx.stores, model_id, body)
