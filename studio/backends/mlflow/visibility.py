"""What MLflow's stores leave out of every query made for one request: models its caller may not see.

The stores reach runs, logged models, traces and artifacts through their experiment, so one condition on
experiments and one on each table of the registry hold for all of them, single look-ups, searches and counts
alike.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from mlflow.store.model_registry.dbmodels.models import (
    SqlModelVersion,
    SqlModelVersionTag,
    SqlRegisteredModel,
    SqlRegisteredModelAlias,
    SqlRegisteredModelTag,
)
from mlflow.store.tracking.dbmodels.models import SqlExperiment
from sqlalchemy import and_, event
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria

from studio.backends.mlflow.model_names import RETIRED

_REGISTRY = (
    SqlRegisteredModel,
    SqlRegisteredModelTag,
    SqlRegisteredModelAlias,
    SqlModelVersion,
    SqlModelVersionTag,
)
_hidden: ContextVar[frozenset[str] | None] = ContextVar("hidden_models", default=None)


@contextmanager
def leaving_out(hidden: frozenset[str]) -> Iterator[None]:
    """Make MLflow's stores answer as if these models, and all deleted ones, did not exist.

    Args:
        hidden: Names of models, whose registered model and experiment are left out.
    """
    token = _hidden.set(hidden)
    try:
        yield
    finally:
        _hidden.reset(token)


@event.listens_for(Session, "do_orm_execute")
def _add_conditions(state: ORMExecuteState) -> None:
    hidden = _hidden.get()
    if hidden is None or not state.is_select or state.is_column_load or state.is_relationship_load:
        return
    names = sorted(hidden)
    is_there = and_(~SqlExperiment.name.startswith(RETIRED), SqlExperiment.name.notin_(names))
    conditions = [with_loader_criteria(SqlExperiment, is_there, include_aliases=True)]
    if names:
        conditions += [
            with_loader_criteria(table, table.name.notin_(names), include_aliases=True) for table in _REGISTRY
        ]
    state.statement = state.statement.options(*conditions)
