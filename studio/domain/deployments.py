"""What of a model is served, and how."""

import enum
from dataclasses import dataclass
from datetime import datetime


class DeploymentStatus(enum.StrEnum):
    STARTING = "starting"
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    FAILED = "failed"
    STOPPED = "stopped"


ACTIVE = (DeploymentStatus.STARTING, DeploymentStatus.HEALTHY, DeploymentStatus.DEGRADED)


class Strategy(enum.StrEnum):
    """Which part of the traffic a deployment gets."""

    DIRECT = "direct"
    CANARY = "canary"
    SHADOW = "shadow"


@dataclass(frozen=True)
class TrafficRule:
    """How a strategy may be used.

    Attributes:
        default: Percent of the traffic where nothing else is said.
        least: Least percent that can be asked for.
        most: Most percent that can be asked for.
        at_once: Most active deployments of the strategy per model.
        default_name: What they are called where nothing else is said.
    """

    default: int
    least: int
    most: int
    at_once: int
    default_name: str


TRAFFIC_RULES = {
    Strategy.DIRECT: TrafficRule(default=100, least=100, most=100, at_once=1, default_name="live"),
    Strategy.CANARY: TrafficRule(default=10, least=1, most=99, at_once=1, default_name="canary"),
    Strategy.SHADOW: TrafficRule(default=100, least=1, most=100, at_once=3, default_name="shadow"),
}


@dataclass(frozen=True)
class AutoRollback:
    """What a deployment must not exceed over five minutes and at least 100 requests; None: no limit.

    Attributes:
        max_error_rate: Share of requests that fail, 0..1.
        max_p99_ms: Milliseconds within which 99 of 100 requests must be answered.
        max_drift: PSI of what is asked for against what the version was trained on.
    """

    max_error_rate: float | None = None
    max_p99_ms: float | None = None
    max_drift: float | None = None


@dataclass(frozen=True)
class Deployment:
    """One deployment of a model.

    Attributes:
        status_message: What is in the way, or why it is as it is; None where there is nothing to say.
        version_id: The version served now; while it starts, the one it is to serve.
        follows_promoted: Whether it goes with every promotion.
        traffic_percent: Share of the traffic it answers, or of which a shadow gets a copy.
        replicas: Processes that answer.
        created_by: User id.
    """

    id: str
    model_id: str
    name: str
    status: DeploymentStatus
    status_message: str | None
    version_id: str
    follows_promoted: bool
    strategy: Strategy
    traffic_percent: int
    replicas: int
    auto_rollback: AutoRollback
    created_at: datetime
    created_by: str
    updated_at: datetime

    @property
    def url(self) -> str:
        """Path that predicts on this deployment."""
        return f"/api/v1/models/{self.model_id}/deployments/{self.id}/predict"
