"""What the protocol asks for."""

from studio.inference_protocol.service.describing import (
    Metadata,
    Readiness,
    find_model_id,
    get_metadata,
    get_readiness,
    read_version,
)
from studio.inference_protocol.service.inferring import infer

__all__ = ["Metadata", "Readiness", "find_model_id", "get_metadata", "get_readiness", "infer", "read_version"]
