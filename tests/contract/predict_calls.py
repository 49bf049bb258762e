"""Calls that ask a deployment."""

from tests.contract.calls import ROW, Call, on, prepares


@prepares("predict.model", "predict.deployment", training=True)
def predict(place):
    model_id, deployment_id = place.served()
    body, other = ({"json": {"inputs": [{**ROW, "distance_km": far}]}} for far in (10.5, 812.5))
    return Call(on(model_id, deployment_id=deployment_id).path, body=body, other=other)


@prepares("predict.invocations", training=True)
def score(place):
    model_id, _ = place.served()
    body, other = ({"json": {"dataframe_records": [{**ROW, "distance_km": far}]}} for far in (10.5, 812.5))
    return Call(on(model_id).path, body=body, other=other)


@prepares("oip.live", "oip.ready", "oip.server")
def ask_server(place):
    return Call()


@prepares("oip.model", "oip.model_ready", training=True)
def ask_model(place):
    return Call({"name": place.served()[0]})


@prepares("oip.model_version", "oip.model_version_ready", training=True)
def ask_version(place):
    return Call({"name": place.served()[0], "version": "1"})


@prepares("oip.infer", training=True)
def infer(place):
    body, other = ({"json": {"inputs": tensors(far)}} for far in (10.5, 812.5))
    return Call({"name": place.served()[0]}, body=body, other=other)


@prepares("oip.infer_version", training=True)
def infer_on_version(place):
    called = infer(place)
    return Call({**called.path, "version": "1"}, body=called.body, other=called.other)


def tensors(far):
    """One row, a tensor per column."""
    kinds = {"distance_km": "FP64", "weight_kg": "FP64", "carrier": "BYTES", "is_fragile": "BOOL"}
    row = {**ROW, "distance_km": far}
    return [{"name": name, "shape": [1], "datatype": kind, "data": [row[name]]} for name, kind in kinds.items()]
