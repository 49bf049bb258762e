"""Has deployments predict. No call touches the database while what the process knows of the model is fresh."""

import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from studio.backends.serving.port import Answer
from studio.backends.serving.routes import Route
from studio.backends.stores import Stores
from studio.deployments.service.rows import find_row
from studio.domain.deployments import Strategy
from studio.errors import BackendDown, HostGone, HostUnknown, NotDeployed, PredictionFailed

ATTEMPTS = 3  # a request that ended so many hosts ends no more of them
PAUSE_S = 0.05
UNKNOWN_S = 10.0  # longest wait for hosts that the worker has not taken up, as after its restart

Rows = Sequence[dict[str, Any]]


def predict(
    stores: Stores,
    model_id: str,
    rows: Rows | Callable[[Route], Rows],
    *,
    deployment_id: str | None = None,
    version_id: str | None = None,
    timeout_s: float | None = None,
) -> Answer:
    """Have rows predicted by an active deployment of a model: the direct one and the canary by their shares.

    A host that ends meanwhile, or that a new version has replaced, fails no request: another is asked. Safe to repeat.

    Args:
        stores: Open stores; nothing is read through them while the routes are fresh.
        model_id: Id of a model that the caller may read.
        rows: At least one; column -> JSON value. Or what gives them for the route that is asked: it raises
            InvalidInputs where they do not fit its version.
        deployment_id: Ask this one, whatever its share.
        version_id: Ask one that serves this version.
        timeout_s: Longest wait in seconds; None for that of the settings.

    Returns:
        The answer, with deployment and version as the host itself says.

    Raises:
        NotDeployed: No active deployment answers such requests.
        DeploymentNotFound: The model has no deployment of that id.
        PredictionFailed: The model raised.
        Overloaded: It has too much to do to answer in time.
        BackendDown: Its hosts are not there.
    """
    begun = time.monotonic()
    deadline = begun + (stores.config.predict_timeout_s if timeout_s is None else timeout_s)
    seen, asked = float("-inf"), 0
    while True:
        route = choose_route(stores, model_id, deployment_id=deployment_id, version_id=version_id, newer_than=seen)
        given = rows(route) if callable(rows) else rows
        seen = time.monotonic()
        is_last = asked >= ATTEMPTS - 1 or seen > min(deadline - PAUSE_S, begun + UNKNOWN_S)
        try:
            answer = stores.hosts.ask(route.keys, given, deadline=deadline)
        except (PredictionFailed, BackendDown) as error:
            if is_last or not isinstance(error, HostGone | HostUnknown):
                _count(stores, route, begun, failed=True)
                raise
            asked += isinstance(error, HostGone)
            time.sleep(PAUSE_S)
        else:
            _count(stores, route, begun, failed=False)
            if deployment_id is None and version_id is None:
                _copy_to_shadows(stores, model_id, given)
            return answer


def choose_route(
    stores: Stores,
    model_id: str,
    *,
    deployment_id: str | None = None,
    version_id: str | None = None,
    newer_than: float = float("-inf"),
) -> Route:
    """The deployment that is to answer a request; raises as ``predict``.

    Args:
        stores: Open stores.
        model_id: Id of a model that the caller may read.
        deployment_id: This one, whatever its share.
        version_id: One that serves this version.
        newer_than: Time of the monotonic clock at which what was known was found to be out of date.
    """
    routes = stores.routes.of_model(model_id, newer_than=newer_than)
    if deployment_id is not None:
        found = next((route for route in routes if route.deployment_id == deployment_id), None)
        if found is None:
            row = find_row(stores, model_id, deployment_id)
            raise NotDeployed(f"Deployment {deployment_id} is {row.status}; only an active one answers.")
        return found
    if version_id is not None:
        serving = sorted((route for route in routes if route.version_id == version_id), key=_rank)
        if not serving:
            raise NotDeployed(f"No active deployment of this model serves version {version_id}.")
        return serving[0]
    direct = next((route for route in routes if route.strategy == Strategy.DIRECT), None)
    if direct is None:
        raise NotDeployed("This model has no active direct deployment; create one first.")
    canary = next((route for route in routes if route.strategy == Strategy.CANARY and route.is_serving), None)
    takes_canary = canary is not None and random.uniform(0, 100) < canary.traffic_percent  # noqa: S311
    return canary if canary is not None and takes_canary else direct


def _count(stores: Stores, route: Route, begun: float, *, failed: bool) -> None:
    took_ms = (time.monotonic() - begun) * 1000
    stores.routes.tally.add(route.deployment_id, route.version_id, took_ms, failed=failed)


def _copy_to_shadows(stores: Stores, model_id: str, rows: Rows) -> None:
    """Have shadows predict the same, later, for nobody but the log; what they cannot keep up with is dropped."""
    for route in stores.routes.of_model(model_id):
        is_chosen = random.uniform(0, 100) < route.traffic_percent  # noqa: S311
        if route.strategy == Strategy.SHADOW and route.is_serving and is_chosen:
            stores.routes.copies.offer(len(rows), partial(_send_copy, stores, route, rows))


def _send_copy(stores: Stores, route: Route, rows: Rows) -> None:
    begun = time.monotonic()
    try:
        stores.hosts.ask(route.keys, rows, deadline=begun + stores.config.predict_timeout_s)
    except (PredictionFailed, BackendDown):
        _count(stores, route, begun, failed=True)
        raise
    _count(stores, route, begun, failed=False)


def _rank(route: Route) -> tuple[bool, int]:
    """Those that serve come first, direct before canary before shadow."""
    return not route.is_serving, list(Strategy).index(Strategy(route.strategy))
