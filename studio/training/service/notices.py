"""What people and programs are told when a run has ended, where its model's settings want it."""

from collections.abc import Mapping

from studio.backends.stores import Stores
from studio.domain.run_records import Failure
from studio.domain.versions import ModelVersion
from studio.errors import ModelNotFound
from studio.models import service as models
from studio.notifications import service as notifications
from studio.training.tables import RunRow

PAGES = "/mlflow/#/runs/"


def tell_completion(stores: Stores, row: RunRow, version: ModelVersion) -> None:
    """A run has made a version."""
    facts = {"version_id": version.id, "algorithm": version.algorithm, "metrics": dict(version.metrics)}
    told = {"Version": f"{version.id} ({version.algorithm})"}
    _tell(stores, row, "training.completed", "on_training_complete", facts, told, version.metrics)


def tell_failure(stores: Stores, row: RunRow, failure: Failure) -> None:
    """A run has failed."""
    facts = {"failure": {"code": failure.code, "message": failure.message, "stage": failure.stage}}
    told = {"Stage": failure.stage, "Reason": f"{failure.message} ({failure.code})"}
    _tell(stores, row, "training.failed", "on_training_failure", facts, told, {})


def _tell(
    stores: Stores,
    row: RunRow,
    kind: str,
    switch: str,
    facts: Mapping[str, object],
    told: Mapping[str, str],
    metrics: Mapping[str, float | None],
) -> None:
    try:
        wanted = models.get_settings(stores, row.model_id)["notifications"]
        name = models.get_model(stores, row.model_id).name
    except ModelNotFound:
        return  # deleted meanwhile: nobody is left to tell
    if not wanted[switch]:
        return
    link = f"{stores.config.public_url}/api/v1/models/{row.model_id}/training-runs/{row.id}"
    outcome = kind.partition(".")[2]
    label = {"Label": row.label} if row.label else {}
    letter = notifications.Letter(
        headline=f"The training of {name} has {outcome}.",
        facts={"Model": f"{name} ({row.model_id})", "Run": row.id, **label, **told},
        figures=metrics,
        figures_title="Metrics on the test split",
        links=_page_of(stores, row) | {"The run in the API": link},
    )
    announcement = notifications.Announcement(
        kind=kind, model_id=row.model_id, subject=f"Training {outcome}: {name}",
        facts={
            "organization": row.organization, "model_id": row.model_id, "model_name": name, "run_id": row.id,
            "run_label": row.label, "url": link, **facts,
        },
        letter=letter,
    )  # fmt: skip
    notifications.announce(stores, announcement, wanted["notify_emails"])


def _page_of(stores: Stores, row: RunRow) -> dict[str, str]:
    """The page a person can look at, which asks for a sign-in where there is none."""
    if row.mlflow_run_id is None:
        return {}
    page = f"{stores.config.public_url}{PAGES}{row.mlflow_run_id}?workspace={row.organization}"
    return {"The run in MLflow, with its curves and files": page}
