"""What is in the way of files that are handed out by signed links."""

from collections.abc import Sequence

from studio.errors.kinds import Forbidden, InternalFault, InvalidInput, NotFound


class FormatNotAvailable(InvalidInput):
    code = "format_not_available"

    def __init__(self, version_id: str, wanted: str, available: Sequence[str], *, reason: str | None = None) -> None:
        """
        Args:
            version_id: Id of the version.
            wanted: What it cannot be had as.
            available: What it can be had as.
            reason: Why, in words that a sentence can go on with; None where nobody knows.
        """
        refused = f"Version {version_id} cannot be had as {wanted}" + (f": {reason}" if reason else "")
        super().__init__(f"{refused}; available: {', '.join(available) or 'none'}.", available=list(available))


class LinkInvalid(Forbidden):
    code = "link_invalid"


class LinkExpired(Forbidden):
    code = "link_expired"


class ArtifactNotFound(NotFound):
    code = "artifact_not_found"


class ModelFilesChanged(InternalFault):
    code = "model_files_changed"
