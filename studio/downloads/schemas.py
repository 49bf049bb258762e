"""JSON of downloads."""

from marshmallow import Schema, fields, validate

from studio.domain.versions import FileFormat
from studio.web.fields import Time, choice
from studio.web.paging import QuerySchema


class DownloadQuery(QuerySchema):
    version_id = fields.String(load_default=None)
    format = choice(FileFormat, load_default=FileFormat.PKL.value)
    expires_in = fields.Integer(load_default=3600, validate=validate.Range(1, 86400))


class DownloadLinkOut(Schema):
    model_id = fields.String(required=True)
    version_id = fields.String(required=True)
    format = fields.String(required=True)
    download_url = fields.String(required=True)
    expires_at = Time(required=True)
    file_size_bytes = fields.Integer(required=True)
    sha256 = fields.String(required=True)
