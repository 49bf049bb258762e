"""The bytes of an uploaded file: decompression within a limit, fingerprint, and what format they are."""

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from studio.errors import DatasetUnreadable, TooLarge
from studio.tabular.table import TableFormat

CHUNK_BYTES = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"
FOREIGN_MAGIC = {
    b"PK\x03\x04": "a ZIP archive (an Excel workbook, perhaps)",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%PDF": "a PDF document",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ": "compressed with xz",
    b"\x28\xb5\x2f\xfd": "compressed with Zstandard",
    b"ARROW1": "an Arrow or Feather file",
    b"SQLite format 3": "an SQLite database",
    b"\xff\xfe": "encoded in UTF-16",
    b"\xfe\xff": "encoded in UTF-16",
    b"\x00\x00\xfe\xff": "encoded in UTF-32",
}


@dataclass(frozen=True)
class Content:
    """Size in bytes and SHA-256 (64 hex digits) of a decompressed file."""

    size_bytes: int
    fingerprint: str


def unpack(source: Path, target: Path, max_bytes: int) -> Content:
    """Copy a file, decompressing it when it is gzip.

    Args:
        source: The uploaded file; that it is gzip is told by its first bytes, never by its name.
        target: Where the decompressed bytes go; removed again when this fails.
        max_bytes: Most bytes taken after decompression.

    Raises:
        TooLarge: More bytes than that; found before the rest is decompressed.
        DatasetUnreadable: The gzip stream is broken or cut short.
    """
    try:
        with source.open("rb") as raw, target.open("wb") as sink:
            is_gzip = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            if not is_gzip:
                return _copy(raw, sink, max_bytes)
            with gzip.GzipFile(fileobj=raw) as stream:
                return _copy(stream, sink, max_bytes)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        target.unlink(missing_ok=True)
        raise DatasetUnreadable("The gzip compression of the file is broken or cut short.") from error
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _copy(stream: BinaryIO | gzip.GzipFile, sink: BinaryIO, max_bytes: int) -> Content:
    """Copy up to the limit, hashing on the way."""
    digest = hashlib.sha256()
    size_bytes = 0
    while chunk := stream.read(CHUNK_BYTES):
        size_bytes += len(chunk)
        if size_bytes > max_bytes:
            raise TooLarge(f"The table is larger than {max_bytes} bytes (decompressed).", max_bytes=max_bytes)
        digest.update(chunk)
        sink.write(chunk)
    return Content(size_bytes, digest.hexdigest())


def detect_format(path: Path) -> TableFormat:
    """CSV or Parquet, told by the first bytes of a decompressed file.

    Raises:
        DatasetUnreadable: The file is of another well-known kind.
    """
    with path.open("rb") as file:
        start = file.read(16)
    if start.startswith(PARQUET_MAGIC):
        return TableFormat.PARQUET
    for magic, kind in FOREIGN_MAGIC.items():
        if start.startswith(magic):
            raise DatasetUnreadable(f"The file is {kind}; send CSV in UTF-8 or Parquet, plain or gzip.")
    return TableFormat.CSV
