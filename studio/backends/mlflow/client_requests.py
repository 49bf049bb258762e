"""Checks of what an MLflow client sends, made inside MLflow's server, with its own reading of the request.

MLflow's stores keep to the workspace; these are the ways around it that its server leaves open, and the marks
of Model Studio that a client must not forge.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from flask import Response, request
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED, RESOURCE_DOES_NOT_EXIST
from mlflow.protos.model_registry_pb2 import CreateModelVersion, DeleteRegisteredModel, RenameRegisteredModel
from mlflow.protos.service_pb2 import CreateExperiment, DeleteExperiment, UpdateExperiment
from mlflow.server import handlers
from mlflow.server.workspace_helpers import _get_workspace_store
from mlflow.utils.mlflow_tags import (
    MLFLOW_ARTIFACT_LOCATION,
    MLFLOW_TRACE_ARCHIVE_LOCATION,
    MLFLOW_TRACE_SPANS_LOCATION,
)

from studio.backends.mlflow.routes import Access, Route, find_route
from studio.backends.mlflow.version_tags import MODEL_ID, PREFIX

ORGANIZATION_WORKSPACE: Final = "studio.mlflow_workspace"
# The server reads and deletes a trace's files at the address in these tags, in whatever workspace that lies.
_LOCATION_TAGS: Final = frozenset(
    {MLFLOW_ARTIFACT_LOCATION, MLFLOW_TRACE_ARCHIVE_LOCATION, MLFLOW_TRACE_SPANS_LOCATION}
)
_UNCHECKED_BODIES: Final = ("mlflow-artifacts/", "upload-artifact")


def check_request() -> Response | None:
    """Run before each request of MLflow's server: our answer in place of MLflow's, or None to go on."""
    workspace = request.environ.get(ORGANIZATION_WORKSPACE)
    if workspace is None:
        return _answer(_denied("MLflow's server is reached through Model Studio alone."))
    route = find_route(request.environ)
    try:
        if route.access is Access.WORKSPACES:
            return _answer_workspaces(workspace, route)
        if route.template == "server-info":
            return _answer_server_info()
        _check(route, workspace)
    except MlflowException as fault:
        return _answer(fault)
    return None


def _check(route: Route, workspace: str) -> None:
    if route.template.startswith("mlflow-artifacts/artifacts"):
        path = route.arguments.get("artifact_path") or request.args.get("path", "")
        _check_artifact_path(str(path), workspace)
    if route.access is not Access.WRITE or route.template.startswith(_UNCHECKED_BODIES):
        return
    body = handlers._get_normalized_request_json()
    if route.template == "model-versions/create":
        _leave_marks(body)
    _check_tags(route, body)
    check = _OF_ROUTE.get(route.template)
    if check is not None:
        check()


def _check_artifact_path(path: str, workspace: str) -> None:
    """Let only files of an experiment through that the caller may see."""
    parts = [part for part in path.split("/") if part]
    if parts[:2] == ["workspaces", workspace]:
        parts = parts[2:]
    if not parts or not parts[0].isascii() or not parts[0].isdigit():
        raise MlflowException(f"No such artifact: '{path}'", RESOURCE_DOES_NOT_EXIST)
    handlers._get_tracking_store().get_experiment(parts[0])


def _leave_marks(body: Any) -> None:
    """Take our marks off a copy of another version, to which MLflow's clients carry every tag: it is theirs.

    MLflow's server reads this very object afterwards.
    """
    if isinstance(body, dict) and isinstance(body.get("tags"), list) and _is_version(body.get("source")):
        body["tags"] = [tag for tag in body["tags"] if not any(key.startswith(PREFIX) for key in _pairs([tag]))]


def _is_version(source: Any) -> bool:
    return isinstance(source, str) and source.startswith("models:/") and source.count("/") == 2


def _check_tags(route: Route, body: Any) -> None:
    keys = set(_tag_keys(body))
    if "tag" in route.template:
        keys |= {str(value) for value in route.arguments.values()}
        if isinstance(body, dict):
            keys |= {str(body.get("key", "")), str(request.args.get("key", ""))}
    for key in keys:
        if key.startswith(PREFIX) or key in _LOCATION_TAGS:
            raise _denied(f"The tag '{key}' is kept by the service.")


def _tag_keys(body: Any) -> Iterator[str]:
    """Keys of all tags in a body, given as a list of pairs or as a mapping, at any depth."""
    if isinstance(body, list):
        for item in body:
            yield from _tag_keys(item)
    elif isinstance(body, dict):
        for name, value in body.items():
            if name == "tags":
                yield from _pairs(value)
            yield from _tag_keys(value)


def _pairs(tags: Any) -> Iterator[str]:
    if isinstance(tags, dict):
        yield from (str(key) for key in tags)
    elif isinstance(tags, list):
        yield from (str(tag["key"]) for tag in tags if isinstance(tag, dict) and "key" in tag)


def _check_location() -> None:
    if handlers._get_request_message(CreateExperiment()).artifact_location:
        raise _denied("Where artifacts lie is the service's choice: leave artifact_location out.")


def _check_source_run() -> None:
    run_id = handlers._get_request_message(CreateModelVersion()).run_id
    if run_id:
        handlers._get_tracking_store().get_run(run_id)


def _check_kept_model(message: Any) -> None:
    held = handlers._get_model_registry_store().get_registered_model(handlers._get_request_message(message).name)
    if MODEL_ID in held.tags:
        raise _denied("This model belongs to Model Studio: rename or delete it there.")


def _check_kept_experiment(message: Any) -> None:
    held = handlers._get_tracking_store().get_experiment(handlers._get_request_message(message).experiment_id)
    if MODEL_ID in held.tags:
        raise _denied("This experiment belongs to a model of Model Studio: rename or delete the model there.")


_OF_ROUTE: Final[dict[str, Callable[[], None]]] = {
    "experiments/create": _check_location,
    "experiments/delete": lambda: _check_kept_experiment(DeleteExperiment()),
    "experiments/update": lambda: _check_kept_experiment(UpdateExperiment()),
    "model-versions/create": _check_source_run,
    "registered-models/delete": lambda: _check_kept_model(DeleteRegisteredModel()),
    "registered-models/rename": lambda: _check_kept_model(RenameRegisteredModel()),
}


def _answer_workspaces(workspace: str, route: Route) -> Response:
    """The caller's own workspace is the only one there is."""
    wanted = route.arguments.get("workspace_name", workspace)
    if wanted != workspace:
        raise MlflowException(f"Workspace '{wanted}' not found", RESOURCE_DOES_NOT_EXIST)
    held = _get_workspace_store().get_workspace(workspace)
    own = {"name": held.name, "description": held.description or ""}
    body = {"workspace": own} if route.arguments else {"workspaces": [own]}
    return Response(json.dumps(body), mimetype="application/json")


def _answer_server_info() -> Response:
    """MLflow's own, without the ways around the artifact proxy, which are refused."""
    info = handlers.build_server_info_payload()
    switched_off = {name: False for name in info if name.startswith(("multipart_", "presigned_"))}
    return Response(json.dumps({**info, **switched_off}), mimetype="application/json")


def _denied(message: str) -> MlflowException:
    return MlflowException(message, PERMISSION_DENIED)


def _answer(fault: MlflowException) -> Response:
    return Response(fault.serialize_as_json(), fault.get_http_status_code(), mimetype="application/json")
