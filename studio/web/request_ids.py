"""The id of each call: on its answer, and in every log line that is written for it."""

from collections.abc import Iterable
from typing import Any

from studio.json_logs import request_id
from studio.web.context import find_origin


class RequestIds:
    """WSGI middleware around everything that is served."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        call_id = find_origin(environ).request_id

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            return start_response(status, [*headers, ("X-Request-ID", call_id)], *rest)

        before = request_id.set(call_id)
        try:
            return self._app(environ, start)  # type: ignore[no-any-return]
        finally:
            request_id.reset(before)
