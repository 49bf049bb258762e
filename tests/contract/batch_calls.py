"""Calls about batch predictions."""

from tests.contract.calls import Call, on, prepares


@prepares("batch.create", training=True)
def batch_create(place):
    body, other = ({"json": {"dataset_id": place.make_dataset()}} for _ in range(2))
    return Call(on(place.trained().model_id).path, body=body, other=other)


@prepares("batch.list", "batch.get")
def batch_get(place):
    model_id = place.make_model()
    return on(model_id, batch_id=place.make_batch(model_id))
