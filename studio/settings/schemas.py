"""JSON of configurations with their sources."""

from marshmallow import fields

from studio.web.model_config import ConfigBody, ConfigOut

__all__ = ["ConfigBody", "ModelConfigOut"]


class ModelConfigOut(ConfigOut):
    """The effective configuration, and where each key comes from."""

    sources = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
