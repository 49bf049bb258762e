"""The few calls the demo makes, with answers it can stand on."""

from typing import Any

import httpx

MODELS = "/api/v1/models"


class CallFailed(Exception):
    """The service refused a call; the message is the service's own."""


class StudioClient:
    """A client of the API, as anybody could write one."""

    def __init__(self, address: str, token: str) -> None:
        self.address, self.token = address, token
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=address, headers=headers, timeout=120, trust_env=False)

    def call(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """Call the API.

        Raises:
            CallFailed: It answered a problem.
        """
        response = self._http.request(method, path, **kwargs)
        if response.is_error:
            raise CallFailed(f"{method} {path}: {_reason(response)}")
        return response

    def json(self, method: str, path: str, **kwargs: Any) -> Any:
        """The JSON a call answers; raises as call does."""
        return self.call(method, path, **kwargs).json()

    def get_bytes(self, path: str, media_type: str) -> bytes:
        """An answer in another media type; raises as call does."""
        return self.call("GET", path, headers={"Accept": media_type}).content


def is_ready(address: str) -> bool:
    """True when a service at an address says so."""
    try:
        return httpx.get(f"{address}/readyz", timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _reason(response: httpx.Response) -> str:
    try:
        problem = response.json()
    except ValueError:
        return f"{response.status_code} {response.text[:200]}"
    faults = "; ".join(f"{fault['pointer']}: {fault['message']}" for fault in problem.get("errors", []))
    return f"{problem.get('detail', response.status_code)} {faults}".strip()
