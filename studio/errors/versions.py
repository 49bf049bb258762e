"""What is in the way of versions, their evaluation, and their use."""

from studio.errors.kinds import BackendDown, Conflict, InternalFault, InvalidInput, NotFound


class VersionNotFound(NotFound):
    code = "version_not_found"

    def __init__(self, version_id: str) -> None:
        super().__init__(f"This model has no version {version_id!r}.")


class VersionNotReady(InvalidInput):
    code = "version_not_ready"

    def __init__(self, version_id: str, status: str) -> None:
        super().__init__(
            f"Version {version_id} is {status}; only a ready one qualifies.",
            version_id=version_id,
            status=status,
        )


class GateFailed(Conflict):
    code = "gate_failed"


class VersionOfAnotherModel(InvalidInput):
    code = "version_of_another_model"


class VersionPromoted(Conflict):
    code = "version_promoted"


class VersionDeployed(Conflict):
    code = "version_deployed"


class NoPreviousVersion(Conflict):
    code = "no_previous_version"


class NothingPromoted(NotFound):
    code = "nothing_promoted"


class NoVersion(Conflict):
    code = "no_version"


class NoEvaluation(Conflict):
    code = "no_evaluation"


class NotApplicable(InvalidInput):
    code = "not_applicable"


class UnknownClass(InvalidInput):
    code = "unknown_class"


class ClassLabelRequired(InvalidInput):
    code = "class_label_required"


class ModelNotReady(Conflict):
    code = "model_not_ready"


class NoPromotedVersion(InvalidInput):
    code = "no_promoted_version"


class InvalidInputs(InvalidInput):
    code = "invalid_inputs"


class PredictionFailed(InternalFault):
    code = "prediction_failed"


class Overloaded(BackendDown):
    code = "overloaded"


class HostGone(BackendDown):
    """The process of a model ended before it answered; whoever it was asked for may ask another."""


class HostUnknown(BackendDown):
    """Nobody keeps, or no longer, the process that was to be asked."""
