"""What is in the way of training runs."""

from studio.errors.kinds import Conflict, InternalFault, InvalidInput, NotFound, TooMany


class RunNotFound(NotFound):
    code = "run_not_found"


class BatchNotFound(NotFound):
    code = "batch_not_found"

    def __init__(self, batch_id: str) -> None:
        super().__init__(f"This model has no batch prediction {batch_id!r}.")


class ScheduleNotFound(NotFound):
    code = "schedule_not_found"


class InvalidCron(InvalidInput):
    code = "invalid_cron"


class RunInProgress(Conflict):
    code = "run_in_progress"


class RunStateConflict(Conflict):
    code = "run_state_conflict"


class SearchPaused(Conflict):
    """A search was asked to pause, and its trials in progress have ended."""

    code = "search_paused"


class ShapNotComputed(InvalidInput):
    code = "shap_not_computed"


class NoDataset(InvalidInput):
    code = "no_dataset"


class ConfigIncomplete(InvalidInput):
    code = "config_incomplete"


class QuotaExceeded(TooMany):
    code = "quota_exceeded"


class TooManySockets(TooMany):
    code = "too_many_sockets"


class UnknownMetric(InvalidInput):
    code = "unknown_metric"


class UntrainableTarget(InvalidInput):
    """The target column holds nothing that can be learned."""

    code = "target_unusable"


class TooFewRows(InvalidInput):
    """Fewer rows, or groups of them, than training, validation and test need."""

    code = "too_few_rows"


class UnusableSeries(InvalidInput):
    """Rows are no series: time stamps that cannot be read, follow no step or stand twice."""

    code = "series_unusable"


class NoSuccessfulTrial(InternalFault):
    """Every candidate of a search failed; the message carries the last error."""

    code = "no_successful_trial"
