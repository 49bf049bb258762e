"""What MLflow's stores leave out of every query made for one request: models out of its caller's reach.

The stores reach runs, logged models, traces and artifacts through their experiment, so one condition on
experiments and one on each table of the registry hold for all of them, single look-ups, searches and counts
alike.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

from mlflow.store.model_registry.dbmodels.models import (
    SqlModelVersion,
    SqlModelVersionTag,
    SqlRegisteredModel,
    SqlRegisteredModelAlias,
    SqlRegisteredModelTag,
)
from mlflow.store.tracking.dbmodels.models import SqlExperiment
from sqlalchemy import ColumnElement, and_, event
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria

from studio.backends.mlflow.model_names import RETIRED
from studio.domain.permissions import Reach

_REGISTRY = (
    SqlRegisteredModel,
    SqlRegisteredModelTag,
    SqlRegisteredModelAlias,
    SqlModelVersion,
    SqlModelVersionTag,
)
_reach: ContextVar[Reach | None] = ContextVar("reach", default=None)


@contextmanager
def confined_to(reach: Reach) -> Iterator[None]:
    """Make MLflow's stores answer as if the models out of reach, and all deleted ones, did not exist.

    Args:
        reach: Names of models, which are those of their registered model and experiment.
    """
    token = _reach.set(reach)
    try:
        yield
    finally:
        _reach.reset(token)


@event.listens_for(Session, "do_orm_execute")
def _add_conditions(state: ORMExecuteState) -> None:
    reach = _reach.get()
    if reach is None or not state.is_select or state.is_column_load or state.is_relationship_load:
        return
    is_there = and_(~SqlExperiment.name.startswith(RETIRED), _is_reached(SqlExperiment.name, reach))
    conditions = [with_loader_criteria(SqlExperiment, is_there, include_aliases=True)]
    if reach.is_limited:
        conditions += [
            with_loader_criteria(table, _is_reached(table.name, reach), include_aliases=True) for table in _REGISTRY
        ]
    state.statement = state.statement.options(*conditions)


def _is_reached(name: Any, reach: Reach) -> ColumnElement[bool]:
    """The condition that a column holds the name of a model within reach."""
    condition = name.notin_(sorted(reach.hidden)) if reach.only is None else name.in_(sorted(reach.only))
    return cast(ColumnElement[bool], condition)
