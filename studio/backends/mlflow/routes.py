"""What each route of MLflow's server is to a caller: a read, a write, answered by us, or refused.

A route that no line here names is refused, so that an upgrade of MLflow opens nothing unseen.
"""

import enum
from dataclasses import dataclass
from typing import Any, Final

from mlflow.server import app as mlflow_app
from werkzeug.exceptions import HTTPException

from studio.backends.mlflow.environment import PREFIX


class Access(enum.StrEnum):
    READ = "read"
    WRITE = "write"
    WORKSPACES = "workspaces"
    REFUSED = "refused"
    UNDECIDED = "undecided"
    NO_ROUTE = "no route"


@dataclass(frozen=True)
class Route:
    """A matched route.

    Attributes:
        template: Its path without prefix and version, such as ``runs/search`` or ``traces/<trace_id>/tags``.
        arguments: Values of the variable parts of the path.
    """

    access: Access
    template: str
    arguments: dict[str, Any]

    @property
    def is_shared(self) -> bool:
        """True for objects of the whole organization, which may hold what came from any model."""
        return self.template.startswith(_SHARED)

    @property
    def makes_a_name(self) -> bool:
        """True where an experiment or a registered model is made, which belongs to no model yet."""
        return self.template in _NAMING

    @property
    def changes_registry(self) -> bool:
        """True where registered models, versions or aliases may change."""
        return self.access is Access.WRITE and self.template.startswith(_REGISTRY)


_NAMING: Final = frozenset({"experiments/create", "registered-models/create"})
_REGISTRY: Final = ("registered-models", "model-versions")
# Resources whose stores keep to the workspace of the request, by the first part of the template.
_CONFINED: Final = frozenset(
    {
        "artifacts",
        "datasets",
        "experiments",
        "issues",
        "label-schemas",
        "logged-models",
        "metrics",
        "mlflow-artifacts",
        "model-versions",
        "registered-models",
        "review-queues",
        "runs",
        "scorers",
        "traces",
        "unified-traces",
    }
)
_ALONE: Final = frozenset(
    {
        "",
        "get-artifact",
        "get-trace-artifact",
        "graphql",
        "health",
        "server-info",
        "static-files/<path:path>",
        "ui-telemetry",
        "version",
    }
)
_UPLOAD: Final = "upload-artifact"
# Evaluation datasets belong to no experiment: who does not see every model of the organization gets none of
# them.
_SHARED: Final = "datasets/"
# POST routes that only look something up. GraphQL knows no mutation but one for MLflow's own tests.
_LOOK_UPS: Final = frozenset(
    {
        "datasets/search",
        "experiments/search",
        "experiments/search-datasets",
        "graphql",
        "issues/search",
        "logged-models/search",
        "registered-models/get-latest-versions",
        "runs/search",
        "traces/batchGetInfos",
        "traces/calculate-filter-correlation",
        "traces/metrics",
        "traces/search",
    }
)
# Calls out to addresses or providers a client names, runs code, starts jobs, or hands out addresses of the
# store.
_REFUSED_GROUPS: Final = frozenset(
    {
        "build",
        "demo",
        "gateway",
        "gateway-proxy",
        "genai",
        "get-online-trace-details",
        "jobs",
        "prompt-optimization",
        "scorer",
        "webhooks",
    }
)
_EMPTY_GATEWAY: Final = "gateway-proxy"
_REFUSED_PARTS: Final = (
    "artifacts/presigned-",
    "issues/invoke",
    "mlflow-artifacts/mpu/",
    "mlflow-artifacts/presigned/",
    "runs/create-promptlab-run",
)


def find_route(environ: dict[str, Any]) -> Route:
    """The route MLflow's server would take for a WSGI request."""
    try:
        rule, arguments = mlflow_app.url_map.bind_to_environ(environ).match(return_rule=True)
    except HTTPException:
        return Route(Access.NO_ROUTE, "", {})
    template = template_of(rule.rule)
    return Route(access_of(environ["REQUEST_METHOD"], template), template, dict(arguments))


def template_of(rule: str) -> str:
    """A rule of MLflow's server without what its many spellings differ in: prefix, ``ajax-``, version."""
    path = rule.removeprefix(PREFIX).lstrip("/").replace("ajax-api/", "api/", 1)
    for version in ("api/2.0/", "api/3.0/"):
        path = path.removeprefix(version)
    return path.removeprefix("mlflow/")


def access_of(method: str, template: str) -> Access:
    """What a method on a route is to a caller."""
    group = template.partition("/")[0]
    is_look = method in ("GET", "HEAD", "OPTIONS")
    if template == _EMPTY_GATEWAY and is_look:  # the pages ask for it; with no gateway it answers an empty list
        return Access.READ
    if group in _REFUSED_GROUPS or template.startswith(_REFUSED_PARTS):
        return Access.REFUSED
    if group == "workspaces":
        return Access.WORKSPACES if is_look else Access.REFUSED
    if template == _UPLOAD:
        return Access.WRITE
    if group not in _CONFINED and template not in _ALONE:
        return Access.UNDECIDED
    if is_look or (method == "POST" and template in _LOOK_UPS):
        return Access.READ
    if group in ("scorers", "ui-telemetry"):  # scorers are code for jobs, and telemetry is off
        return Access.REFUSED
    return Access.WRITE
