"""What every file store must do. Bind it to a store by returning an empty one from ``files``."""

import hashlib
import io
import random
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from studio.backends.files.port import FileStore
from studio.errors import BadKey, FileMissing

KEY = "datasets/ds-1/data.parquet"
BAD_KEYS = (
    "",
    "/etc/passwd",
    "../secret",
    "a/../../secret",
    "a//b",
    "a/./b",
    "a/",
    "a\\b",
    "a\0b",
    "a\nb",
    "a\ud800b",
    "x" * 256,
    "/".join(["x" * 100] * 10),
    ".incoming/x",
)
LARGE_BYTES = 21 << 20  # three parts of an upload in parts


def chunks_that_break_off(size_bytes: int = 10) -> Iterator[bytes]:
    """Some content, then the error that a lost client causes."""
    yield bytes(size_bytes)
    raise ConnectionResetError("the client went away")


def large_chunks(size_bytes: int = LARGE_BYTES) -> Iterator[bytes]:
    """Content that differs everywhere, in uneven pieces, made while it is read."""
    source, left = random.Random(7), size_bytes  # noqa: S311  content of a test
    while left > 0:
        chunk = source.randbytes(min(left, 777_777))
        left -= len(chunk)
        yield chunk


def content_of(files: FileStore, key: str) -> bytes:
    """The whole file."""
    with files.open(key) as file:
        return file.read()


class FileStoreContract:
    """Tests that a file store must pass; override one, and say why, where a store differs."""

    @pytest.fixture
    def files(self) -> FileStore:
        """An empty store."""
        raise NotImplementedError("return an empty store")

    def test_a_sweep_leaves_complete_files(self, files: FileStore) -> None:
        files.put(KEY, [b"whole"])
        assert files.sweep(0.0) == 0
        assert b"".join(files.read_chunks(KEY)) == b"whole"

    def test_what_was_put_comes_back(self, files: FileStore) -> None:
        stored = files.put(KEY, [b"one", b"", b"two"])
        assert (stored.key, stored.size_bytes) == (KEY, 6)
        assert stored.sha256 == hashlib.sha256(b"onetwo").hexdigest()
        with files.open(KEY) as file:
            assert file.read() == b"onetwo"
        assert files.exists(KEY)
        assert files.size_bytes(KEY) == 6

    def test_an_empty_file_is_a_file(self, files: FileStore) -> None:
        stored = files.put(KEY, [])
        assert (stored.size_bytes, stored.sha256) == (0, hashlib.sha256().hexdigest())
        assert list(files.read_chunks(KEY)) == []
        assert content_of(files, KEY) == b""
        assert files.exists(KEY)

    def test_a_large_file_survives_the_way_in_pieces(self, files: FileStore) -> None:
        expected = hashlib.sha256()
        for chunk in large_chunks():
            expected.update(chunk)
        stored = files.put(KEY, large_chunks())
        assert (stored.size_bytes, stored.sha256) == (LARGE_BYTES, expected.hexdigest())
        read = hashlib.sha256()
        for chunk in files.read_chunks(KEY, chunk_bytes=100_000):
            assert len(chunk) <= 100_000
            read.update(chunk)
        assert read.hexdigest() == expected.hexdigest()

    def test_a_large_file_does_not_fill_the_memory(self, files: FileStore) -> None:
        size_bytes = 60 << 20
        files.put(KEY, (bytes(1 << 20) for _ in range(2)))  # connections and imports are not counted
        tracemalloc.start()
        try:
            files.put(KEY, (bytes(1 << 20) for _ in range(size_bytes >> 20)))
            assert sum(len(chunk) for chunk in files.read_chunks(KEY)) == size_bytes
            assert tracemalloc.get_traced_memory()[1] < size_bytes * 0.7
        finally:
            tracemalloc.stop()

    def test_putting_again_replaces(self, files: FileStore) -> None:
        files.put(KEY, [b"a long first version"])
        files.put(KEY, [b"second"])
        assert content_of(files, KEY) == b"second"

    @pytest.mark.parametrize("size_bytes", [10, LARGE_BYTES])
    def test_a_failed_write_leaves_nothing(self, files: FileStore, size_bytes: int) -> None:
        with pytest.raises(ConnectionResetError):
            files.put(KEY, chunks_that_break_off(size_bytes))
        assert not files.exists(KEY)
        assert files.list_keys("datasets") == []

    def test_a_failed_write_leaves_the_file_that_was_there(self, files: FileStore) -> None:
        files.put(KEY, [b"good"])
        with pytest.raises(ConnectionResetError):
            files.put(KEY, chunks_that_break_off())
        assert content_of(files, KEY) == b"good"

    def test_a_local_file_is_copied_in_and_out(self, files: FileStore, tmp_path: Path) -> None:
        source, target = tmp_path / "in.bin", tmp_path / "out.bin"
        source.write_bytes(b"".join(large_chunks(3 << 20)))
        stored = files.put_path(KEY, source)
        files.fetch(KEY, target)
        assert source.exists()
        assert target.read_bytes() == source.read_bytes()
        assert stored.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()

    def test_a_fetch_of_nothing_leaves_nothing(self, files: FileStore, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        with pytest.raises(FileMissing):
            files.fetch(KEY, tmp_path / "out" / "file")
        assert list((tmp_path / "out").iterdir()) == []

    def test_an_open_file_can_be_read_anywhere(self, files: FileStore) -> None:
        content = b"".join(large_chunks(3 << 20))
        files.put(KEY, [content])
        with files.open(KEY) as file:
            assert file.seekable()
            assert file.seek(-5, io.SEEK_END) == len(content) - 5
            assert file.read(100) == content[-5:]
            file.seek(1_000_000)
            assert file.read(10) == content[1_000_000:1_000_010]
            file.seek(2, io.SEEK_CUR)
            assert file.tell() == 1_000_012
            assert file.read() == content[1_000_012:]
            assert file.read(1) == b""
            assert file.seek(len(content) + 7) == len(content) + 7
            assert file.read(1) == b""

    def test_a_missing_file_is_told_at_the_call(self, files: FileStore) -> None:
        files.put("datasets/ds-1/other", [b"x"])
        for call in (files.open, files.read_chunks, files.size_bytes):
            for key in (KEY, "datasets/ds-1", "datasets/ds-1/other/deeper"):
                with pytest.raises(FileMissing):
                    call(key)
        assert not files.exists(KEY)
        assert not files.exists("datasets/ds-1")

    def test_keys_below_a_folder_are_listed_in_order(self, files: FileStore) -> None:
        for key in ("a/2", "a/10", "a/b/c", "a.txt", "ab/1", "a/B"):
            files.put(key, [b"x"])
        assert files.list_keys("a") == ["a/10", "a/2", "a/B", "a/b/c"]
        assert files.list_keys("a/b") == ["a/b/c"]
        assert files.list_keys("nowhere") == []
        assert files.list_keys("a/2") == []

    @pytest.mark.parametrize("key", ["a b/ü%20+?#&=~.csv", "a/日本/x@2:3", "x/.hidden", "x/...", "x/" + "y" * 255])
    def test_unusual_names_are_kept(self, files: FileStore, key: str) -> None:
        files.put(key, [b"x"])
        assert files.list_keys(key.split("/")[0]) == [key]
        assert content_of(files, key) == b"x"
        files.delete(key)
        assert not files.exists(key)

    def test_deleting_may_be_repeated(self, files: FileStore) -> None:
        files.put(KEY, [b"x"])
        files.put("datasets/ds-1/other", [b"x"])
        files.delete(KEY)
        files.delete(KEY)
        files.delete("datasets/ds-1")
        assert files.list_keys("datasets") == ["datasets/ds-1/other"]

    def test_a_folder_goes_with_all_that_is_in_it(self, files: FileStore) -> None:
        for key in ("m/v1/model.pkl", "m/v1/deep/er/x", "m/v10/model.pkl", "m2/x"):
            files.put(key, [b"x"])
        assert files.delete_folder("m/v1") == 2
        assert files.delete_folder("m/v1") == 0
        assert files.list_keys("m") == ["m/v10/model.pkl"]
        assert files.exists("m2/x")
        files.put("m/v1/model.pkl", [b"again"])
        assert content_of(files, "m/v1/model.pkl") == b"again"

    @pytest.mark.parametrize("key", BAD_KEYS)
    def test_a_key_stays_inside_the_store(self, files: FileStore, key: str, tmp_path: Path) -> None:
        (tmp_path / "in").write_bytes(b"x")
        for call in (
            lambda: files.open(key),
            lambda: files.put(key, [b"x"]),
            lambda: files.put_path(key, tmp_path / "in"),
            lambda: files.read_chunks(key),
            lambda: files.fetch(key, tmp_path / "out"),
            lambda: files.size_bytes(key),
            lambda: files.exists(key),
            lambda: files.list_keys(key),
            lambda: files.delete(key),
            lambda: files.delete_folder(key),
            lambda: files.uri_of(key),
        ):
            with pytest.raises(BadKey):
                call()

    def test_writers_of_one_key_do_not_mix(self, files: FileStore) -> None:
        contents = [bytes([number]) * 300_000 for number in range(8)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda content: files.put(KEY, [content[:1000], content[1000:]]), contents))
        assert content_of(files, KEY) in contents

    def test_writing_and_clearing_a_folder_at_once_loses_no_write(self, files: FileStore) -> None:
        def work(number: int) -> None:
            files.put(f"busy/{number}/file", [b"x"])
            files.delete(f"busy/{number}/file")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(60)))
        assert files.list_keys("busy") == []

    def test_the_address_ends_in_the_key(self, files: FileStore) -> None:
        scheme, _, rest = files.uri_of("mdl-1/v4/model.pkl").partition("://")
        assert scheme
        assert rest.endswith("/mdl-1/v4/model.pkl")

    def test_a_check_passes_and_leaves_nothing(self, files: FileStore) -> None:
        files.put(KEY, [b"x"])
        files.check()
        assert files.list_keys("datasets") == [KEY]
