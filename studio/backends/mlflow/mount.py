"""MLflow's pages and REST API below ``/mlflow``, in the same process and origin as our own."""

from collections.abc import Iterable
from typing import Any

from mlflow.server import app as mlflow_app
from werkzeug.wrappers import Response

from studio.backends.mlflow.client_requests import check_request
from studio.backends.mlflow.environment import PREFIX
from studio.backends.mlflow.guard import Environ, Guard, WsgiApp

_CHECKED = "studio.checked"


def mount(app: WsgiApp, *, guard: Guard) -> WsgiApp:
    """Put MLflow's server beside an application.

    Opens nothing: the first request to MLflow does. Call it before a fork to share what importing MLflow
    costs.

    Args:
        app: Answers everything that is not below ``/mlflow``.
        guard: Decides on every request below it.
    """
    if _CHECKED not in mlflow_app.extensions:
        mlflow_app.extensions[_CHECKED] = True
        mlflow_app.before_request(check_request)

    def dispatch(environ: Environ, start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == PREFIX and "ticket=" not in environ.get("QUERY_STRING", ""):
            return Response(status=308, headers={"Location": f"{PREFIX}/"})(environ, start_response)
        if path == PREFIX or path.startswith(f"{PREFIX}/"):
            return guard.handle(mlflow_app.wsgi_app, environ, start_response)
        return app(environ, start_response)

    return dispatch
