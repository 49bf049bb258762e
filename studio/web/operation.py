"""What an operation declares."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from marshmallow import Schema

from studio.domain.permissions import Needs

JSON = "application/json"
MULTIPART = "multipart/form-data"


class EmptyBody(Schema):
    """Body of an operation that takes none: nothing, or ``{}``."""


@dataclass(frozen=True)
class Operation:
    """One operation, as its decorator declares it.

    Attributes:
        id: Operation id of the API, such as ``model.create``.
        needs: Permission.
        audit: Audit action of a call that changes something; None where nothing changes.
        writes: True when it may change own tables.
        status: HTTP status of success.
        query: Schema of the parameters.
        body: Schema of a JSON body.
        form: Schema of a multipart body, where one is taken.
        files: Media types of bodies beside JSON that reach the view as FileBody.
        returns: Schema of the answer in JSON; None answers no body, or what the view itself makes.
        returns_or: Schema of another form the answer can be asked for in; ``returns`` lets it through.
        is_list: True when the answer is a bare list.
        location: Template of ``Location``, filled from the answer.
        has_etag: True when the answer carries a strong ETag.
        current: View that reads what this operation changes, for ``If-Match``, or the operation id of another room's.
        or_where: Lets in a caller whom ``needs`` refuses, given the open stores and the parameters of the path.
        makes_model: True when it makes another model: ``model:write`` must then be held in the organization, as a role
            on the model of the path says nothing of new ones.
        renders: Further media types of the answer, each with the view that makes its bytes.
        media_types: Media types of the answer, the default first.
        finds_model: Finds the model's id by the parameter ``name`` of the path; the view then gets ``model_id``.
        is_inference: True when it asks a model: calls are bounded by the model's queue, and not counted.
        error_form: Whose words its errors are in: ``problem``, ``mlflow_scoring`` or ``open_inference``.
        same_at: Further statuses the same body may come with, where the view makes the answer.
        admits_again: True for what is called so often that a caller who was let through is not looked up again within a
            second.
    """

    id: str
    method: str
    path: str
    needs: Needs
    audit: str | None
    writes: bool
    status: int
    query: Schema | None = None
    body: Schema | None = None
    form: Schema | None = None
    files: tuple[str, ...] = ()
    returns: Schema | None = None
    returns_or: Schema | None = None
    is_list: bool = False
    location: str | None = None
    has_etag: bool = False
    current: Callable[..., Any] | str | None = None
    or_where: Callable[..., bool] | None = None
    makes_model: bool = False
    renders: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    media_types: tuple[str, ...] = (JSON,)
    finds_model: Callable[..., str] | None = None
    is_inference: bool = False
    error_form: str = "problem"
    same_at: tuple[int, ...] = ()
    admits_again: bool = False

    @property
    def takes_body(self) -> bool:
        """True for the methods that carry one."""
        return self.method in ("POST", "PUT", "PATCH")

    @property
    def parameters(self) -> list[str]:
        """Names of the path's parameters, in order."""
        return re.findall(r"<(?:\w+:)?(\w+)>", self.path)

    @property
    def offers(self) -> tuple[str, ...]:
        """Media types of the answer, the default first."""
        return (*self.media_types, *self.renders)
