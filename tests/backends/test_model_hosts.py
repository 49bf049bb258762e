"""Models are asked in processes of their own: everyone gets his own answer, and nobody waits for what is gone."""

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest
import zmq

from studio.backends.execution.local_processes import LocalProcesses
from studio.backends.serving import host as host_module
from studio.backends.serving import supervisor as supervisor_module
from studio.backends.serving.called_model import CalledModel
from studio.backends.serving.frames import FrameServer, connect
from studio.backends.serving.local_hosts import LocalHosts
from studio.backends.serving.supervisor import HostSupervisor
from studio.config import BadConfig
from studio.errors import BackendDown, InvalidInputs, Overloaded, PredictionFailed
from tests.backends.toy_models import LOADERS, load_factor
from tests.waiting import is_readable

PATIENCE_S = 60


def framed(request: bytes) -> bytes:
    """A request as it goes over the socket."""
    return len(request).to_bytes(4, "big") + request


def answer_on(connection: socket.socket) -> dict:
    """The next answer on a connection."""
    with connection.makefile("rb", buffering=0) as file:
        length = int.from_bytes(file.read(4), "big")
        body = b""
        while len(body) < length:
            body += file.read(length - len(body))
    return orjson.loads(body)


@pytest.fixture(scope="module")
def executor() -> Iterator[LocalProcesses]:
    made = LocalProcesses(
        environment=dict(os.environ),
        preload=["pandas", "sklearn.pipeline", "sklearn.impute", "sklearn.linear_model", "sklearn.tree"],
    )
    yield made
    made.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="st-", dir="/tmp"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def serve(executor: LocalProcesses, folder: Path):
    """Starts the supervisor, with options of the test, and returns what asks its hosts."""
    with contextlib.ExitStack() as ending:

        def start(**options: object) -> LocalHosts:
            supervisor = HostSupervisor(executor, folder, **options)
            ending.callback(supervisor.close)
            supervisor.start()
            hosts = LocalHosts(folder)
            ending.callback(hosts.close)
            return hosts

        yield start


@pytest.fixture
def pipes(tmp_path: Path) -> dict[str, str]:
    paths = {name: str(tmp_path / name) for name in ("arrived", "go")}
    for path in paths.values():
        os.mkfifo(path)
    return paths


def ask(
    hosts: LocalHosts, loader: str, args: dict | None = None, xs: tuple = (1.0,), key: str = "", timeout_s=PATIENCE_S
):
    rows = [{"x": x} for x in xs]
    return hosts.predict(key or loader, f"{LOADERS}:{loader}", args or {}, rows, timeout_s=timeout_s)


def assert_ends(pid: int) -> None:
    try:
        life = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    assert is_readable(life, PATIENCE_S), f"process {pid} lives on"
    os.close(life)


def test_a_classifier_answers_with_labels_and_probabilities(serve) -> None:
    hosts = serve()
    rows = [{"carrier": "slow"}, {"carrier": "fast"}, {"carrier": None}]
    answer = hosts.predict("c", f"{LOADERS}:load_carriers", {}, rows, timeout_s=PATIENCE_S)
    assert answer.predictions[:2] == ["late", "on_time"]
    assert answer.probabilities[:2] == [{"late": 1.0, "on_time": 0.0}, {"late": 0.0, "on_time": 1.0}]
    assert len(answer.predictions) == 3
    assert answer.predict_ms > 0


def test_a_model_without_probabilities_has_none_and_takes_missing_values(serve) -> None:
    answer = ask(serve(), "load_factor", {"factor": 2.0}, (3.0, None))
    assert answer.probabilities is None
    assert answer.predictions == pytest.approx([6.0, 2.0])


def test_everyone_gets_his_own_rows(serve) -> None:
    hosts = serve()

    def call(number: int) -> None:
        factor = 2.0 + number % 2
        xs = tuple(number * 100 + step for step in range(1 + number % 7))
        answer = ask(hosts, "load_factor", {"factor": factor}, xs, key=f"factor-{factor}")
        assert answer.predictions == pytest.approx([factor * x for x in xs])

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(call, range(400)))


def test_what_waits_is_predicted_together_and_answered_apart(serve, pipes: dict[str, str]) -> None:
    hosts = serve()
    answers: dict[float, list] = {}

    def call(x: float) -> None:
        answers[x] = ask(hosts, "load_blocking", pipes, (x,)).predictions

    first = threading.Thread(target=call, args=(1.0,))
    first.start()
    Path(pipes["arrived"]).read_text()
    (known,) = hosts._links().hosts.values()
    requests = [orjson.dumps({"op": "predict", "rows": [{"x": number}], "deadline": 1e12}) for number in range(5)]
    others = [connect(known._address, PATIENCE_S) for _ in requests]
    for other, request in zip(others, requests, strict=True):
        other.sendall(framed(request))
    Path(pipes["go"]).write_text("go")
    counts = [int(Path(pipes["arrived"]).read_text().split()[1])]
    Path(pipes["go"]).write_text("go")
    while sum(counts) < 5:  # the connections may come up one after the other
        counts.append(int(Path(pipes["arrived"]).read_text().split()[1]))
        Path(pipes["go"]).write_text("go")
    for number, other in enumerate(others):
        assert answer_on(other)["predictions"] == [number * 10]
        other.close()
    first.join()
    assert answers == {1.0: [10.0]}


def test_rows_that_fail_fail_only_their_caller(serve) -> None:
    hosts = serve()

    def call(number: int) -> object:
        x = -number if number % 3 == 0 else number
        try:
            return ask(hosts, "load_touchy", xs=(float(x),)).predictions
        except PredictionFailed as error:
            return str(error)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(call, range(1, 60)))
    for number, answer in enumerate(answers, start=1):
        assert answer == (
            [number * 10.0] if number % 3 else f"The model could not predict: ValueError: cannot take -{number}.0"
        )


def test_a_host_survives_a_model_that_raises(serve) -> None:
    hosts = serve()
    ask(hosts, "load_touchy")
    before = {key: known.pid for key, known in hosts._links().hosts.items()}
    with pytest.raises(PredictionFailed, match="cannot take"):
        ask(hosts, "load_touchy", xs=(-1.0,))
    assert ask(hosts, "load_touchy").predictions == [10.0]
    assert {key: known.pid for key, known in hosts._links().hosts.items()} == before


def test_a_killed_host_is_replaced_at_the_next_call(serve) -> None:
    hosts = serve()
    (before,) = ask(hosts, "load_process").predictions
    os.kill(before, signal.SIGKILL)
    assert_ends(before)
    with ThreadPoolExecutor(8) as pool:
        after = {answer.predictions[0] for answer in pool.map(lambda _: ask(hosts, "load_process"), range(24))}
    assert len(after) == 1
    assert before not in after


def test_a_host_killed_while_it_predicts_is_replaced(serve, pipes: dict[str, str]) -> None:
    hosts = serve()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, hosts, "load_blocking", pipes, (4.0,))
        pid, _ = Path(pipes["arrived"]).read_text().split()
        os.kill(int(pid), signal.SIGKILL)
        again, _ = Path(pipes["arrived"]).read_text().split()
        Path(pipes["go"]).write_text("go")
        assert call.result(PATIENCE_S).predictions == [40.0]
    assert again != pid


def test_a_model_that_kills_its_host_is_told(serve) -> None:
    hosts = serve()
    with pytest.raises(BackendDown) as caught:
        ask(hosts, "load_mortal")
    assert caught.value.retry_after_s >= 1
    assert ask(hosts, "load_process").predictions


def test_a_model_that_cannot_be_loaded_is_told_to_all_who_wait(serve) -> None:
    hosts = serve()

    def call(_: int) -> str:
        with pytest.raises(PredictionFailed) as caught:
            ask(hosts, "load_broken", {"secret": "hush"})
        return str(caught.value)

    with ThreadPoolExecutor(6) as pool:
        said = set(pool.map(call, range(6)))
    assert said == {"The model could not be loaded: FileNotFoundError: no such model"}


def test_a_loader_that_ends_its_process_or_does_not_exist_is_told(serve) -> None:
    hosts = serve()
    with pytest.raises(PredictionFailed, match="exit code 9"):
        ask(hosts, "load_crashing")
    with pytest.raises(PredictionFailed, match="AttributeError"):
        ask(hosts, "load_nothing")


def test_a_failed_load_is_tried_again_later(serve, monkeypatch: pytest.MonkeyPatch, pipes: dict[str, str]) -> None:
    now = [1000.0]
    hosts = serve(clock=lambda: now[0])
    for _ in range(2):
        with pytest.raises(PredictionFailed, match="exit code"):
            ask(hosts, "load_crashing", key="k")
    with pytest.raises(PredictionFailed, match="exit code"):
        ask(hosts, "load_process", key="k")  # the failure is remembered, so that calls do not start hosts in a row
    now[0] += supervisor_module.FAILURE_KEPT_S + 1
    assert ask(hosts, "load_process", key="k").predictions


def test_callers_share_one_start(serve) -> None:
    hosts = serve()
    with ThreadPoolExecutor(12) as pool:
        pids = {answer.predictions[0] for answer in pool.map(lambda _: ask(hosts, "load_process"), range(12))}
    assert len(pids) == 1


def test_a_slow_start_holds_up_nobody_else(serve, pipes: dict[str, str]) -> None:
    hosts = serve()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(ask, hosts, "load_waiting", pipes)
        Path(pipes["arrived"]).read_text()
        assert ask(hosts, "load_process").predictions
        with pytest.raises(BackendDown, match="being loaded"):
            ask(hosts, "load_waiting", pipes, timeout_s=0.2)
        assert not slow.done()
        Path(pipes["go"]).write_text("go")
        assert slow.result(PATIENCE_S).predictions


def test_a_load_that_takes_too_long_is_given_up(serve, pipes: dict[str, str]) -> None:
    hosts = serve(start_timeout_s=0.5)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, hosts, "load_waiting", pipes)
        pid = int(Path(pipes["arrived"]).read_text())
        with pytest.raises(PredictionFailed, match="not loaded within"):
            call.result(PATIENCE_S)
    assert_ends(pid)


def test_a_late_answer_is_nobodys(serve, pipes: dict[str, str]) -> None:
    hosts = serve()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, hosts, "load_blocking", pipes, (1.0,))
        Path(pipes["arrived"]).read_text()
        Path(pipes["go"]).write_text("go")
        assert call.result(PATIENCE_S).predictions == [10.0]
        call = pool.submit(ask, hosts, "load_blocking", pipes, (2.0,), timeout_s=2.0)
        Path(pipes["arrived"]).read_text()
        with pytest.raises(Overloaded) as caught:
            call.result(PATIENCE_S)
        assert caught.value.retry_after_s == 1
        Path(pipes["go"]).write_text("go")
        call = pool.submit(ask, hosts, "load_blocking", pipes, (3.0,))
        Path(pipes["arrived"]).read_text()
        Path(pipes["go"]).write_text("go")
        assert call.result(PATIENCE_S).predictions == [30.0]


def test_a_request_nobody_waits_for_is_not_predicted(serve, pipes: dict[str, str]) -> None:
    hosts = serve()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, hosts, "load_blocking", pipes, (1.0,))
        Path(pipes["arrived"]).read_text()
        with pytest.raises(Overloaded):
            ask(hosts, "load_blocking", pipes, (2.0,), timeout_s=0.2)
        Path(pipes["go"]).write_text("go")
        assert call.result(PATIENCE_S).predictions == [10.0]
        call = pool.submit(ask, hosts, "load_blocking", pipes, (3.0, 4.0))
        assert Path(pipes["arrived"]).read_text().split()[1] == "2"
        Path(pipes["go"]).write_text("go")
        assert call.result(PATIENCE_S).predictions == [30.0, 40.0]


def test_more_than_can_wait_is_refused_at_once(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # the host is no process of its own here
    context = zmq.Context()
    server = FrameServer(folder / "h.sock")
    caller = connect(str(folder / "h.sock"), PATIENCE_S)
    try:
        host = host_module.Host(CalledModel(load_factor(10.0)), server, context.socket(zmq.DEALER))
        expired = orjson.dumps({"op": "predict", "rows": [{"x": 1}], "deadline": 0})
        in_time = orjson.dumps({"op": "predict", "rows": [{"x": 1}], "deadline": 1e12})
        caller.sendall(b"".join(map(framed, [in_time, *[expired] * (host_module.MAX_WAITING + 39)])))
        host.answer_waiting()
        answers = [answer_on(caller) for _ in range(41)]
        assert not is_readable(caller.fileno(), 0)
    finally:
        caller.close()
        server.close()
        context.destroy(linger=0)
    assert [answer.get("error") for answer in answers] == ["overloaded"] * 40 + [None]
    assert answers[-1]["predictions"] == [10.0]


def test_the_least_used_host_goes_for_a_new_one(serve) -> None:
    hosts = serve(max_hosts=2)
    (first,) = ask(hosts, "load_process", key="a").predictions
    (second,) = ask(hosts, "load_process", key="b").predictions
    (third,) = ask(hosts, "load_process", key="c").predictions
    assert_ends(first)
    assert ask(hosts, "load_process", key="b").predictions == [second]
    assert ask(hosts, "load_process", key="c").predictions == [third]
    assert ask(hosts, "load_process", key="a").predictions != [first]


def test_a_host_that_has_to_go_answers_first(serve, pipes: dict[str, str]) -> None:
    hosts = serve(max_hosts=1)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, hosts, "load_blocking", pipes, (1.0,))
        pid = int(Path(pipes["arrived"]).read_text().split()[0])
        assert ask(hosts, "load_process").predictions
        Path(pipes["go"]).write_text("go")
        assert call.result(PATIENCE_S).predictions == [10.0]
    assert_ends(pid)


def test_hosts_that_are_all_being_started_leave_no_room(serve, pipes: dict[str, str]) -> None:
    hosts = serve(max_hosts=1)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, hosts, "load_waiting", pipes)
        Path(pipes["arrived"]).read_text()
        with pytest.raises(Overloaded):
            ask(hosts, "load_process")
        Path(pipes["go"]).write_text("go")
        assert call.result(PATIENCE_S).predictions


def test_too_much_memory_sends_the_least_used_host_away(serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "WEIGH_EVERY_S", 0.0)
    hosts = serve(max_memory_bytes=300 << 20)
    (first,) = ask(hosts, "load_heavy", {"size_bytes": 200 << 20}, key="a").predictions
    (second,) = ask(hosts, "load_heavy", {"size_bytes": 200 << 20}, key="b").predictions
    assert_ends(first)
    assert ask(hosts, "load_heavy", key="b").predictions == [second]


def test_a_host_nobody_asks_ends_and_comes_back(serve) -> None:
    hosts = serve(idle_s=0.3)
    (before,) = ask(hosts, "load_process").predictions
    assert_ends(before)
    assert ask(hosts, "load_process").predictions != [before]


def test_without_a_worker_a_call_fails_soon(folder: Path) -> None:
    with pytest.raises(BackendDown, match="worker"):
        ask(LocalHosts(folder), "load_process", timeout_s=0.3)


@pytest.mark.slow
def test_nothing_survives_a_worker_that_is_killed(folder: Path, pipes: dict[str, str]) -> None:
    story = [sys.executable, "-m", "tests.backends.serving_story", str(folder), pipes["arrived"]]
    with subprocess.Popen(story) as worker:
        life = os.pidfd_open(int(Path(pipes["arrived"]).read_text()))
        worker.send_signal(signal.SIGKILL)
        assert is_readable(life, PATIENCE_S), "a host lives on"
        os.close(life)


@pytest.mark.slow
def test_a_new_worker_takes_over_after_one_that_was_killed(serve, folder: Path, pipes: dict[str, str]) -> None:
    story = [sys.executable, "-m", "tests.backends.serving_story", str(folder), pipes["arrived"]]
    with subprocess.Popen(story) as worker:
        Path(pipes["arrived"]).read_text()
        hosts = LocalHosts(folder)
        (before,) = ask(hosts, "load_process").predictions
        worker.send_signal(signal.SIGKILL)
        assert_ends(before)
    assert serve() is not None
    assert ask(hosts, "load_process").predictions != [before]
    hosts.close()


def test_a_forked_process_asks_with_connections_of_its_own(serve) -> None:
    hosts = serve()
    (pid,) = ask(hosts, "load_process").predictions
    child = os.fork()
    if child == 0:
        same = ask(hosts, "load_process").predictions == [pid]
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ask(hosts, "load_process").predictions == [pid]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("missing", [1.5, None, None]),
        ("texts", ["a", None, "ü"]),
        ("dates", ["2026-01-02T00:00:00", None, "2026-01-03T04:05:06"]),
        ("aware", ["2026-01-02T00:00:00+00:00", None, None]),
        ("scalars", [7, 0.5, True]),
        ("mixed", ["a", 1, None]),
        ("table", [[1, 2], [3, 4], [5, 6]]),
        ("frame", [{"mean": 1.0}, {"mean": 2.0}, {"mean": None}]),
    ],
)
def test_odd_predictions_become_plain(serve, kind: str, expected: list) -> None:
    assert ask(serve(), "load_odd", {"kind": kind}, (1.0, 2.0, 3.0)).predictions == expected


@pytest.mark.parametrize(("kind", "message"), [("short", "1 predictions for 3 rows"), ("half", "surrogates")])
def test_predictions_that_cannot_be_passed_on_are_a_fault_of_the_model(serve, kind: str, message: str) -> None:
    hosts = serve()
    with pytest.raises(PredictionFailed, match=message):
        ask(hosts, "load_odd", {"kind": kind}, (1.0, 2.0, 3.0), key="odd")


def test_a_value_that_cannot_be_passed_is_the_callers_fault(serve) -> None:
    with pytest.raises(InvalidInputs):
        ask(serve(), "load_process", xs=(1 << 70,))


def test_a_model_may_make_its_frame_itself(serve) -> None:
    assert ask(serve(), "load_framed", xs=(-3.0,)).predictions == [30.0]


def test_a_runtime_folder_that_is_too_long_is_told(tmp_path: Path, executor: LocalProcesses) -> None:
    long = tmp_path / ("x" * 100)
    for make in (lambda: LocalHosts(long), lambda: HostSupervisor(executor, long)):
        with pytest.raises(BadConfig, match="too long"):
            make()


def test_the_runtime_folder_is_for_its_owner_alone(folder: Path, serve, executor: LocalProcesses) -> None:
    folder.chmod(0o777)
    serve()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    with pytest.raises(BackendDown, match="Another worker"):
        HostSupervisor(executor, folder)
    (folder / "link").symlink_to("/tmp")
    with pytest.raises(BadConfig, match="of this user"):
        HostSupervisor(executor, folder / "link")
