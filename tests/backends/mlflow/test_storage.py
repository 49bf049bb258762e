import pytest

from studio.backends.mlflow.digests import digest_of
from studio.backends.mlflow.storage import ArtifactStorage
from studio.errors import BackendDown, BadKey, FileMissing

RUN = "mlflow-artifacts:/workspaces/acme/1/run/artifacts"


class ArtifactStorageContract:
    """What holds of artifacts wherever the root lies."""

    @pytest.fixture
    def storage(self):
        raise NotImplementedError

    def test_files_come_back(self, storage, tmp_path):
        storage.put_bytes(RUN, "model/MLmodel", b"flavors: {}")
        storage.put_bytes(RUN, "ü 😀.txt", b"x")
        (tmp_path / "up" / "deep").mkdir(parents=True)
        (tmp_path / "up" / "deep" / "a.bin").write_bytes(b"\x00")
        storage.put_folder(RUN + "/folder", tmp_path / "up")

        assert storage.read(RUN, "model/MLmodel") == b"flavors: {}"
        assert storage.list_files(RUN) == [("folder/deep/a.bin", 1), ("model/MLmodel", 11), ("ü 😀.txt", 1)]
        copy = storage.fetch_folder(RUN + "/folder", tmp_path / "down")
        assert (copy / "deep" / "a.bin").read_bytes() == b"\x00"

    def test_a_folders_digest_is_that_of_a_local_copy(self, storage, tmp_path):
        for path in ("b/ü 😀.txt", "b.txt", "B/x", "MLmodel"):
            storage.put_bytes(RUN, path, path.encode())
        assert storage.digest_of_folder(RUN) == digest_of(storage.fetch_folder(RUN, tmp_path / "down"))

    def test_what_is_not_there_is_missing(self, storage, tmp_path):
        assert storage.list_files(RUN) == []
        with pytest.raises(FileMissing):
            storage.read(RUN, "nothing")
        storage.delete(RUN)

    def test_deleting_takes_the_address_and_nothing_beside_it(self, storage):
        for experiment in ("1", "10"):
            storage.put_bytes(f"mlflow-artifacts:/workspaces/acme/{experiment}", "run/x", b"x")

        storage.delete("mlflow-artifacts:/workspaces/acme/1")

        assert storage.list_files("mlflow-artifacts:/workspaces/acme/1") == []
        assert storage.read("mlflow-artifacts:/workspaces/acme/10", "run/x") == b"x"


class TestLocalStorage(ArtifactStorageContract):
    @pytest.fixture
    def storage(self, tmp_path):
        return ArtifactStorage(str(tmp_path / "artifacts"), "acme")


@pytest.mark.slow
class TestS3Storage(ArtifactStorageContract):
    @pytest.fixture
    def storage(self, s3_server, monkeypatch):
        monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", s3_server.endpoint_url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.secret_key)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        return ArtifactStorage(f"s3://{s3_server.new_bucket()}/artifacts/", "acme")

    def test_a_store_that_is_down_says_so(self, storage, monkeypatch):
        monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", "http://127.0.0.1:1")

        with pytest.raises(BackendDown):
            storage.read(RUN, "x")


@pytest.mark.parametrize(
    "uri",
    [
        "mlflow-artifacts:/workspaces/borealis/1",
        "mlflow-artifacts:/workspaces/acme",
        "mlflow-artifacts:/workspaces/acme/../borealis/1",
        "mlflow-artifacts://host/workspaces/acme/1",
        "mlflow-artifacts:/1/run",
        "file:///etc",
        "s3://bucket/workspaces/acme/1",
        "/etc",
        "",
    ],
)
def test_only_the_organizations_own_addresses_are_taken(uri, tmp_path):
    with pytest.raises(BadKey):
        ArtifactStorage(str(tmp_path), "acme").locate(uri)
