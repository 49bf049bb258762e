"""Both file stores keep the contract, and each keeps what only it can promise."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from studio.backends.files.local_files import LocalFiles
from studio.backends.files.s3_files import PART_BYTES, S3Files
from studio.errors import BackendDown, BadKey, FileMissing
from studio.testing.file_store_contract import KEY, FileStoreContract, chunks_that_break_off, large_chunks
from tests.services import S3Server, free_ports


class TestLocalFiles(FileStoreContract):
    @pytest.fixture
    def files(self, tmp_path: Path) -> LocalFiles:
        return LocalFiles(tmp_path / "store")

    def test_the_address_names_the_local_store(self, files: LocalFiles) -> None:
        assert files.uri_of("mdl-1/v4/model.pkl") == "local://models/mdl-1/v4/model.pkl"

    def test_symbolic_links_do_not_lead_out(self, files: LocalFiles, tmp_path: Path) -> None:
        (tmp_path / "outside").mkdir()
        (tmp_path / "outside" / "secret").write_bytes(b"secret")
        files.put("a/file", [b"x"])
        (files.root / "a" / "folder").symlink_to(tmp_path / "outside")
        (files.root / "a" / "link").symlink_to(tmp_path / "outside" / "secret")
        for key in ("a/folder/secret", "a/link"):
            with pytest.raises(BadKey):
                files.open(key)
        with pytest.raises(BadKey):
            files.put("a/folder/new", [b"x"])
        with pytest.raises(BadKey):
            files.delete("a/folder/secret")
        assert files.list_keys("a") == ["a/file"]
        files.put("a/link", [b"mine"])
        files.delete_folder("a")
        assert [path.name for path in (tmp_path / "outside").iterdir()] == ["secret"]
        assert (tmp_path / "outside" / "secret").read_bytes() == b"secret"

    def test_a_folder_linked_in_is_not_deleted_through(self, files: LocalFiles, tmp_path: Path) -> None:
        (tmp_path / "outside").mkdir()
        (tmp_path / "outside" / "secret").write_bytes(b"secret")
        files.put("a/file", [b"x"])
        (files.root / "b").symlink_to(tmp_path / "outside")
        with pytest.raises(BadKey):
            files.delete_folder("b")
        assert (tmp_path / "outside" / "secret").exists()

    def test_a_full_disk_is_told_and_leaves_nothing(self, files: LocalFiles) -> None:
        files.put("a/before", [b"x"])
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # the kernel's other way to say full
        try:
            with pytest.raises(BackendDown, match="full"):
                files.put(KEY, [bytes(60_000), bytes(60_000)])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert not files.exists(KEY)
        assert list((files.root / ".incoming").iterdir()) == []

    def test_a_folder_and_a_file_cannot_share_a_name(self, files: LocalFiles) -> None:
        files.put("a/b", [b"x"])
        with pytest.raises(BadKey):
            files.put("a/b/c", [b"x"])
        with pytest.raises(BadKey):
            files.put("a", [b"x"])
        assert files.list_keys("a") == ["a/b"]

    def test_empty_folders_do_not_pile_up(self, files: LocalFiles) -> None:
        files.put("a/b/c/d", [b"x"])
        files.delete("a/b/c/d")
        assert [path.name for path in files.root.iterdir()] == [".incoming"]

    def test_what_a_killed_writer_left_is_swept(self, files: LocalFiles) -> None:
        code = (
            "import sys, time, pathlib; from studio.backends.files.local_files import LocalFiles\n"
            "def chunks():\n    yield b'x' * 1000\n    print('writing', flush=True)\n    time.sleep(60)\n"
            "LocalFiles(pathlib.Path(sys.argv[1])).put('a/b', chunks())"
        )
        with subprocess.Popen([sys.executable, "-c", code, str(files.root)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout.readline() == b"writing\n"
            writer.send_signal(signal.SIGKILL)
        incoming = files.root / ".incoming"
        (left,) = incoming.iterdir()
        assert files.list_keys("a") == []
        assert files.sweep(older_than_s=3600) == 0
        os.utime(left, (time.time() - 7200,) * 2)
        assert files.sweep(older_than_s=3600) == 1
        assert list(incoming.iterdir()) == []

    def test_a_check_tells_that_the_folder_cannot_be_used(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"x")
        with pytest.raises(BackendDown):
            LocalFiles(tmp_path / "file").check()


def store_of(server: S3Server, prefix: str = "", **options: object) -> S3Files:
    return S3Files(
        server.new_bucket(),
        prefix,
        endpoint_url=server.endpoint_url,
        access_key=server.access_key,
        secret_key=server.secret_key,
        **options,
    )


@pytest.mark.slow
class TestS3Files(FileStoreContract):
    @pytest.fixture
    def files(self, s3_server: S3Server) -> S3Files:
        return store_of(s3_server)

    def test_the_address_names_the_bucket(self, files: S3Files) -> None:
        assert files.uri_of("mdl-1/v4/model.pkl") == f"s3://{files.bucket}/mdl-1/v4/model.pkl"

    def test_a_prefix_is_a_store_of_its_own(self, s3_server: S3Server) -> None:
        files = store_of(s3_server, "team/models")
        s3_server.client().put_object(Bucket=files.bucket, Key="a/other", Body=b"x")
        files.put("a/mine", [b"x"])
        assert files.list_keys("a") == ["a/mine"]
        assert files.uri_of("a/mine") == f"s3://{files.bucket}/team/models/a/mine"
        assert files.delete_folder("a") == 1
        kept = s3_server.client().list_objects_v2(Bucket=files.bucket)["Contents"]
        assert [entry["Key"] for entry in kept] == ["a/other"]

    def test_a_broken_upload_is_aborted(self, files: S3Files, s3_server: S3Server) -> None:
        with pytest.raises(ConnectionResetError):
            files.put(KEY, chunks_that_break_off(PART_BYTES + 1))
        assert not s3_server.client().list_multipart_uploads(Bucket=files.bucket).get("Uploads")

    def test_more_keys_than_a_page_holds(self, files: S3Files) -> None:
        for number in range(1005):
            files.put(f"many/{number:04}", [b"x"])
        assert len(files.list_keys("many")) == 1005
        assert files.delete_folder("many") == 1005
        assert files.list_keys("many") == []

    def test_a_file_replaced_while_it_is_read_is_not_mixed(self, files: S3Files) -> None:
        files.put(KEY, large_chunks(3 << 20))
        with files.open(KEY) as file:
            file.read(10)
            files.put(KEY, [bytes(3 << 20)])
            file.seek(2 << 20)
            with pytest.raises((BackendDown, FileMissing)):
                file.read(10)

    def test_a_bucket_that_is_missing_is_no_missing_file(self, s3_server: S3Server) -> None:
        files = store_of(s3_server)
        s3_server.client().delete_bucket(Bucket=files.bucket)
        with pytest.raises(BackendDown):
            files.check()

    def test_a_wrong_secret_is_told_without_it(self, s3_server: S3Server) -> None:
        files = S3Files(s3_server.new_bucket(), endpoint_url=s3_server.endpoint_url, access_key="x", secret_key="hush")
        with pytest.raises(BackendDown) as caught:
            files.put(KEY, [b"x"])
        assert "hush" not in str(caught.value)


def test_an_s3_that_does_not_answer_is_told() -> None:
    (port,) = free_ports(1)
    files = S3Files(
        "b",
        endpoint_url=f"http://127.0.0.1:{port}",
        access_key="x",
        secret_key="y",
        connect_timeout_s=1,
        attempts=2,
    )
    for call in (
        lambda: files.put(KEY, [b"x"]),
        lambda: files.open(KEY),
        files.check,
        lambda: files.list_keys("a"),
    ):
        with pytest.raises(BackendDown):
            call()
