"""The page a browser passes on its way into MLflow: it lands in its workspace, among models, without notices that are
not true here."""

import base64
import hashlib
from typing import Final

import orjson
from werkzeug.wrappers import Response

from studio.backends.mlflow.environment import PREFIX

# What MLflow's pages keep in the browser, and what it is until somebody chooses otherwise: its telemetry and its
# assistant are switched off on this server, and what is kept here are trained models. Pages of MLflow 3.17; a test
# looks the names up in those installed.
CHOICES: Final = {
    "mlflow.settings.telemetry.enabled": False,
    "mlflow.telemetry.info.alert.dismissed": True,
    "mlflow.assistant.fab.autoOpenedOnFirstLoad": True,
    "mlflow.workflowType": "machine_learning",
    "_mlflow_model_registry_promo_modal_dismissed": True,
}
VERSION_OF_CHOICES: Final = 1
FIRST_PAGE: Final = "#/experiments"

_SCRIPT: Final = f"""
const choices = {orjson.dumps({f"{name}_v{VERSION_OF_CHOICES}": value for name, value in CHOICES.items()}).decode()};
try {{
  for (const [name, value] of Object.entries(choices))
    if (localStorage.getItem(name) === null) localStorage.setItem(name, JSON.stringify(value));
}} catch (error) {{}}
const workspace = "workspace=" + document.documentElement.dataset.workspace;
const page = location.hash || "{FIRST_PAGE}";
const given = page.includes("workspace=") ? "" : (page.includes("?") ? "&" : "?") + workspace;
location.replace("{PREFIX}/" + page + given);
"""
_HASH: Final = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
_POLICY: Final = f"default-src 'none'; script-src 'sha256-{_HASH}'; base-uri 'none'; frame-ancestors 'none'"


def render_entrance(workspace: str) -> Response:
    """The page, which goes on by itself.

    A redirect would not do: sent here by another site, a browser takes no strict cookie along one, and the page that
    was asked for stands behind the # of the address, which no server sees.

    Args:
        workspace: Where the caller belongs: a slug.
    """
    page = (
        f'<!doctype html>\n<html lang="en" data-workspace="{workspace}"><head><meta charset="utf-8"><title>MLflow'
        f"</title></head><body><noscript>MLflow's pages need JavaScript.</noscript><script>{_SCRIPT}</script></body>"
        "</html>\n"
    )
    headers = {
        "Content-Security-Policy": _POLICY,
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
    }
    return Response(page, headers=headers, mimetype="text/html")
