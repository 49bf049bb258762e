"""What is in the way of files that are handed out by signed links."""

from collections.abc import Sequence

from studio.errors.kinds import Forbidden, InternalFault, InvalidInput, NotFound


class FormatNotAvailable(InvalidInput):
    code = "format_not_available"

    def __init__(self, version_id: str, wanted: str, available: Sequence[str]) -> None:
        offered = ", ".join(available) or "none"
        super().__init__(
            f"Version {version_id} cannot be had as {wanted}; available: {offered}.", available=list(available)
        )


class LinkInvalid(Forbidden):
    code = "link_invalid"


class LinkExpired(Forbidden):
    code = "link_expired"


class ArtifactNotFound(NotFound):
    code = "artifact_not_found"


class ModelFilesChanged(InternalFault):
    code = "model_files_changed"
