"""Uploaded files go straight to disk, to files without a name: a killed process leaves nothing behind."""

import tempfile
from typing import IO

from flask import Request


class UploadRequest(Request):
    """A request whose file parts are unnamed temporary files."""

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        return tempfile.TemporaryFile("rb+")
