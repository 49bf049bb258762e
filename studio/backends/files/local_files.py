"""Files in a folder of this machine."""

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from studio.backends.files.keys import RESERVED, check_key
from studio.backends.files.port import StoredFile
from studio.backends.files.whole_file import whole_file
from studio.errors import BackendDown, BadKey, FileMissing

if TYPE_CHECKING:
    from studio.backends.files.port import FileStore

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
READ_BYTES = 1 << 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe left in the folder must not block
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class LocalFiles:
    """A folder as a file store; safe to use from many threads and processes at once.

    A file is written under ``.incoming``, brought to the disk, and moved to its name. Folders are opened one
    by one without following symbolic links, so that none placed inside can lead out.
    """

    def __init__(self, root: Path) -> None:
        """Use a folder, made at the first write.

        Args:
            root: The folder; may itself be reached through a symbolic link.
        """
        self.root = root.resolve()

    def put(self, key: str, chunks: Iterable[bytes]) -> StoredFile:
        """Write one file, streamed; see FileStore."""
        segments = check_key(key).split("/")
        digest, size_bytes, temporary = hashlib.sha256(), 0, f"{os.getpid()}-{secrets.token_hex(8)}"
        with self._incoming() as incoming:
            with _told_plainly(key):
                descriptor = os.open(temporary, _CREATE, 0o666, dir_fd=incoming)
            try:
                with os.fdopen(descriptor, "wb", buffering=0):
                    for chunk in chunks:
                        with _told_plainly(key):
                            _write_all(descriptor, chunk)
                        digest.update(chunk)
                        size_bytes += len(chunk)
                    with _told_plainly(key):
                        os.fsync(descriptor)
                with _told_plainly(key):
                    self._move_in(temporary, incoming, segments)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary, dir_fd=incoming)
                raise
        return StoredFile(key, size_bytes, digest.hexdigest())

    def put_path(self, key: str, path: Path) -> StoredFile:
        """As put, from a local file, which stays."""
        check_key(key)
        with path.open("rb") as file:
            return self.put(key, iter(lambda: file.read(READ_BYTES), b""))

    def open(self, key: str) -> BinaryIO:
        """Open for reading; see FileStore."""
        *folders, name = check_key(key).split("/")
        with self._folder(folders, key) as folder, _told_plainly(key):
            descriptor = os.open(name, _READ, dir_fd=folder)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise _missing(key)
        return os.fdopen(descriptor, "rb")

    def read_chunks(self, key: str, *, chunk_bytes: int = READ_BYTES) -> Iterator[bytes]:
        """Its content piece by piece; see FileStore."""
        return _pieces(self.open(key), chunk_bytes)

    def fetch(self, key: str, path: Path) -> None:
        """Copy to a local path, which appears only when complete."""
        with self.open(key) as source, whole_file(path) as target:
            shutil.copyfileobj(source, target, READ_BYTES)

    def size_bytes(self, key: str) -> int:
        """Length of one file. Raises FileMissing."""
        with self.open(key) as file:
            return os.fstat(file.fileno()).st_size

    def exists(self, key: str) -> bool:
        """True when a complete file lies under the key."""
        try:
            self.open(key).close()
        except FileMissing:
            return False
        return True

    def list_keys(self, prefix: str) -> list[str]:
        """Keys below a folder, sorted."""
        segments = check_key(prefix).split("/")
        try:
            with self._folder(segments, prefix) as folder:
                return sorted(f"{prefix}/{name}" for name in _files_below(folder))
        except FileMissing:
            return []

    def delete(self, key: str) -> None:
        """Remove one file; removing what is not there is fine."""
        *folders, name = check_key(key).split("/")
        try:
            with self._folder(folders, key) as folder, _told_plainly(key):
                if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                    os.unlink(name, dir_fd=folder)
        except FileMissing:
            return
        self._drop_empty(folders)

    def delete_folder(self, prefix: str) -> int:
        """Remove every file below a folder and return how many there were."""
        *folders, name = check_key(prefix).split("/")
        count = len(self.list_keys(prefix))
        try:
            with self._folder(folders, prefix) as folder, _told_plainly(prefix):
                if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                    shutil.rmtree(name, dir_fd=folder)
        except FileMissing:
            return count
        self._drop_empty(folders)
        return count

    def uri_of(self, key: str) -> str:
        """Address shown to clients, such as ``local://models/mdl-1/v4/model.pkl``."""
        return f"local://models/{check_key(key)}"

    def presign(self, key: str, *, filename: str, lifetime_s: int) -> str | None:
        """Nothing: a folder has no address."""
        check_key(key)
        return None

    def check(self) -> None:
        """Prove that the store can be written and read. Raises BackendDown."""
        probe = f"probe-{os.getpid()}-{secrets.token_hex(4)}"
        with self._incoming() as incoming, _told_plainly(probe):
            descriptor = os.open(probe, _CREATE, 0o600, dir_fd=incoming)
            try:
                os.write(descriptor, b"probe")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
                os.unlink(probe, dir_fd=incoming)

    def sweep(self, older_than_s: float) -> int:
        """Remove what writers that were killed left behind.

        Args:
            older_than_s: Age in seconds of the last write; give more than the longest pause of an upload.

        Returns:
            How many files went.
        """
        oldest, gone = time.time() - older_than_s, 0
        with self._incoming() as incoming, _told_plainly(RESERVED):
            for name in os.listdir(incoming):
                with contextlib.suppress(FileNotFoundError):  # its writer finished in this moment
                    if os.stat(name, dir_fd=incoming).st_mtime <= oldest:
                        os.unlink(name, dir_fd=incoming)
                        gone += 1
        return gone

    @contextlib.contextmanager
    def _incoming(self) -> Iterator[int]:
        with _told_plainly(RESERVED):
            self.root.mkdir(parents=True, exist_ok=True)
        with self._folder([RESERVED], RESERVED, create=True) as descriptor:
            yield descriptor

    @contextlib.contextmanager
    def _folder(self, segments: list[str], key: str, *, create: bool = False) -> Iterator[int]:
        """Descriptor of a folder below the root, reached without following a symbolic link."""
        with _told_plainly(key):
            current = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for segment in segments:
                with _told_plainly(key):
                    below = _make_folder(segment, current, key) if create else _open_folder(segment, current, key)
                os.close(current)
                current = below
            yield current
        finally:
            os.close(current)

    def _move_in(self, temporary: str, incoming: int, segments: list[str]) -> None:
        *folders, name = segments
        for attempt in range(5):
            try:
                with self._folder(folders, "/".join(segments), create=True) as folder:
                    os.replace(temporary, name, src_dir_fd=incoming, dst_dir_fd=folder)
                    os.fsync(folder)
            except (FileNotFoundError, FileMissing):  # someone removed the folder because it was still empty
                if attempt == 4:
                    raise
            except IsADirectoryError as error:
                raise BadKey(f"A folder stands at {'/'.join(segments)!r}", key="/".join(segments)) from error
            else:
                return

    def _drop_empty(self, folders: list[str]) -> None:
        """Remove the folders that hold nothing any more, from the lowest up."""
        for depth in range(len(folders), 0, -1):
            try:
                with self._folder(folders[: depth - 1], "/".join(folders)) as above:
                    os.rmdir(folders[depth - 1], dir_fd=above)
            except (OSError, FileMissing):  # not empty, or gone already
                return


def _make_folder(segment: str, above: int, key: str) -> int:
    with contextlib.suppress(FileExistsError):
        os.mkdir(segment, dir_fd=above)
    try:
        return _open_folder(segment, above, key)
    except NotADirectoryError as error:
        raise BadKey(f"A file stands where {key!r} needs a folder", key=key) from error


def _open_folder(segment: str, above: int, key: str) -> int:
    try:
        return os.open(segment, _FOLDER, dir_fd=above)
    except NotADirectoryError as error:
        if stat.S_ISLNK(os.stat(segment, dir_fd=above, follow_symlinks=False).st_mode):
            raise BadKey(f"{key!r} leads through a symbolic link", key=key) from error
        raise


def _files_below(folder: int) -> Iterator[str]:
    for path, _, names, descriptor in os.fwalk(".", dir_fd=folder):
        for name in names:
            try:
                mode = os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode
            except FileNotFoundError:  # deleted in this moment
                continue
            if stat.S_ISREG(mode):
                yield os.path.normpath(os.path.join(path, name))


def _pieces(file: BinaryIO, chunk_bytes: int) -> Iterator[bytes]:
    with file:
        while chunk := file.read(chunk_bytes):
            yield chunk


def _write_all(descriptor: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]


def _missing(key: str) -> FileMissing:
    return FileMissing(f"There is no file {key!r}.", key=key)


@contextlib.contextmanager
def _told_plainly(key: str) -> Iterator[None]:
    """Turn what the file system says into errors of ours."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _missing(key) from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise BadKey(f"{key!r} leads through a symbolic link", key=key) from error
        if error.errno == errno.ENAMETOOLONG:
            raise BadKey(f"{key!r} is too long for this file system", key=key) from error
        if error.errno in FULL:
            raise BackendDown("The disk of the file store is full.", retry_after_s=60) from error
        raise BackendDown(f"The file store cannot be used: {error.strerror}.") from error


if TYPE_CHECKING:
    _: FileStore = LocalFiles(Path())
