"""The published contract as data, and what its permissions mean."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import yaml

PATH = Path(__file__).parents[2].parent / "shared" / "contract.yaml"
needs_contract = pytest.mark.skipif(not PATH.exists(), reason="../shared/contract.yaml is not there")

PERMISSIONS = (
    "model:read",
    "model:write",
    "model:deploy",
    "dataset:read",
    "dataset:write",
    "organization:viewer",
    "organization:admin",
)
ROLES = ("viewer", "editor", "admin", "owner")

# Section 0.5: who may call an operation on a model everyone in the organization can see, having nothing else.
# By permission of the operation: organization permissions that suffice alone, then model roles that do.
READERS = {"model:read", "organization:viewer", "organization:admin"}, {"viewer", "editor", "admin", "owner"}
WRITERS = {"model:write", "organization:admin"}, {"editor", "admin", "owner"}
ON_A_MODEL = {
    "model:read": READERS,
    "model:read or organization:viewer": READERS,
    "model:read and dataset:read": ({"organization:admin"}, set()),
    "dataset:read and model:read": ({"organization:admin"}, set()),
    "model:write": WRITERS,
    "organization:admin or model:write": WRITERS,
    "model:read and model:write": ({"organization:admin"}, set()),  # a duplicate is also a creation
    "model:write or model:deploy": (
        {"model:write", "model:deploy", "organization:admin"},
        {"editor", "admin", "owner"},
    ),
    "model:deploy": ({"model:deploy", "organization:admin"}, {"admin", "owner"}),
    "manage": ({"organization:admin"}, {"admin", "owner"}),
    "owner": ({"organization:admin"}, {"owner"}),
}
OF_THE_ORGANIZATION = {
    "model:read or organization:viewer": ({"model:read", "organization:viewer", "organization:admin"}, set()),
    "model:read": ({"model:read", "organization:viewer", "organization:admin"}, set()),
    "model:write": ({"model:write", "organization:admin"}, set()),
    "dataset:read": ({"dataset:read", "organization:admin"}, set()),
    "dataset:write": ({"dataset:write", "organization:admin"}, set()),
    "model:write and dataset:write": ({"organization:admin"}, set()),
    "organization:admin": ({"organization:admin"}, set()),
}
# Areas of the contract that are still to come, and what is served beside our own operations.
TO_COME = {
    "monitoring": {"monitoring", "alert", "alert_rule", "prediction", "ground_truth"},
    "custom models": {"asset", "custom", "legacy.custom_training_job"},
}
BESIDE = {"service.mlflow"}
ANY_ROLE_SHOWS = {"model.list"}  # a role on any model suffices, and shows that model


@dataclass(frozen=True)
class Promise:
    """One operation of the contract.

    Attributes:
        id: Its id.
        method: HTTP method, ``WS`` for a socket.
        path: Its path, parameters in braces.
        aliases: Further paths that do the same.
        permission: Who may call it.
        success: Status of success.
        has_location: Whether the answer carries ``Location``.
        errors: Codes by status.
        audit: Audit action, None where nothing is written down.
        response: Keys that are always in a successful answer.
        error_form: Whose words its errors are in.
    """

    id: str
    method: str
    path: str
    aliases: tuple[str, ...]
    permission: str
    success: int
    has_location: bool
    errors: dict[int, list[str]]
    audit: str | None
    response: tuple[str, ...]
    error_form: str = "problem"

    @property
    def parameters(self):
        """Names of the path's parameters, in order."""
        return re.findall(r"{(\w+)}", self.path)

    @property
    def speaks_otherwise(self):
        """Whether its errors are in the words of another protocol; test_other_forms looks at these."""
        return self.error_form in ("mlflow_scoring", "open_inference")

    @property
    def is_public(self):
        """Whether no token is looked at."""
        return self.permission == "public"

    @property
    def is_on_a_model(self):
        """Whether it is about the model its path names."""
        return "model_id" in self.parameters

    @property
    def takes_body(self):
        """Whether its method carries a body."""
        return self.method in ("POST", "PUT", "PATCH")

    def allows(self, permission=None, role=None):
        """Whether a caller may call it that has one organization permission or one role and nothing else.

        The role is on the model of the path; on another one for operations that are about none.
        """
        if self.permission in ("public", "authenticated"):
            return True
        table = ON_A_MODEL if self.is_on_a_model else OF_THE_ORGANIZATION
        permissions, roles = table[self.permission]
        if self.id in ANY_ROLE_SHOWS:
            roles = set(ROLES)
        return permission in permissions or role in roles

    def ceiling_allows(self, permission):
        """Whether the owner of the model may call it with an API key that has one permission, or none.

        A role never widens what a key may do; what is for owners alone takes ``model:write`` of a key.
        """
        if self.is_on_a_model and self.permission in ("manage", "owner"):
            return permission in ("model:write", "organization:admin")
        if self.id in ANY_ROLE_SHOWS:
            return permission in OF_THE_ORGANIZATION[self.permission][0]
        return self.allows(permission=permission)


@cache
def promises():
    """Every operation of the contract by id; none where it is not there."""
    if not PATH.exists():
        return {}
    entries = yaml.safe_load(PATH.read_text())
    return {entry["id"]: _read(entry) for entry in entries}


def resource_of(promise):
    """The operation that reads what this one creates or changes; None where nothing can be read singly.

    It answers the same record, at the same path, above it, or where ``Location`` points.
    """
    readers = [one for one in promises().values() if one.method == "GET" and one.response == promise.response]
    singles = [one for one in readers if one.path.endswith("}") or _changes_at(one.path)]
    return next((one for one in singles if one.response and _is_near(promise, one)), None)


def _changes_at(path):
    return any(one.path == path and one.method in ("PUT", "PATCH", "DELETE") for one in promises().values())


def _is_near(promise, reader):
    return promise.has_location or promise.path.startswith(reader.path)


def parse(expression):
    """A permission as the set of its alternatives, each the set of what is needed together."""
    return frozenset(frozenset(part.split(" and ")) for part in expression.split(" or "))


def missing_keys(document, keys):
    """The promised keys that an answer lacks: ``a.b`` nested, ``a[]`` a list, ``a[].b`` in each element.

    A list without elements shows nothing of what is promised of them, so it lacks that.
    """
    return [key for key in keys if not _has(document, key.split("."))]


def _has(node, path):
    if not path:
        return True
    name, brackets = re.fullmatch(r"(\w*)((?:\[\])*)", path[0]).groups()
    if name:
        if not isinstance(node, dict) or name not in node:
            return False
        node = node[name]
    return _each_has(node, len(brackets) // 2, path[1:])


def _each_has(node, depth, rest):
    if depth == 0:
        return _has(node, rest)
    is_telling = isinstance(node, list) and (node or not rest)
    return is_telling and all(_each_has(item, depth - 1, rest) for item in node)


def _read(entry):
    return Promise(
        id=entry["id"],
        method=entry["method"],
        path=entry["path"],
        aliases=tuple(entry.get("aliases", ())),
        permission=entry["permission"],
        success=entry["success"],
        has_location=entry.get("location", False),
        errors=entry["errors"],
        audit=entry["audit"],
        response=tuple(entry["response"]),
        error_form=entry.get("error_format", "problem"),
    )
