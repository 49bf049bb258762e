"""What people and programs are told when a run has ended, where its model's settings want it."""

from collections.abc import Mapping

from studio.backends.stores import Stores
from studio.domain.run_records import Failure
from studio.domain.versions import ModelVersion
from studio.errors import ModelNotFound
from studio.models import service as models
from studio.notifications import service as notifications
from studio.training.tables import RunRow


def tell_completion(stores: Stores, row: RunRow, version: ModelVersion) -> None:
    """A run has made a version."""
    facts = {"version_id": version.id, "algorithm": version.algorithm, "metrics": dict(version.metrics)}
    lines = [f"Version:   {version.id} ({version.algorithm})", "", "Metrics on the test split:"]
    lines += _figures(version.metrics)
    _tell(stores, row, "training.completed", "on_training_complete", facts, lines)


def tell_failure(stores: Stores, row: RunRow, failure: Failure) -> None:
    """A run has failed."""
    facts = {"failure": {"code": failure.code, "message": failure.message, "stage": failure.stage}}
    lines = [f"Stage:     {failure.stage}", f"Reason:    {failure.message} ({failure.code})"]
    _tell(stores, row, "training.failed", "on_training_failure", facts, lines)


def _tell(stores: Stores, row: RunRow, kind: str, switch: str, facts: Mapping[str, object], lines: list[str]) -> None:
    try:
        wanted = models.get_settings(stores, row.model_id)["notifications"]
        name = models.get_model(stores, row.model_id).name
    except ModelNotFound:
        return  # deleted meanwhile: nobody is left to tell
    if not wanted[switch]:
        return
    link = f"{stores.config.public_url}/api/v1/models/{row.model_id}/training-runs/{row.id}"
    outcome = kind.partition(".")[2]
    head = [f"The training of {name} has {outcome}.", "", f"Model:     {name} ({row.model_id})", f"Run:       {row.id}"]
    told = notifications.Announcement(
        kind=kind, model_id=row.model_id, subject=f"Training {outcome}: {name}",
        facts={
            "organization": row.organization, "model_id": row.model_id, "model_name": name, "run_id": row.id,
            "run_label": row.label, "url": link, **facts,
        },
        text="\n".join([*head, *lines, "", link, ""]),
    )  # fmt: skip
    notifications.announce(stores, told, wanted["notify_emails"])


def _figures(metrics: Mapping[str, float | None]) -> list[str]:
    width = max(map(len, metrics), default=0)
    return [f"  {name:<{width}}  {'-' if value is None else format(value, '.4g')}" for name, value in metrics.items()]
