"""Organizations as MLflow workspaces: which is bound in this context, and that it exists."""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.entities import Workspace
from mlflow.exceptions import MlflowException
from mlflow.tracking._workspace.registry import get_workspace_store
from mlflow.utils.workspace_context import ServerWorkspaceContext
from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME

from studio.backends.mlflow.faults import is_absent, is_taken, translated

_PLAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])")
_ENCODED = "org--"
# Words MLflow reserves, and its default workspace, whose artifact paths are not confined to a folder of its
# own.
_RESERVED = frozenset({DEFAULT_WORKSPACE_NAME, "workspaces", "api", "ajax-api", "static-files"})

_known: set[tuple[str, str]] = set()
_known_lock = threading.Lock()


def workspace_of(organization: str) -> str:
    """Name of an organization's workspace: its slug, or a digest of it where MLflow does not take the slug.

    No two organizations share one: a slug that looks like such a digest is digested itself.
    """
    is_plain = _PLAIN.fullmatch(organization) and organization not in _RESERVED
    if is_plain and not organization.startswith(_ENCODED):
        return organization
    return _ENCODED + hashlib.sha256(organization.encode()).hexdigest()[:40]


@contextmanager
def bind_workspace(tracking_url: str, organization: str) -> Iterator[str]:
    """Make MLflow's stores work in one organization's workspace within this block, creating it on first use.

    The binding is a context variable: other threads are not touched, and blocks may be nested.

    Args:
        tracking_url: SQLAlchemy URL of MLflow's database.
        organization: Slug of the organization.

    Returns:
        Name of the workspace.

    Raises:
        BackendDown: MLflow's database does not answer.
    """
    workspace = ensure_workspace(tracking_url, organization)
    with ServerWorkspaceContext(workspace):
        yield workspace


def ensure_workspace(tracking_url: str, organization: str) -> str:
    """Create the workspace unless it exists and give its name; safe to repeat and to race."""
    workspace = workspace_of(organization)
    key = (tracking_url, workspace)
    if key not in _known:
        with translated():
            _create_if_absent(tracking_url, workspace)
        with _known_lock:
            _known.add(key)
    return workspace


def _create_if_absent(tracking_url: str, workspace: str) -> None:
    store = get_workspace_store(workspace_uri=tracking_url)
    try:
        store.get_workspace(workspace)
        return
    except MlflowException as fault:
        if not is_absent(fault):
            raise
    try:
        store.create_workspace(Workspace(name=workspace))
    except MlflowException as fault:
        if not is_taken(fault):
            raise
