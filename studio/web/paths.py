"""A trailing slash means the same resource, without a redirect."""

from collections.abc import Iterable
from typing import Any


class SlashesOff:
    """WSGI middleware that takes trailing slashes off the paths of the API."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.endswith("/") and path.startswith("/api/"):
            environ["PATH_INFO"] = path.rstrip("/")
        return self._app(environ, start_response)  # type: ignore[no-any-return]
