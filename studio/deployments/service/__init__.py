"""What can be done with deployments, one file per group of verbs."""

from studio.deployments.service.asking import choose_route, predict
from studio.deployments.service.changing import promote_canary, stop_deployment, update_deployment
from studio.deployments.service.counting import add_counts
from studio.deployments.service.creating import create_deployment
from studio.deployments.service.reading import get_deployment, list_deployments
from studio.deployments.service.rolling_back import rollback_deployment
from studio.deployments.service.routing import read_routes
from studio.deployments.service.uses import refuse_served_model, refuse_served_version

__all__ = [
    "add_counts",
    "choose_route",
    "create_deployment",
    "get_deployment",
    "list_deployments",
    "predict",
    "promote_canary",
    "read_routes",
    "refuse_served_model",
    "refuse_served_version",
    "rollback_deployment",
    "stop_deployment",
    "update_deployment",
]
