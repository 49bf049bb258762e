"""One organization's registered models and their versions."""

import inspect
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion as MlflowVersion
from mlflow.entities.model_registry import RegisteredModel

from studio.backends.mlflow.connection import MlflowConnection
from studio.backends.mlflow.entries import RegistryEntry, entry_of, version_of
from studio.backends.mlflow.faults import translated
from studio.backends.mlflow.model_files import ModelSchema, schema_of
from studio.backends.mlflow.model_names import claim_model, free_model, move_model
from studio.backends.mlflow.purging import list_retired, purge_experiment
from studio.backends.mlflow.registry_json import model_json, version_json
from studio.backends.mlflow.storage import ArtifactStorage
from studio.backends.mlflow.version_sources import locate_source
from studio.backends.mlflow.version_tags import STATUS, digest_tag, find_refused, tags_of, user_tags
from studio.domain.json_pointers import escape
from studio.domain.versions import ModelVersion, VersionStatus, version_id_of
from studio.errors import FileMissing, InvalidInput, ModelNotFound, VersionNotFound

PROMOTED_ALIAS = "production"
_PRODUCTION_STAGE, _ARCHIVED_STAGE = "Production", "Archived"
_PAGE = 1000
# Stages are old and still read; bare, because MLflow would warn of them at every promotion.
_move_to_stage = inspect.unwrap(MlflowClient.transition_model_version_stage)


class Registry:
    """Registered models and versions of one organization; another organization's are absent.

    Safe to share between threads. A model is named like its registered model and its experiment. Every method
    raises BackendDown when MLflow's database or the artifact store does not answer.
    """

    def __init__(self, connection: MlflowConnection, organization: str) -> None:
        self._connection = connection
        self._organization = organization

    def create_model(self, name: str, *, model_id: str) -> None:
        """Create the registered model and the experiment of this name.

        Safe to repeat; what a try that was cut off left behind is taken over. If it fails, nothing is left.

        Args:
            name: 1-120 characters without ``/`` and ``:``.
            model_id: Id of the model, kept as a tag of both.

        Raises:
            NameTaken: Another model, or an MLflow client's, has the name.
        """
        with self._bound() as client, translated():
            claim_model(client, name, model_id)

    def rename_model(self, old: str, new: str, *, model_id: str) -> None:
        """Rename the registered model and its experiment; ids, versions, tags and aliases stay. Safe to
        repeat.

        Raises:
            NameTaken: The new name is in use; nothing has changed.
            ModelNotFound: Neither name belongs to the model.
        """
        with self._bound() as client, translated():
            move_model(client, old, new, model_id)

    def delete_model(self, name: str) -> str | None:
        """Delete the registered model and retire its experiment, so that the name is free at once. Safe to
        repeat.

        Returns:
            Id of the retired experiment, whose runs and files ``purge`` then removes; None where there was
            none.
        """
        with self._bound() as client, translated():
            return free_model(client, name)

    def list_retired(self) -> list[str]:
        """Ids of all experiments of deleted models that are not purged yet."""
        with self._bound() as client, translated():
            return list_retired(client)

    def purge(self, experiment_id: str) -> None:
        """Remove a retired experiment for good: files, runs, logged models, then itself. Safe to repeat."""
        with self._bound() as client, translated():
            purge_experiment(client, self._storage, experiment_id)

    def list_entries(self) -> list[RegistryEntry]:
        """Every registered model with its newest version and promotion, for comparing with our own rows."""
        with self._bound() as client, translated():
            found: list[RegisteredModel] = []
            token = None
            while True:
                page = client.search_registered_models(max_results=_PAGE, page_token=token)
                found.extend(page)
                token = page.token
                if not token:
                    return [entry_of(model, PROMOTED_ALIAS) for model in found]

    def find_entry(self, name: str) -> RegistryEntry:
        """One registered model. Raises ModelNotFound."""
        with self._bound() as client, self._model(name):
            return entry_of(client.get_registered_model(name), PROMOTED_ALIAS)

    def register_version(
        self,
        name: str,
        *,
        source: str,
        mlflow_run_id: str | None,
        run_id: str | None,
        fields: Mapping[str, Any],
        tags: Mapping[str, str] | None = None,
        description: str = "",
        status: VersionStatus = VersionStatus.READY,
    ) -> ModelVersion:
        """Add a version.

        Args:
            name: Name of the model.
            source: Address of an MLflow model folder, as ``Runs.log_model`` gives it.
            mlflow_run_id: The MLflow run it comes from.
            run_id: Our training run.
            fields: Any of algorithm, trained_by, duration_s, hyperparameters, config, metrics, digest and onnx.
            tags: The user's own.
            description: Up to 2000 characters.
            status: Where it stands.

        Raises:
            ModelNotFound: There is no such model.
        """
        own = tags_of(fields, run_id=run_id, status=status)
        with self._bound() as client, self._model(name):
            made = client.create_model_version(
                name,
                source,
                run_id=mlflow_run_id,
                tags={**_checked(tags or {}), **own},
                description=description,
                await_creation_for=0,
            )
        return self.get_version(name, int(made.version))

    def list_versions(self, name: str) -> list[ModelVersion]:
        """All versions, newest first. Raises ModelNotFound."""
        promoted = self.find_entry(name).promoted
        with self._bound() as client, translated():
            versions = [
                version_of(found, is_promoted=int(found.version) == promoted)
                for found in _search_versions(client, name)
            ]
        return sorted(versions, key=lambda version: -version.number)

    def get_version(self, name: str, number: int) -> ModelVersion:
        """One version. Raises VersionNotFound."""
        with self._bound() as client, _version(number):
            found = client.get_model_version(name, str(number))
        return version_of(found, is_promoted=PROMOTED_ALIAS in found.aliases)

    def update_version(
        self,
        name: str,
        number: int,
        *,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        status: VersionStatus | None = None,
    ) -> ModelVersion:
        """Change what is given; ``tags`` replace all user tags. Safe to repeat.

        Raises:
            VersionNotFound: The model has no such version.
            InvalidInput: A tag's key cannot be; nothing has changed.
        """
        wanted = None if tags is None else _checked(tags)
        with self._bound() as client, _version(number):
            held = client.get_model_version(name, str(number))
            if description is not None and description != (held.description or ""):
                client.update_model_version(name, str(number), description)
            if status is not None:
                client.set_model_version_tag(name, str(number), STATUS, status.value)
            if wanted is not None:
                _replace_tags(client, held, wanted)
        return self.get_version(name, number)

    def delete_version(self, name: str, number: int) -> None:
        """Remove a version and, unless another version shares them, its files; the number is not given again.

        Raises:
            VersionNotFound: The model has no such version.
        """
        address = self._find_address(name, number)
        with self._bound() as client, _version(number):
            client.delete_model_version(name, str(number))
            others = [] if address is None else _search_versions(client, name)
        if address is not None and not any(self._find_address(name, int(v.version)) == address for v in others):
            self._storage.delete(address)

    def find_promoted(self, name: str) -> int | None:
        """Number of the version the alias ``production`` points at, None where it points at none.

        Raises:
            ModelNotFound: There is no such model.
        """
        return self.find_entry(name).promoted

    def list_staged(self, name: str) -> list[int]:
        """Numbers of the versions in MLflow's old stage ``Production``, the one changed last first; an MLflow client
        can leave several there. Raises ModelNotFound.
        """
        with self._bound() as client, self._model(name):
            staged = _search_staged(client, name)
        staged.sort(key=lambda found: (found.last_updated_timestamp or 0, int(found.version)), reverse=True)
        return [int(found.version) for found in staged]

    def set_promoted(self, name: str, number: int) -> None:
        """Point the alias ``production`` at a version, and let it alone be in the stage ``Production``, which older
        MLflow clients read. Safe to repeat.

        The alias goes first: it is what counts, so that a call MLflow refuses leaves nothing.

        Raises:
            VersionNotFound: The model has no such version.
        """
        with self._bound() as client, _version(number):
            client.set_registered_model_alias(name, PROMOTED_ALIAS, str(number))
            _move_to_stage(client, name, str(number), _PRODUCTION_STAGE, archive_existing_versions=True)

    def clear_promoted(self, name: str) -> None:
        """Take the alias ``production`` away and empty the stage; safe to repeat. Raises ModelNotFound."""
        with self._bound() as client, self._model(name):
            client.delete_registered_model_alias(name, PROMOTED_ALIAS)
            for found in _search_staged(client, name):
                _move_to_stage(client, name, found.version, _ARCHIVED_STAGE)

    def describe_model(self, name: str) -> dict[str, Any]:
        """The registered model as MLflow's API answers it, without our tags. Raises ModelNotFound."""
        with self._bound() as client, self._model(name):
            return model_json(client.get_registered_model(name))

    def describe_versions(self, name: str) -> list[dict[str, Any]]:
        """Its versions as MLflow's API answers them, newest first, without our tags. Raises ModelNotFound."""
        aliases = self.find_entry(name).aliases
        with self._bound() as client, translated():
            found = _search_versions(client, name)
        found.sort(key=lambda version: -int(version.version))
        return [version_json(version, aliases) for version in found]

    def locate_version(self, name: str, number: int) -> str:
        """``mlflow-artifacts:/`` address of a version's folder. Raises VersionNotFound, FileMissing."""
        with self._bound() as client, _version(number):
            return locate_source(client, client.get_model_version_download_uri(name, str(number)))

    def read_schema(self, name: str, number: int) -> ModelSchema:
        """Columns of a version, read without loading the model. Raises VersionNotFound, FileMissing."""
        return schema_of(self.read_model_file(name, number, "MLmodel"))

    def list_model_files(self, name: str, number: int) -> list[tuple[str, int | None]]:
        """Paths in a version's folder with sizes in bytes, sorted. Raises VersionNotFound, FileMissing."""
        return self._storage.list_files(self.locate_version(name, number))

    def read_model_file(self, name: str, number: int, path: str) -> bytes:
        """One small file of a version's folder. Raises VersionNotFound, FileMissing."""
        return self._storage.read(self.locate_version(name, number), path)

    def fetch_model(self, name: str, number: int, folder: Path) -> Path:
        """Copy a version's model into a local folder; gives the copy. Raises VersionNotFound, FileMissing."""
        return self._storage.fetch_folder(self.locate_version(name, number), folder)

    def record_digest(self, name: str, number: int) -> ModelVersion:
        """Keep the digest of a version's files as they are now, unless one is kept already; safe to repeat.

        A folder without its ``MLmodel`` gets none: its client is about to fill it.

        Returns:
            The version, with its digest.

        Raises:
            VersionNotFound: The model has no such version.
            FileMissing: It has no complete folder yet.
            ModelFilesChanged: The folder holds a symbolic link.
            BackendDown: The storage does not answer.
        """
        version = self.get_version(name, number)
        if version.digest is not None:
            return version
        address = self.locate_version(name, number)
        if "MLmodel" not in dict(self._storage.list_files(address)):
            raise FileMissing(f"Version {version.id} has no MLmodel file.")
        tag = digest_tag(self._storage.digest_of_folder(address))
        with self._bound() as client, _version(number):
            client.set_model_version_tag(name, str(number), *tag)
        return self.get_version(name, number)

    def storage_address(self, name: str, number: int) -> str:
        """Path or ``s3://`` address of a version's model folder. Raises VersionNotFound."""
        return self._storage.locate(self.locate_version(name, number))

    def _find_address(self, name: str, number: int) -> str | None:
        try:
            return self.locate_version(name, number)
        except FileMissing:  # of a client's version whose run is gone
            return None

    @property
    def _storage(self) -> ArtifactStorage:
        return self._connection.storage(self._organization)

    def _bound(self) -> AbstractContextManager[MlflowClient]:
        return self._connection.bound(self._organization)

    def _model(self, name: str) -> AbstractContextManager[None]:
        return translated(absent=lambda: ModelNotFound(name))


def _version(number: int) -> AbstractContextManager[None]:
    return translated(absent=lambda: VersionNotFound(version_id_of(number)))


def _search_versions(client: MlflowClient, name: str) -> list[MlflowVersion]:
    """Versions of exactly this name; MLflow's filters cannot escape quotes, so wildcards stand for them."""
    pattern = "".join("_" if sign in "'\"\\`" else sign for sign in name)
    found: list[MlflowVersion] = []
    token = None
    while True:
        page = client.search_model_versions(f"name LIKE '{pattern}'", max_results=_PAGE, page_token=token)
        found.extend(version for version in page if version.name == name)
        token = page.token
        if not token:
            return found


def _search_staged(client: MlflowClient, name: str) -> list[MlflowVersion]:
    if not any(found.current_stage == _PRODUCTION_STAGE for found in client.get_registered_model(name).latest_versions):
        return []
    return [found for found in _search_versions(client, name) if found.current_stage == _PRODUCTION_STAGE]


def _replace_tags(client: MlflowClient, held: MlflowVersion, wanted: Mapping[str, str]) -> None:
    before = user_tags(held.tags)
    for key in before.keys() - wanted.keys():
        client.delete_model_version_tag(held.name, str(held.version), key)
    for key, value in wanted.items():
        if before.get(key) != value:
            client.set_model_version_tag(held.name, str(held.version), key, value)


def _checked(tags: Mapping[str, str]) -> dict[str, str]:
    refused = find_refused(tags)
    if refused is not None:
        key, why = refused
        raise InvalidInput(f"The tag {key!r} {why}.", fields=[(f"/tags/{escape(key)}", why)])
    return dict(tags)
