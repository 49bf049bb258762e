"""Files in a bucket of S3, or of a server that speaks its protocol."""

import base64
import contextlib
import hashlib
import os
import secrets
import threading
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from studio.backends.files.keys import RESERVED, check_key
from studio.backends.files.port import StoredFile
from studio.backends.files.s3_reading import RangedFile, read_range, said_plainly
from studio.backends.files.whole_file import whole_file
from studio.errors import BackendDown, FileMissing

if TYPE_CHECKING:
    from studio.backends.files.port import FileStore

PART_BYTES = 8 << 20  # times 10,000 parts: files up to 80 GB; S3 wants at least 5 MB
BUFFER_BYTES = 1 << 20
DELETE_AT_ONCE = 1000  # keys per call, as S3 allows


class S3Files:
    """A bucket, or a folder in one, as a file store; safe to use from many threads, and after a fork.

    A writer holds a part (8 MB) or two in memory, a reader one range of that size. An upload that fails is
    aborted; where a writer is killed, the bucket's lifecycle rule for incomplete uploads clears up.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        endpoint_url: str | None = None,
        public_url: str | None = None,
        region: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        connect_timeout_s: float = 5.0,
        read_timeout_s: float = 30.0,
        attempts: int = 4,
    ) -> None:
        """Use a bucket that exists; nothing is sent yet.

        Args:
            bucket: Its name.
            prefix: Folder in it, without slashes at its ends; empty: the whole bucket.
            endpoint_url: Address of an S3 other than Amazon's.
            public_url: Address of that S3 as clients reach it, for presigned addresses; None for the same.
            region: Region of the bucket, where the S3 in use wants one.
            access_key: With secret_key, instead of those that boto3 finds by itself.
            secret_key: See access_key.
            connect_timeout_s: Longest wait for a connection, per attempt.
            read_timeout_s: Longest silence while an answer is read, per attempt.
            attempts: How often a call is tried before the store counts as down.
        """
        self.bucket, self.prefix = bucket, prefix.strip("/")
        self._lock = threading.Lock()
        self._clients: dict[tuple[int, str | None], Any] = {}
        self._access_key, self._secret_key = access_key, secret_key
        self._endpoint_url, self._public_url, self._region = endpoint_url, public_url or endpoint_url, region
        self._config = Config(
            connect_timeout=connect_timeout_s,
            read_timeout=read_timeout_s,
            retries={"total_max_attempts": attempts, "mode": "standard"},
            max_pool_connections=64,
            signature_version="s3v4",  # presigned addresses would otherwise be of the version that is going out
            # Content-MD5 protects uploads instead: every S3 knows it, and many refuse the newer checksums.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )

    @property
    def _client(self) -> Any:
        return self._client_at(self._endpoint_url)

    def _client_at(self, address: str | None) -> Any:
        """The client of this process for an address: connections must not be shared across a fork."""
        key = (os.getpid(), address)
        with self._lock:
            if key not in self._clients:
                session = boto3.session.Session()  # the default one is not safe to use from threads
                self._clients[key] = session.client(
                    "s3",
                    endpoint_url=address,
                    region_name=self._region or session.region_name or "us-east-1",
                    config=self._config.merge(Config(s3={"addressing_style": "path"})) if address else self._config,
                    aws_access_key_id=self._access_key,
                    aws_secret_access_key=self._secret_key,
                )
            return self._clients[key]

    def put(self, key: str, chunks: Iterable[bytes]) -> StoredFile:
        """Write one file, streamed; see FileStore."""
        name, digest, size_bytes = self._name(key), hashlib.sha256(), 0
        parts = _parts(chunks)
        first = next(parts, b"")
        digest.update(first)
        if len(first) < PART_BYTES:
            with said_plainly(key):
                self._client.put_object(Bucket=self.bucket, Key=name, Body=first, ContentMD5=_md5(first))
            return StoredFile(key, len(first), digest.hexdigest())
        with self._upload(key, name) as send:
            send(first)
            size_bytes += len(first)
            for part in parts:
                digest.update(part)
                size_bytes += len(part)
                send(part)
        return StoredFile(key, size_bytes, digest.hexdigest())

    def put_path(self, key: str, path: Path) -> StoredFile:
        """As put, from a local file, which stays."""
        check_key(key)
        with path.open("rb") as file:
            return self.put(key, iter(lambda: file.read(BUFFER_BYTES), b""))

    def open(self, key: str) -> BinaryIO:
        """Open for reading; each read fetches a range; see FileStore."""
        raw = RangedFile(self._client, self.bucket, self._name(key), key)
        return cast("BinaryIO", BufferedReader(raw, BUFFER_BYTES))

    def read_chunks(self, key: str, *, chunk_bytes: int = BUFFER_BYTES) -> Iterator[bytes]:
        """Its content piece by piece; see FileStore."""
        return _pieces(RangedFile(self._client, self.bucket, self._name(key), key), chunk_bytes)

    def fetch(self, key: str, path: Path) -> None:
        """Copy to a local path, which appears only when complete."""
        chunks = self.read_chunks(key)
        with whole_file(path) as target:
            for chunk in chunks:
                target.write(chunk)

    def size_bytes(self, key: str) -> int:
        """Length of one file. Raises FileMissing."""
        with said_plainly(key):
            return int(self._client.head_object(Bucket=self.bucket, Key=self._name(key))["ContentLength"])

    def exists(self, key: str) -> bool:
        """True when a complete file lies under the key."""
        try:
            self.size_bytes(key)
        except FileMissing:
            return False
        return True

    def list_keys(self, prefix: str) -> list[str]:
        """Keys below a folder, sorted."""
        cut = len(self.prefix) + 1 if self.prefix else 0
        pages = self._client.get_paginator("list_objects_v2")
        with said_plainly(prefix):
            found = pages.paginate(Bucket=self.bucket, Prefix=f"{self._name(prefix)}/")
            return sorted(entry["Key"][cut:] for page in found for entry in page.get("Contents", ()))

    def delete(self, key: str) -> None:
        """Remove one file; removing what is not there is fine."""
        with said_plainly(key):
            self._client.delete_object(Bucket=self.bucket, Key=self._name(key))

    def delete_folder(self, prefix: str) -> int:
        """Remove every file below a folder and return how many there were."""
        keys = self.list_keys(prefix)
        for start in range(0, len(keys), DELETE_AT_ONCE):
            objects = [{"Key": self._name(key)} for key in keys[start : start + DELETE_AT_ONCE]]
            with said_plainly(prefix):
                answer = self._client.delete_objects(Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True})
            if answer.get("Errors"):
                raise BackendDown(f"The file store could not delete everything below {prefix!r}.")
        return len(keys)

    def uri_of(self, key: str) -> str:
        """Address shown to clients, such as ``s3://models/mdl-1/v4/model.pkl``."""
        return f"s3://{self.bucket}/{self._name(key)}"

    def presign(self, key: str, *, filename: str, lifetime_s: int) -> str | None:
        """Presigned address; made here, without a call; see FileStore."""
        target = {
            "Bucket": self.bucket,
            "Key": self._name(key),
            "ResponseContentDisposition": f'attachment; filename="{filename}"',
            "ResponseContentType": "application/octet-stream",
        }
        with said_plainly(key):
            client = self._client_at(self._public_url)
            return str(client.generate_presigned_url("get_object", Params=target, ExpiresIn=lifetime_s))

    def sweep(self, older_than_s: float) -> int:
        """Nothing: the bucket's lifecycle rule does it, and S3 does not tell when a part was last added."""
        return 0

    def check(self) -> None:
        """Prove that the store can be written and read. Raises BackendDown."""
        probe = "/".join(part for part in (self.prefix, RESERVED, f"probe-{secrets.token_hex(8)}") if part)
        try:
            with said_plainly(probe):
                self._client.put_object(Bucket=self.bucket, Key=probe, Body=b"probe", ContentMD5=_md5(b"probe"))
                read_range(self._client, {"Bucket": self.bucket, "Key": probe}, 0, 5)
                self._client.delete_object(Bucket=self.bucket, Key=probe)
        except FileMissing as error:
            raise BackendDown("The file store lost a file it had just taken.") from error

    def _name(self, key: str) -> str:
        check_key(key)
        return f"{self.prefix}/{key}" if self.prefix else key

    @contextlib.contextmanager
    def _upload(self, key: str, name: str) -> Iterator[Any]:
        """An upload in parts: completed when the block ends well, aborted when it does not."""
        target = {"Bucket": self.bucket, "Key": name}
        with said_plainly(key):
            target["UploadId"] = self._client.create_multipart_upload(**target)["UploadId"]
        tags: list[dict[str, Any]] = []

        def send(part: bytes) -> None:
            number = len(tags) + 1
            with said_plainly(key):
                answer = self._client.upload_part(**target, PartNumber=number, Body=part, ContentMD5=_md5(part))
            tags.append({"PartNumber": number, "ETag": answer["ETag"]})

        try:
            yield send
            with said_plainly(key):
                self._client.complete_multipart_upload(**target, MultipartUpload={"Parts": tags})
        except BaseException:
            with contextlib.suppress(ClientError, BotoCoreError):  # the first fault is the one to tell
                self._client.abort_multipart_upload(**target)
            raise


def _parts(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of PART_BYTES, the last one shorter."""
    waiting = bytearray()
    for chunk in chunks:
        view = memoryview(chunk)
        while view:
            taken = view[: PART_BYTES - len(waiting)]
            waiting += taken
            view = view[len(taken) :]
            if len(waiting) == PART_BYTES:
                yield bytes(waiting)
                waiting.clear()
    if waiting:
        yield bytes(waiting)


def _pieces(raw: RangedFile, chunk_bytes: int) -> Iterator[bytes]:
    with raw:
        while fetched := raw.read(max(PART_BYTES, chunk_bytes)):
            for start in range(0, len(fetched), chunk_bytes):
                yield fetched[start : start + chunk_bytes]


def _md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


if TYPE_CHECKING:
    _: FileStore = S3Files("bucket")
