"""What an organization sets for all its models."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from studio.automl.estimators import known_algorithms
from studio.backends.stores import Stores
from studio.domain.tasks import TaskType
from studio.errors import UnknownAlgorithm
from studio.organizations.tables import OrganizationConfigRow


@dataclass(frozen=True)
class OrganizationConfig:
    """What an organization sets, and who set it.

    Attributes:
        overrides: Nested as a model's configuration, and nothing but what was set.
    """

    organization: str
    overrides: Mapping[str, Any]
    updated_at: datetime | None
    updated_by: str | None


def find_overrides(stores: Stores) -> dict[str, Any]:
    """What the organization sets for all its models, nested as a model's configuration; ``{}`` where it sets none."""
    row = stores.db.get(OrganizationConfigRow, stores.organization)
    return dict(row.overrides) if row else {}


def get_config(stores: Stores) -> OrganizationConfig:
    """What the organization sets, and who set it."""
    row = stores.db.get(OrganizationConfigRow, stores.organization)
    if row is None:
        return OrganizationConfig(stores.organization, {}, None, None)
    return OrganizationConfig(stores.organization, row.overrides, row.updated_at, row.updated_by)


def replace_config(stores: Stores, overrides: Mapping[str, Any]) -> OrganizationConfig:
    """Set anew, as a whole, what holds for every model that does not set it itself, from its next run on.

    Args:
        stores: Open stores.
        overrides: Any subset of a configuration that names no column, hyperparameter or asset.

    Raises:
        UnknownAlgorithm: No task has the algorithm.
    """
    known = sorted({name for task in TaskType for name in known_algorithms(task)})
    if overrides.get("algorithm", "auto") not in known:
        raise UnknownAlgorithm(
            f"{overrides['algorithm']!r} is not an algorithm here.",
            fields=[("/overrides/algorithm", f"must be one of {', '.join(known)}")],
            known=known,
        )
    present = get_config(stores)
    if dict(overrides) == dict(present.overrides):
        return present
    stores.record_change(None, old_config=dict(present.overrides), new_config=dict(overrides))
    row = OrganizationConfigRow(
        organization=stores.organization, overrides=dict(overrides), updated_at=stores.now(),
        updated_by=stores.actor.user_id or "",
    )  # fmt: skip
    stores.db.merge(row)
    stores.db.flush()
    return get_config(stores)
