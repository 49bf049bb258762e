"""Has tensors predicted."""

from collections.abc import Mapping
from typing import Any

from studio.backends.stores import Stores
from studio.domain.versions import version_number_of
from studio.inference_protocol.service.tensors import read_tensors, write_outputs
from studio.models import service as models
from studio.predictions import service as predictions


def infer(
    stores: Stores, model_id: str, request: Mapping[str, Any], *, version_id: str | None = None
) -> tuple[dict[str, Any], predictions.Predicted]:
    """Predict the rows of a request.

    Args:
        stores: Open stores.
        model_id: Id of the model.
        request: A request of the protocol, of the right shape.
        version_id: Ask a deployment that serves this version; None: by the deployments' shares of the traffic.

    Returns:
        The answer in the protocol's words, and what was predicted.

    Raises:
        StudioError: As ``predictions.predict_rows`` raises.
    """
    found = predictions.predict_rows(
        stores, model_id, lambda schema: read_tensors(request["inputs"], schema), version_id=version_id
    )
    wanted = [output["name"] for output in request["outputs"]] if request.get("outputs") else None
    answer = {
        "model_name": models.get_model(stores, model_id).name,
        "model_version": str(version_number_of(found.version_id)),
        "outputs": write_outputs(found, wanted),
    }
    if "id" in request:
        answer["id"] = request["id"]
    return answer, found
