"""The operations the application has, as it declares them."""

import inspect
import re
from dataclasses import dataclass
from functools import cache

import pytest
from flask import Flask

from studio.app import BLUEPRINTS
from studio.web.openapi import make_api
from studio.web.operation import Operation
from tests.contract.published import promises

ASSETS = "docs_asset"  # files of the documentation's page


@dataclass(frozen=True)
class Offered:
    """One operation of the application, with every way to reach it as (method, path)."""

    operation: Operation
    routes: frozenset[tuple[str, str]]


@cache
def offered():
    """Every operation by id."""
    app = Flask("studio", static_folder=None)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    api = make_api(app, "")
    for blueprint in BLUEPRINTS:
        api.register_blueprint(blueprint)
    return operations_of(app)


def operations_of(app):
    """Every operation of an application by id.

    Raises:
        AssertionError: It has a route that no operation declares.
    """
    declared, routes = {}, {}
    for rule in app.url_map.iter_rules():
        if rule.endpoint == ASSETS:
            continue
        operation = getattr(inspect.unwrap(app.view_functions[rule.endpoint]), "operation", None)
        assert operation is not None, f"{rule.rule} is no operation"
        declared[operation.id] = operation
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        methods = {"WS"} if rule.websocket else rule.methods - {"HEAD", "OPTIONS"}
        routes.setdefault(operation.id, set()).update((method, path) for method in methods)
    return {name: Offered(operation, frozenset(routes[name])) for name, operation in declared.items()}


def each(wanted=lambda promise: True, *, sockets=False, others=False, marks=None):
    """Parametrises a test by ``promise``: each operation that is both promised and offered.

    Args:
        wanted: Which of them.
        sockets: Whether sockets are among them.
        others: Whether those are whose errors are in the words of another protocol.
        marks: Gives the marks of an operation.
    """
    found = [promises()[name] for name in sorted(promises().keys() & offered().keys())]
    chosen = [
        promise
        for promise in found
        if wanted(promise) and (sockets or promise.method != "WS") and (others or not promise.speaks_otherwise)
    ]
    return pytest.mark.parametrize(
        "promise", [pytest.param(promise, id=promise.id, marks=marks(promise) if marks else ()) for promise in chosen]
    )
