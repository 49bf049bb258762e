"""Where artifacts really lie: clients see ``mlflow-artifacts:/``, our own processes use the root directly."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from studio.backends.files.keys import check_key
from studio.backends.mlflow.digests import digest_of, digest_of_files, sha256_of
from studio.backends.mlflow.faults import is_absent
from studio.errors import BackendDown, BadKey, FileMissing

_SCHEME = "mlflow-artifacts"
_ABSENT_CODES = frozenset({"404", "NoSuchKey", "NoSuchBucket"})


class ArtifactStorage:
    """The artifacts of one workspace, a folder below the artifact root that nothing here leaves.

    Safe to share between threads. Raises BadKey for a path that leaves the address it is given below.
    """

    def __init__(self, artifact_root: str, workspace: str) -> None:
        self._root = artifact_root.rstrip("/")
        self._workspace = workspace

    def locate(self, uri: str) -> str:
        """Path or ``s3://`` address behind a ``mlflow-artifacts:/`` one.

        Raises:
            BadKey: The address is of another kind, or leaves the workspace's folder.
        """
        parsed = urlsplit(uri)
        path = PurePosixPath(parsed.path.lstrip("/"))
        is_inside = path.parts[:2] == ("workspaces", self._workspace) and len(path.parts) > 2
        if parsed.scheme != _SCHEME or parsed.netloc or ".." in path.parts or not is_inside:
            raise BadKey(f"{uri!r} is not an artifact of this organization.")
        return f"{self._root}/{path}"

    def put_file(self, uri: str, path: Path, folder: str | None) -> None:
        """Store one local file below an address, in a folder there; a repeat replaces it."""
        with _reporting_faults(path.name):
            self._repository(uri).log_artifact(str(path), None if folder is None else check_key(folder))

    def put_bytes(self, uri: str, path: str, content: bytes) -> None:
        """Store one file of this content below an address."""
        target = PurePosixPath(check_key(path))
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder) / target.name
            local.write_bytes(content)
            self.put_file(uri, local, str(target.parent) if len(target.parts) > 1 else None)

    def put_folder(self, uri: str, folder: Path) -> None:
        """Store everything in a local folder at an address."""
        with _reporting_faults(folder.name):
            self._repository(uri).log_artifacts(str(folder))

    def read(self, uri: str, path: str) -> bytes:
        """Content of one file below an address.

        Raises:
            FileMissing: There is no such file.
            BackendDown: The storage does not answer.
        """
        with tempfile.TemporaryDirectory() as folder, _reporting_faults(path):
            local = Path(folder) / "content"
            # The public download reports whatever went wrong in one error without a cause.
            self._repository(uri)._download_file(check_key(path), str(local))
            return local.read_bytes()

    def fetch_folder(self, uri: str, folder: Path) -> Path:
        """Copy everything at an address into a local folder and return that folder.

        Raises:
            FileMissing: Nothing lies there.
            BackendDown: The storage does not answer.
        """
        paths = [path for path, _ in self.list_files(uri)]
        if not paths:
            raise FileMissing(f"There is no artifact {uri!r}.")
        with _reporting_faults(uri):
            repository = self._repository(uri)
            for path in paths:
                target = folder / check_key(path)
                target.parent.mkdir(parents=True, exist_ok=True)
                repository._download_file(path, str(target))
        return folder

    def digest_of_folder(self, uri: str) -> str:
        """What ``digest_of`` says of everything at an address; holds one file of a remote store at a time.

        Raises:
            FileMissing: A file was deleted meanwhile.
            ModelFilesChanged: It holds a symbolic link.
            BackendDown: The storage does not answer.
        """
        address = self.locate(uri)
        with tempfile.TemporaryDirectory(prefix="digest-") as folder, _reporting_faults(uri):
            if not urlsplit(address).scheme:
                return digest_of(Path(address))
            repository, copy, found = get_artifact_repository(address), Path(folder) / "file", []
            for path, _ in self.list_files(uri):
                repository._download_file(path, str(copy))
                found.append((path, sha256_of(copy)))
            return digest_of_files(found)

    def list_files(self, uri: str, folder: str | None = None) -> list[tuple[str, int | None]]:
        """Paths of the files below an address with their sizes in bytes, sorted; empty where nothing lies."""
        found: list[tuple[str, int | None]] = []
        with _reporting_faults(uri):
            repository = self._repository(uri)
            pending = [folder]
            while pending:
                for entry in repository.list_artifacts(pending.pop()):
                    if entry.is_dir:
                        pending.append(entry.path)
                    else:
                        found.append((entry.path, entry.file_size))
        return sorted(found)

    def delete(self, uri: str) -> None:
        """Remove everything at an address; safe to repeat."""
        with _reporting_faults(uri):
            self._repository(uri).delete_artifacts()

    def _repository(self, uri: str) -> ArtifactRepository:
        return get_artifact_repository(self.locate(uri))


@contextmanager
def _reporting_faults(what: str) -> Iterator[None]:
    try:
        yield
    except MlflowException as fault:
        if is_absent(fault):
            raise FileMissing(f"There is no artifact {what!r}.") from fault
        raise
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as fault:
        raise FileMissing(f"There is no artifact {what!r}.") from fault
    except ClientError as fault:
        if fault.response.get("Error", {}).get("Code") in _ABSENT_CODES:
            raise FileMissing(f"There is no artifact {what!r}.") from fault
        raise BackendDown("The artifact store does not answer.") from fault
    except BotoCoreError as fault:
        raise BackendDown("The artifact store does not answer.") from fault
