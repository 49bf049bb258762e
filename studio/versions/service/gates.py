"""Whether a version is good enough to be promoted."""

from dataclasses import asdict

from studio.domain.versions import Gate, GateCheck, ModelVersion
from studio.errors import GateFailed, UnknownMetric
from studio.evaluation.metrics import difference, direction_of


def check_gate(gate: Gate, version: ModelVersion, promoted: ModelVersion | None) -> None:
    """Refuse a version that misses its gate.

    Args:
        gate: What it must reach.
        version: The version to promote.
        promoted: The version it would replace; None where there is none, and it has no gain to show.

    Raises:
        UnknownMetric: The version has no such test metric.
        GateFailed: A condition is not met; ``details`` carry every check.
    """
    value = version.metrics.get(gate.metric)
    if value is None:
        raise UnknownMetric(
            f"Version {version.id} has no test metric {gate.metric!r}.",
            fields=[("/gate/metric", f"must be one of {', '.join(sorted(version.metrics)) or 'none'}")],
        )
    checks = _look_at(gate, value, promoted)
    failed = [check.check for check in checks if not check.passed]
    if failed:
        raise GateFailed(
            f"Version {version.id} misses {' and '.join(failed)} of {gate.metric}.",
            checks=[asdict(check) for check in checks],
        )


def _look_at(gate: Gate, value: float, promoted: ModelVersion | None) -> list[GateCheck]:
    sign = 1 if direction_of(gate.metric) == "max" else -1
    checks = []
    if gate.min_value is not None:
        passed = sign * value >= sign * gate.min_value
        checks.append(GateCheck("min_value", gate.metric, gate.min_value, value, passed))
    if gate.min_improvement_over_promoted is not None:
        required = gate.min_improvement_over_promoted
        gain = None if promoted is None else _gain(sign, value, promoted.metrics.get(gate.metric))
        passed = promoted is None or (gain is not None and gain >= required)
        checks.append(GateCheck("min_improvement_over_promoted", gate.metric, required, gain, passed))
    return checks


def _gain(sign: int, value: float, held: float | None) -> float | None:
    if held is None:
        return None
    return difference(value, held) if sign > 0 else difference(held, value)
