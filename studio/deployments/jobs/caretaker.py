"""Brings about what is wanted of deployments: their hosts, the version each serves, and what is told of them."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import select

from studio.backends.mlflow.loading import DEPLOYED_LOADER
from studio.backends.serving.port import HostPhase, HostState, Wish
from studio.backends.stores import OpenFor
from studio.clock import Clock
from studio.db.session import Database
from studio.deployments.service.routing import host_keys
from studio.deployments.tables import DeploymentRow
from studio.domain.actors import system_actor
from studio.domain.deployments import ACTIVE, DeploymentStatus, Strategy
from studio.domain.versions import VersionStatus, version_id_of, version_number_of
from studio.errors import BadKey, FileMissing, NotFound, VersionNotReady
from studio.models import service as models
from studio.versions import service as versions

logger = logging.getLogger(__name__)

LINGER_S = 2.0  # processes of the API may know the old hosts for a second
LOOK_AGAIN_S = 10.0  # for a version that could not be served
HISTORY = 20
LOADING = HostState(HostPhase.STARTING)


class Hosts(Protocol):
    """What keeps hosts alive; see HostSupervisor."""

    def want(self, wishes: Iterable[Wish]) -> None: ...

    @property
    def states(self) -> Mapping[str, HostState]: ...


@dataclass(frozen=True)
class _Source:
    """Where a version's model lies, as arguments of its loader, or why it cannot be served; neither is known while
    MLflow does not answer.
    """

    args: Mapping[str, Any] | None
    fault: str | None
    looked_at: float


@dataclass(frozen=True)
class _Verdict:
    """What a round found of a deployment.

    Attributes:
        switches: Whether it now serves the target.
        status: What it is in.
        message: What is in the way, None where nothing is.
    """

    switches: bool
    status: DeploymentStatus
    message: str | None


class Caretaker:
    """Looks after every active deployment, one round after the other; nothing is lost when a round fails."""

    def __init__(
        self,
        database: Database,
        open_stores: OpenFor,
        hosts: Hosts,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            database: Own tables.
            open_stores: Opens stores of an organization.
            hosts: Keeps the processes.
            clock: The time.
            monotonic: Seconds of a clock that never goes back.
        """
        self._database, self._open_stores, self._hosts = database, open_stores, hosts
        self._clock, self._monotonic = clock, monotonic
        self._sources: dict[tuple[str, int], _Source] = {}
        self._lingering: dict[str, tuple[Wish, float]] = {}
        self._wished: dict[str, Wish] = {}

    def step(self) -> None:
        """One round: wish for the hosts that are needed, and write down what has changed."""
        with self._database.transaction(write=False) as db:
            rows = list(db.scalars(select(DeploymentRow).where(DeploymentRow.status.in_(ACTIVE))))
            promoted = models.find_promotions(db, {row.model_id for row in rows if row.follows_promoted})
        states = self._hosts.states
        wishes: dict[str, Wish] = {}
        for row in rows:
            target = _target_of(row, promoted.get(row.model_id))
            if row.served_since is not None:
                wishes |= self._wishes_for(row, row.version, may_sleep=True)
            if target != row.version or row.served_since is None:
                wishes |= self._wishes_for(row, target, may_sleep=False)
        self._wish(wishes)
        for row in rows:
            target = _target_of(row, promoted.get(row.model_id))
            verdict = self._judge(row, target, states)
            if verdict.switches or (verdict.status, verdict.message) != (row.status, row.message):
                self._write(row, target, verdict)
        known = {(row.model_id, number) for row in rows for number in self._versions_of(row, promoted)}
        self._sources = {key: source for key, source in self._sources.items() if key in known}

    def _versions_of(self, row: DeploymentRow, promoted: Mapping[str, str | None]) -> set[int]:
        return {row.version, _target_of(row, promoted.get(row.model_id))}

    def _wish(self, wishes: dict[str, Wish]) -> None:
        """Wish for these hosts, and for a while for those that were needed until now."""
        now = self._monotonic()
        for key, wish in self._wished.items():
            if key not in wishes:
                self._lingering.setdefault(key, (wish, now + LINGER_S))
        self._lingering = {
            key: (wish, until) for key, (wish, until) in self._lingering.items() if key not in wishes and until > now
        }
        self._wished = wishes
        self._hosts.want([*wishes.values(), *(wish for wish, _ in self._lingering.values())])

    def _wishes_for(self, row: DeploymentRow, number: int, *, may_sleep: bool) -> dict[str, Wish]:
        source = self._find_source(row, number)
        if source.args is None:
            return {}
        source_word = "shadow" if row.strategy == Strategy.SHADOW else "deployment"  # for life, unlike the strategy
        about = {"organization": row.organization, "model_id": row.model_id, "deployment_id": row.id}
        about |= {"version_id": version_id_of(number), "source": source_word}
        keys = host_keys(row.id, number, row.replicas)
        return {key: Wish(key, DEPLOYED_LOADER, source.args, about, may_sleep) for key in keys}

    def _find_source(self, row: DeploymentRow, number: int) -> _Source:
        key, now = (row.model_id, number), self._monotonic()
        source = self._sources.get(key)
        if source is None or (source.args is None and now - source.looked_at > LOOK_AGAIN_S):
            source = self._sources[key] = self._look_up(row, number, now)
        return source

    def _look_up(self, row: DeploymentRow, number: int, now: float) -> _Source:
        try:
            with self._open_stores(system_actor(row.organization), write=False) as stores:
                version = versions.find_version(stores, row.model_id, version_id_of(number))
                if version.status is not VersionStatus.READY:
                    raise VersionNotReady(version.id, version.status)
                name = models.get_model(stores, row.model_id).name
                address = stores.registry.storage_address(name, number)
                sample = versions.find_sample(stores, version)
        except (NotFound, VersionNotReady) as error:
            return _Source(None, str(error), now)
        except (BadKey, FileMissing):  # an MLflow client may register a version of nothing
            return _Source(None, f"Version {version_id_of(number)} has no model folder.", now)
        except Exception:  # one deployment's trouble must not keep the others waiting
            logger.exception("a version could not be looked up", extra={"deployment_id": row.id, "version": number})
            return _Source(None, None, now)
        return _Source({"address": address, "digest": version.digest, "sample_address": sample}, None, now)

    def _judge(self, row: DeploymentRow, target: int, states: Mapping[str, HostState]) -> _Verdict:
        served_fault = None
        if row.served_since is not None:
            served_fault = self._fault_of(row, row.version, states)
            if target == row.version:
                return _Verdict(False, *_status(served_fault))
        of_target = [states.get(key, LOADING) for key in host_keys(row.id, target, row.replicas)]
        fault = self._find_source(row, target).fault or next(
            (state.message for state in of_target if state.phase is HostPhase.FAILED), None
        )
        if fault is None and all(state.is_usable for state in of_target):
            return _Verdict(True, DeploymentStatus.HEALTHY, None)
        if row.served_since is None and fault is not None:
            return _Verdict(False, DeploymentStatus.FAILED, f"{version_id_of(target)} cannot be served: {fault}")
        if row.served_since is None:
            return _Verdict(False, DeploymentStatus.STARTING, None)
        if fault is not None:
            served_fault = f"{version_id_of(target)} cannot be served, {version_id_of(row.version)} still is: {fault}"
        return _Verdict(False, *_status(served_fault))

    def _fault_of(self, row: DeploymentRow, number: int, states: Mapping[str, HostState]) -> str | None:
        """What is wrong with the hosts of a version that is served."""
        fault = self._find_source(row, number).fault
        if fault is not None:
            return fault
        missing = [
            state
            for state in (states.get(key, LOADING) for key in host_keys(row.id, number, row.replicas))
            if not state.is_usable
        ]
        if not missing:
            return None
        reason = next((state.message for state in missing if state.message), "it is being loaded")
        return f"{len(missing)} of {row.replicas} replicas of {version_id_of(number)} do not answer: {reason}"

    def _write(self, seen: DeploymentRow, target: int, verdict: _Verdict) -> None:
        """Write down what was found, unless something else was wanted meanwhile."""
        with self._database.transaction(write=True) as db:
            row = db.get(DeploymentRow, seen.id, with_for_update=True, populate_existing=True)
            if row is None or row.revision != seen.revision or row.status not in ACTIVE:
                return
            if verdict.switches:
                if row.served_since is not None:
                    row.history = [*row.history, row.version][-HISTORY:]
                row.version, row.wanted_version, row.served_since = target, target, self._clock()
            row.status, row.message = str(verdict.status), verdict.message
            row.updated_at = max(self._clock(), row.updated_at)
        facts = {"deployment_id": seen.id, "status": str(verdict.status), "version_id": version_id_of(target)}
        logger.info("deployment %s", "switched" if verdict.switches else "changed", extra=facts)


def _target_of(row: DeploymentRow, promoted: str | None) -> int:
    """Number of the version that a deployment is to serve."""
    number = version_number_of(promoted) if promoted is not None and row.follows_promoted else None
    return row.wanted_version if number is None else number


def _status(fault: str | None) -> tuple[DeploymentStatus, str | None]:
    return (DeploymentStatus.HEALTHY if fault is None else DeploymentStatus.DEGRADED), fault
