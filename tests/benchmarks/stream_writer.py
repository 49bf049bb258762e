"""Writes log messages to a model's run, ten a second, as a run process does: ``MODEL_ID COUNT``."""

import sys
import time
from datetime import timedelta

from studio.process import begin

EVERY_S = 0.1


def main(model_id, count):
    """Write; prints ``ready`` before and the count at the end."""
    config = begin("tool")
    from studio.domain.actors import system_actor  # these import MLflow, which reads the environment then
    from studio.domain.runs import EventType
    from studio.models.tables import ModelRow
    from studio.runtime import Runtime
    from studio.training.service import append_events

    runtime = Runtime(config)
    with runtime.open_stores(system_actor("default"), write=False) as stores:
        organization = stores.db.get(ModelRow, model_id).organization
    actor = system_actor(organization)
    run_id = f"run-{model_id}"
    with runtime.open_stores(actor, write=True) as stores:
        hold_run(stores, model_id, run_id)
    print("ready", flush=True)
    started = time.monotonic()
    for number in range(count):
        time.sleep(max(0, started + EVERY_S * number - time.monotonic()))
        with runtime.open_stores(actor, write=True) as stores:
            fields = {"level": "info", "message": str(time.monotonic())}
            append_events(stores, run_id, [(EventType.LOG, fields)])
    print(count, flush=True)


def hold_run(stores, model_id, run_id):
    """A running run that no worker takes for lost, unless it is there."""
    from studio.training.tables import RunRow

    if stores.db.get(RunRow, run_id) is None:
        now = stores.now()
        row = RunRow(
            id=run_id, organization=stores.organization, model_id=model_id, status="running", priority=1, rank=0.0,
            timeout_s=86400, config={}, config_override={}, created_at=now, created_by="benchmark", started_at=now,
            stage_seconds={}, worker_id="benchmark", lease_until=now + timedelta(days=1),
        )  # fmt: skip
        stores.db.add(row)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
