"""Why a source is not used, in words that tell nothing of what else there is."""

from studio.errors import SourceNotAllowed, SourceUnreachable, TooLarge


def not_allowed(what: str) -> SourceNotAllowed:
    """The error for a source outside what the settings allow."""
    return SourceNotAllowed(what, fields=[("/source/uri", "is not allowed by the configuration")])


def unreachable(what: str) -> SourceUnreachable:
    """The error for an allowed source that gives nothing."""
    return SourceUnreachable(what, fields=[("/source/uri", "cannot be read")])


def too_large(limit_bytes: int) -> TooLarge:
    """The error for a source of more bytes than a dataset may have."""
    return TooLarge(f"A dataset may have {limit_bytes} bytes.", max_bytes=limit_bytes)
