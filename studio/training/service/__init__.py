"""What can be done with training runs, one file per group of verbs."""

from studio.training.service.events import RunEvent, append_events, read_events
from studio.training.service.history import find_newest_event, read_events_of, read_log
from studio.training.service.outcomes import cancel_orphan, complete_run, end_cancelled, fail_run
from studio.training.service.pauses import is_asked_to_pause, pause_run, resume_run, settle_pause
from studio.training.service.queue import claim_run, expire_leases, renew_lease, requeue_run
from studio.training.service.requests import cancel_run, count_queued, retry_run, start_run
from studio.training.service.runs import count_ended, find_newest_run, find_run, get_run, list_runs
from studio.training.service.schedules import delete_schedule, get_schedule, list_due, set_schedule, start_due
from studio.training.service.versions_in_making import refuse_in_making
from studio.training.service.workers import beat, is_worker_alive

__all__ = [
    "RunEvent",
    "append_events",
    "beat",
    "cancel_orphan",
    "cancel_run",
    "claim_run",
    "complete_run",
    "count_ended",
    "count_queued",
    "delete_schedule",
    "end_cancelled",
    "expire_leases",
    "fail_run",
    "find_newest_event",
    "find_newest_run",
    "find_run",
    "get_run",
    "get_schedule",
    "is_asked_to_pause",
    "is_worker_alive",
    "list_due",
    "list_runs",
    "pause_run",
    "read_events",
    "read_events_of",
    "read_log",
    "refuse_in_making",
    "renew_lease",
    "requeue_run",
    "resume_run",
    "retry_run",
    "set_schedule",
    "settle_pause",
    "start_due",
    "start_run",
]
