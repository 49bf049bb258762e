"""Stores: the handful of things a service may use, opened for one actor and one transaction."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol

from sqlalchemy.orm import Session

from studio.backends.files.port import FileStore
from studio.backends.mlflow.registry import Registry
from studio.backends.mlflow.runs import Runs
from studio.backends.serving.port import ModelHosts
from studio.backends.serving.routes import Routes
from studio.clock import Clock
from studio.config import Config
from studio.domain.actors import Actor


@dataclass(frozen=True)
class Note:
    """What a service did, for the audit entry of the call.

    Attributes:
        model_id: The model it was done to, None for things outside models.
        details: JSON-ready facts: previous and new values, ids; never secrets or raw data.
    """

    model_id: str | None
    details: Mapping[str, Any]


@dataclass(frozen=True)
class Tracking:
    """How to reach MLflow for one organization; made only when asked for, as most calls need neither."""

    registry: Callable[[str], Registry]
    runs: Callable[[str], Runs]


class OpenStores(Protocol):
    """Opens stores in a transaction of their own, always for the same actor."""

    def __call__(self, *, write: bool) -> AbstractContextManager["Stores"]: ...


class OpenFor(Protocol):
    """Opens stores for an actor in a transaction of their own."""

    def __call__(self, actor: Actor, *, write: bool) -> AbstractContextManager["Stores"]: ...


@dataclass
class Stores:
    """The open stores of one request, or of one step of a job.

    Attributes:
        db: Session on the own tables; its transaction ends with the stores.
        actor: On whose behalf; everything read and written belongs to its organization.
        files: Files of datasets, models and reports.
        hosts: Processes that predict.
        routes: Which deployments of a model answer, as known to this process.
        config: The settings.
        clock: The time.
        open_apart: Opens further stores for the same actor, in a transaction of their own that stays when this one
            is rolled back; give ``write``.
        note: What the call changed; None while it changed nothing.
    """

    db: Session
    actor: Actor
    files: FileStore
    hosts: ModelHosts
    routes: Routes
    tracking: Tracking
    config: Config
    clock: Clock
    open_apart: OpenStores
    note: Note | None = field(default=None, init=False)

    @property
    def organization(self) -> str:
        """Slug of the organization these stores are opened for."""
        return self.actor.organization

    @cached_property
    def registry(self) -> Registry:
        """The organization's model registry."""
        return self.tracking.registry(self.organization)

    @cached_property
    def runs(self) -> Runs:
        """The organization's tracked runs."""
        return self.tracking.runs(self.organization)

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        return self.clock()

    def record_change(self, model_id: str | None, /, **details: Any) -> None:
        """Say what was changed: the edge then appends the call's audit entry; a call that says nothing leaves none.

        Raises:
            RuntimeError: Said twice in one call, which must leave one entry.
        """
        if self.note is not None:
            raise RuntimeError("a call records its change once")
        self.note = Note(model_id, details)
