"""A model's settings: display, notifications, and who may see it."""

from collections.abc import Mapping
from typing import Any

from studio.backends.stores import Stores
from studio.domain.model_settings import DEFAULTS, SECTIONS, complete, merge
from studio.errors import Forbidden
from studio.models.service.access import allows
from studio.models.service.rows import find_row
from studio.models.tables import ModelRow

Settings = dict[str, dict[str, Any]]


def get_settings(stores: Stores, model_id: str) -> Settings:
    """Every setting of a model, by section.

    Raises:
        ModelNotFound: There is no such model.
    """
    return _settings_of(find_row(stores, model_id))


def update_settings(stores: Stores, model_id: str, changes: Mapping[str, Mapping[str, Any]]) -> Settings:
    """Lay changes over the sections; what is not named stays.

    Args:
        stores: Open stores.
        model_id: Id of the model.
        changes: Any of the sections, each with any of its settings.

    Returns:
        Every setting.

    Raises:
        ModelNotFound: There is no such model.
        Forbidden: The section ``access`` is among them and the caller may not manage the model.
    """
    row = find_row(stores, model_id, lock=True)
    if "access" in changes and not allows(stores, model_id, "manage"):
        raise Forbidden("Changing `access` needs the role admin or owner on this model, or organization:admin.")
    old = _settings_of(row)
    new = merge(old, changes)
    changed = {
        f"{section}.{name}": {"previous": old[section][name], "new": value}
        for section in SECTIONS
        for name, value in new[section].items()
        if old[section][name] != value
    }
    if changed:
        row.visibility = new["access"]["visibility"]
        row.settings = _own_of(new)
        stores.record_change(model_id, changes=changed)
    return new


def _settings_of(row: ModelRow) -> Settings:
    settings = complete(row.settings)
    settings["access"]["visibility"] = row.visibility  # a column of its own, as lists are filtered by it
    return settings


def _own_of(settings: Settings) -> Settings:
    own = {
        section: {name: value for name, value in settings[section].items() if value != DEFAULTS[section][name]}
        for section in SECTIONS
    }
    own["access"].pop("visibility", None)
    return {section: values for section, values in own.items() if values}
