"""Calls that ask a deployment."""

from tests.contract.calls import ROW, Call, on, prepares


@prepares("predict.model", "predict.deployment", training=True)
def predict(place):
    model_id, deployment_id = place.served()
    body, other = ({"json": {"inputs": [{**ROW, "distance_km": far}]}} for far in (10.5, 812.5))
    return Call(on(model_id, deployment_id=deployment_id).path, body=body, other=other)
