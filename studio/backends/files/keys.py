"""Which names a file may have, the same in every store."""

from studio.errors import BadKey

MAX_KEY_BYTES = 900  # S3 takes 1024, and a store may put a prefix before ours
MAX_SEGMENT_BYTES = 255  # what Linux file systems take
RESERVED = ".incoming"  # first segment where stores keep what is not complete


def check_key(key: str) -> str:
    """Refuse a key or folder that would leave its store or could not be stored everywhere.

    Args:
        key: Segments joined by ``/``, such as ``mdl-1/v4/model.pkl``.

    Returns:
        The same key.

    Raises:
        BadKey: It is empty, absolute, too long, or not of plain segments.
    """
    if not key or not key.isprintable() or "\\" in key:
        raise BadKey(f"{key!r} is not a file key: it must be printable text without backslashes", key=key)
    segments = key.split("/")
    if any(segment in ("", ".", "..") for segment in segments) or segments[0] == RESERVED:
        raise BadKey(f"{key!r} is not a file key: it must be plain names joined by single slashes", key=key)
    if len(key.encode()) > MAX_KEY_BYTES or any(len(part.encode()) > MAX_SEGMENT_BYTES for part in segments):
        raise BadKey(f"The file key {key[:80]!r}... is too long", key=key[:80])
    return key
