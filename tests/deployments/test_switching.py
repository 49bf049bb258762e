"""Versions change under traffic, and processes end, and no request fails for it."""

import contextlib
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from studio.deployments import service as deployments
from studio.domain.actors import system_actor
from studio.errors import BackendDown
from studio.runtime import Runtime
from studio.versions import service as versions
from tests.deployments.factories import ROW, add_telling_version, ask, deploy, is_served, look, told_by

CALLERS = 6


@contextlib.contextmanager
def hammered(config, clock, model):
    """Callers in two processes' places that ask all the time; gives their answers, and raises what they met."""
    stop, answers = threading.Event(), []

    def call(runtime):
        while not stop.is_set():
            with runtime.open_stores(system_actor("acme"), write=False) as stores:
                answers.append(deployments.predict(stores, model.id, [ROW]))

    with contextlib.ExitStack() as ending:
        runtimes = [Runtime(config, clock=clock) for _ in range(2)]
        for runtime in runtimes:
            ending.callback(runtime.database.close)
            ending.callback(runtime.hosts.close)
        with ThreadPoolExecutor(CALLERS) as pool:
            calls = [pool.submit(call, runtimes[number % 2]) for number in range(CALLERS)]
            try:
                yield answers
            finally:
                stop.set()
            for one in calls:
                one.result(60)


def hosts_of(tending):
    """Process ids of the hosts that are ready."""
    return [host.pid for host in list(tending.supervisor._hosts.values()) if host.pid is not None]


def test_versions_change_under_traffic(config, clock, open_stores, tending, telling_model):
    made = deploy(open_stores, telling_model, replicas=2)
    tending.until(is_served(open_stores, made))
    for _ in range(2):
        add_telling_version(open_stores, telling_model)
    with hammered(config, clock, telling_model) as answers:
        for version_id in ("ver-002", "ver-003", "ver-001"):
            with open_stores() as stores:
                versions.promote_version(stores, telling_model.id, version_id)
            tending.until(is_served(open_stores, made, version_id))
            tending.until(lambda version_id=version_id: answers[-1].version_id == version_id)
        with open_stores() as stores:
            deployments.update_deployment(stores, telling_model.id, made.id, {"version_id": "ver-002", "replicas": 1})
        tending.until(is_served(open_stores, made, "ver-002"))
        with open_stores() as stores:
            deployments.rollback_deployment(stores, telling_model.id, made.id)
        tending.until(is_served(open_stores, made, "ver-001"))
        tending.until(lambda: len(hosts_of(tending)) == 1)  # the old ones have ended
    assert all(told_by(answer) == answer.version_id for answer in answers)
    assert {answer.version_id for answer in answers} == {"ver-001", "ver-002", "ver-003"}


def test_a_canary_is_promoted_under_traffic(config, clock, open_stores, tending, telling_model):
    made = deploy(open_stores, telling_model)
    add_telling_version(open_stores, telling_model)
    canary = deploy(open_stores, telling_model, strategy="canary", version_id="ver-002", traffic_percent=50)
    tending.until(is_served(open_stores, made))
    tending.until(is_served(open_stores, canary))
    with hammered(config, clock, telling_model) as answers:
        tending.until(lambda: {answer.version_id for answer in answers} == {"ver-001", "ver-002"})
        with open_stores() as stores:
            deployments.promote_canary(stores, telling_model.id, canary.id)
        tending.until(lambda: len(hosts_of(tending)) == 1)
    assert all(told_by(answer) == answer.version_id for answer in answers)
    assert answers[-1].deployment_id == canary.id


def test_killed_hosts_are_replaced_and_fail_nobody(config, clock, open_stores, tending, telling_model):
    made = deploy(open_stores, telling_model, replicas=2)
    tending.until(is_served(open_stores, made))
    with hammered(config, clock, telling_model) as answers:
        for _ in range(3):
            killed = hosts_of(tending)[0]
            os.kill(killed, signal.SIGKILL)
            tending.until(lambda killed=killed: killed not in hosts_of(tending) and len(hosts_of(tending)) == 2)
            seen = len(answers)
            tending.until(lambda seen=seen: len(answers) > seen + 20)
    tending.until(is_served(open_stores, made))


def test_a_host_that_is_gone_shows(open_stores, tending, telling_model):
    made = deploy(open_stores, telling_model)
    tending.until(is_served(open_stores, made))
    os.kill(hosts_of(tending)[0], signal.SIGSTOP)
    os.kill(hosts_of(tending)[0], signal.SIGKILL)
    shown = tending.until(lambda: (found := look(open_stores, made)).status == "degraded" and found)
    assert "1 of 1 replicas of ver-001 do not answer" in shown.status_message
    assert tending.until(is_served(open_stores, made)).status_message is None


def test_deployments_come_back_with_the_worker(clock, open_stores, tending, telling_model):
    made = deploy(open_stores, telling_model, replicas=2)
    tending.until(is_served(open_stores, made))
    ask(open_stores, telling_model)

    tending.end()
    clock.advance(seconds=30)
    shown = look(open_stores, made)
    assert (shown.status, shown.status_message.startswith("No worker is running")) == ("degraded", True)
    with pytest.raises(BackendDown) as caught:
        ask(open_stores, telling_model, timeout_s=1.0)
    assert caught.value.retry_after_s >= 1

    tending.begin()
    assert told_by(ask(open_stores, telling_model)) == "ver-001"
    tending.until(is_served(open_stores, made, "ver-001"))


def test_hosts_sleep_where_memory_is_short_and_wake_when_asked(open_stores, tend, telling_model):
    add_telling_version(open_stores, telling_model)
    tending = tend(max_memory_bytes=1)  # each weighs more: one at a time is left
    made = deploy(open_stores, telling_model)
    tending.until(is_served(open_stores, made))
    shadow = deploy(open_stores, telling_model, strategy="shadow", version_id="ver-002")
    tending.until(is_served(open_stores, shadow))
    tending.until(lambda: len(hosts_of(tending)) == 1)
    for deployment, told in ((made, "ver-001"), (shadow, "ver-002"), (made, "ver-001")):
        assert told_by(ask(open_stores, telling_model, deployment_id=deployment.id)) == told
        assert look(open_stores, deployment).status == "healthy"
        tending.until(lambda: len(hosts_of(tending)) == 1)


def test_files_that_were_changed_are_not_served_after_a_restart(runtime, open_stores, tending, telling_model):
    made = deploy(open_stores, telling_model)
    tending.until(is_served(open_stores, made))
    with open_stores(write=False) as stores:
        folder = stores.registry.storage_address(telling_model.name, 1)
    with open(f"{folder}/model.pkl", "ab") as file:
        file.write(b"more")
    assert told_by(ask(open_stores, telling_model)) == "ver-001"  # loaded before

    tending.end()
    tending.begin()
    shown = tending.until(
        lambda: "ModelFilesChanged" in ((found := look(open_stores, made)).status_message or "") and found
    )
    assert shown.status == "degraded"
