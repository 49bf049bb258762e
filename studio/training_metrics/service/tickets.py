"""Tickets for clients that cannot set headers."""

from dataclasses import dataclass
from datetime import datetime

from studio.auth import service as auth
from studio.backends.stores import Stores
from studio.domain.permissions import Needs
from studio.errors import Forbidden, InvalidInput, ModelNotFound
from studio.models import service as models
from studio.training_metrics.service.figures import find_run

LISTENING = Needs.parse("model:read")
STREAM_PATH = "/api/v1/models/{model_id}/training-metrics/stream"
LEGACY_PATH = "/api/model-studio/ws/train-from-parquet"


@dataclass(frozen=True)
class StreamTicket:
    """A ticket and the path of the socket it opens.

    Attributes:
        ticket: The secret, shown once.
        expires_in: Seconds it lives.
    """

    ticket: str
    url: str
    expires_in: int
    expires_at: datetime


def create_ticket(stores: Stores, *, model_id: str | None, run_id: str | None) -> StreamTicket:
    """A ticket for one handshake of the caller.

    Args:
        stores: Open stores.
        model_id: The model whose stream it opens; None for the legacy socket.
        run_id: The run it opens; None for any run of the model.

    Raises:
        ModelNotFound: The caller may not know of the model.
        Forbidden: It may not read it.
        RunNotFound: The model has no such run.
        InvalidInput: A run without its model.
    """
    if model_id is not None:
        _refuse_stranger(stores, model_id)
        if run_id is not None:
            find_run(stores, model_id, run_id)
    elif run_id is not None:
        raise InvalidInput("1 field was refused", fields=[("/model_id", "is required with run_id")])
    made = auth.create_ticket(stores, model_id=model_id, run_id=run_id)
    url = LEGACY_PATH if model_id is None else STREAM_PATH.format(model_id=model_id)
    return StreamTicket(made.ticket, url, made.expires_in, made.expires_at)


def _refuse_stranger(stores: Stores, model_id: str) -> None:
    access = models.find_access(stores, model_id)
    if access is None:
        raise ModelNotFound(model_id)
    if not LISTENING.allow(stores.actor, access, lambda: models.has_any_role(stores)):
        raise Forbidden("This needs model:read, which your token and your role do not give.")
