"""Puts two versions of a model beside each other."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from studio.backends.stores import Stores
from studio.domain.versions import ModelVersion, VersionComparison, version_number_of
from studio.errors import VersionNotFound, VersionOfAnotherModel
from studio.evaluation.metrics import difference, is_better
from studio.models import service as models
from studio.versions.service.reading import find_version
from studio.versions.tables import RegistryMarkRow


def compare_versions(stores: Stores, model_id: str, *, version_a: str, version_b: str) -> VersionComparison:
    """Compare the test metrics and the configuration of two versions.

    Raises:
        ModelNotFound: There is no such model.
        VersionOfAnotherModel: This model has no such version, and another the caller may see has.
        VersionNotFound: No model the caller may see has it.
    """
    a, b = (
        _find(stores, model_id, version_id, parameter)
        for parameter, version_id in (("version_a", version_a), ("version_b", version_b))
    )
    deltas, better = {}, {}
    for name in (name for name in a.metrics if name in b.metrics):
        one, two = a.metrics[name], b.metrics[name]
        if one is not None and two is not None:
            deltas[name] = difference(two, one)
            better[name] = "tie" if one == two else "a" if is_better(name, one, two) else "b"
    return VersionComparison(model_id, a, b, deltas, better, _diff(_settings_of(a), _settings_of(b)))


def _find(stores: Stores, model_id: str, version_id: str, parameter: str) -> ModelVersion:
    try:
        return find_version(stores, model_id, version_id)
    except VersionNotFound:
        number = version_number_of(version_id)
        if number is None or not _is_elsewhere(stores, number):
            raise
        raise VersionOfAnotherModel(
            f"This model has no version {version_id!r}; another model has.",
            fields=[(parameter, "must be a version of this model")],
        ) from None


def _is_elsewhere(stores: Stores, number: int) -> bool:
    """Whether another model has a version of that number: this one is known not to."""
    visible = models.is_of_model(stores, RegistryMarkRow.model_id, model_type=None, visible_only=True)
    query = select(RegistryMarkRow.versions).where(RegistryMarkRow.organization == stores.organization, visible)
    return any(number in numbers for numbers in stores.db.scalars(query.execution_options(yield_per=500)))


def _settings_of(version: ModelVersion) -> dict[str, Any]:
    """All that made it; the hyperparameters it was fitted with stand for those asked for."""
    config = {key: value for key, value in version.config.items() if key != "hyperparameters"}
    return {**config, "algorithm": version.algorithm, **version.hyperparameters}


def _diff(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        key: {"version_a": a.get(key), "version_b": b.get(key)}
        for key in sorted(a.keys() | b.keys())
        if a.get(key) != b.get(key)
    }
