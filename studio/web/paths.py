"""Which path means which route: trailing slashes mean nothing, doubled ones something else, and words are no ids."""

from collections.abc import Iterable, Mapping
from typing import Any

from flask import Flask
from werkzeug.routing import BaseConverter, Map, Rule, UnicodeConverter

NEVER_MODELS = ("dashboard", "datasets", "downloads", "audit-logs", "stream-tickets")
NEVER_VERSIONS = ("compare", "history", "rollback")


class SlashesOff:
    """WSGI middleware that takes trailing slashes off paths."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.endswith("/"):
            environ["PATH_INFO"] = path.rstrip("/") or "/"
        return self._app(environ, start_response)  # type: ignore[no-any-return]


class IdSegment(UnicodeConverter):
    """An id in a path: none of the words that stand in the same place."""

    words: tuple[str, ...] = ()

    def __init__(self, map: Map) -> None:
        super().__init__(map)
        self.regex = rf"(?!(?:{'|'.join(self.words)})\Z){self.regex}"


class ModelSegment(IdSegment):
    """A model's id."""

    words = NEVER_MODELS


class VersionSegment(IdSegment):
    """A version's id."""

    words = NEVER_VERSIONS


SEGMENTS = {"model_id": ModelSegment, "version_id": VersionSegment}


class Route(Rule):
    """A rule whose ``model_id`` and ``version_id`` are read by segments of their own."""

    def get_converter(
        self, variable_name: str, converter_name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> BaseConverter:
        """The converter of one parameter."""
        name = variable_name if variable_name in SEGMENTS else converter_name
        return super().get_converter(variable_name, name, args, kwargs)


def install_paths(app: Flask) -> None:
    """Set an application's routing up, before its first route."""
    app.url_rule_class = Route
    app.url_map.converters.update(SEGMENTS)
    app.url_map.merge_slashes = False  # an unknown path is answered with a problem, not with a redirect
