"""Calls about training schedules."""

from studio.training import service as training
from tests.contract.calls import Call, on, prepares
from tests.factories import schedule_of


@prepares("schedule.get", "schedule.set", "schedule.delete")
def scheduled(place):
    call = on(place.make_model(dataset=True))
    with place.open() as stores:
        training.set_schedule(stores, call.path["model_id"], schedule_of("0 3 * * 1"))
    return Call(call.path, body={"json": {"trigger": "cron", "cron": "0 4 * * *", "timezone": "Europe/Berlin"}})
