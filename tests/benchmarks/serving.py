"""Predictions of deployed models beside ``mlflow models serve``, MLServer, and the least this stack can cost.

Two models: a pipeline that the service trained on the telco table, and a usual scikit-learn pipeline (imputer, one-hot,
histogram boosting) that an MLflow client registered. Compared: single rows of mixed columns from 1 and from 64 clients,
and requests of 256 rows from 4, by closed-loop clients with kept connections. Ours is the whole service, with token,
validation and logging of every prediction, the rate limit out of the way; the peers serve the same model folder with
two workers of one OpenMP thread each, MLServer with adaptive batching. The ceiling is a Flask route on the same kind of
gunicorn that checks a token and echoes the JSON. Each server runs alone and they take turns by rounds; clients share
the cores with them. Figures are medians of the rounds. MLServer's environment is made by uv in ``--peers``.

A switch of versions is made while 64 clients call; ``failed_on_switch`` counts calls that were not answered 200,
``switch_p99_ratio`` is the worst second after it over the time before. ``overhead_ms`` is the median of a request of
256 rows from one client, less the time ``pipeline.predict`` and ``predict_proba`` take for them.
"""

import argparse
import contextlib
import json
import os
import statistics
import threading
import time
from pathlib import Path

import psutil
from threadpoolctl import threadpool_limits

from studio.backends.mlflow.model_files import load_estimator
from tests.benchmarks import serving_models, serving_peers
from tests.benchmarks.figures import emit, median, percentile, ratio, show
from tests.benchmarks.load import Connection, run_clients
from tests.benchmarks.service import studio_server, temporary_folder

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
MANY, FEW = 64, 4
BATCH = 256
WARM_UP_S = 3
THREADS = 64
DIFFERENT_ROWS = 200
SECOND_BUDGET_S = 10  # of the version that is switched to


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=SHARED, help="folder with telco.csv")
    parser.add_argument("--peers", type=Path, default=Path.home() / ".cache/model-studio-peers/mlserver")
    parser.add_argument("--rounds", type=int, default=3, help="of each server, taking turns")
    parser.add_argument("--seconds", type=float, default=5, help="of every measurement")
    parser.add_argument("--budget", type=float, default=60, help="of the training, in seconds")
    parser.add_argument("--models", nargs="+", default=["trained", "pipeline"], choices=["trained", "pipeline"])
    parser.add_argument("--only", nargs="+", help="servers to measure")
    options = parser.parse_args()
    figures = {}
    with temporary_folder() as folder:
        ours = studio_server(folder, rate_limit_per_minute=100_000_000, api_threads=THREADS)
        with ours.running():
            prepared = prepare(ours, folder, options)
        for model in options.models:
            figures |= {
                f"{model}_{key}": value
                for key, value in compare(ours, folder / model, prepared[model], options).items()
            }
        with ours.running():
            figures |= switch(ours, prepared["trained"], options)
    emit("serving", figures)


def prepare(server, folder, options):
    """What is deployed, by name of the model: who calls, what is called, the rows and the folder for the peers."""
    client = serving_models.Client(
        f"http://127.0.0.1:{server.port}", server.run("token", "create", "--lifetime", "86400")
    )
    frame = serving_models.read_telco(options.data)
    rows = serving_models.records_of(frame, max(DIFFERENT_ROWS, BATCH))
    made = {"trained": serving_models.train_model(client, frame, "trained", options.budget)}
    serving_models.train_again(client, made["trained"][0], SECOND_BUDGET_S)
    if "pipeline" in options.models:
        made["pipeline"] = serving_models.register_pipeline(client, frame, "pipeline")
    prepared = {}
    for name, (model, version) in made.items():
        (folder / name).mkdir()
        deployment = serving_models.deploy(client, model, version)
        fetched = serving_models.fetch_folder(client, name, version, folder / name)
        prepared[name] = {
            "token": client.token, "model": model, "deployment": deployment["deployment_id"], "rows": rows,
            "folder": fetched,
        }  # fmt: skip
    return prepared


def compare(ours, folder, prepared, options):
    """Figures of one model."""
    path = f"/api/v1/models/{prepared['model']}/predict"
    header = {"Authorization": f"Bearer {prepared['token']}"}
    servers = {
        "studio": (ours, lambda rows: serving_peers.post_request(ours.port, path, {"inputs": rows}, **header)),
        "mlflow": serving_peers.mlflow_serving(prepared["folder"], folder),
        "mlserver": serving_peers.mlserver_serving(prepared["folder"], folder, options.peers),
        "ceiling": serving_peers.ceiling_serving(folder, threads=THREADS),
    }
    if options.only:
        servers = {name: server for name, server in servers.items() if name in options.only}
    found = {name: [] for name in servers}
    for number in range(options.rounds):
        for name in servers if number % 2 == 0 else reversed(servers):
            found[name].append(measure(*servers[name], prepared["rows"], options))
            show({"server": name, **found[name][-1]})
    return figures_of(found, prepared)


def measure(server, make_request, rows, options):
    """One round of one server: figures by name."""
    single = [make_request([row]) for row in rows[:DIFFERENT_ROWS]]
    whole = [make_request(rows[:BATCH])]
    figures = {}
    with server.running():
        wait_until_it_predicts(server, single[0])
        run_clients(server.port, single, clients=MANY, seconds=WARM_UP_S)
        one = run_clients(server.port, single, clients=1, seconds=options.seconds).latencies_s
        before = cpu_seconds(server)
        many = run_clients(server.port, single, clients=MANY, seconds=options.seconds)
        figures |= cpu_per_call(before, cpu_seconds(server), len(many.latencies_s))
        figures |= {"p50_ms_1": 1000 * percentile(one, 0.5), "p99_ms_1": 1000 * percentile(one, 0.99)}
        figures |= {f"p50_ms_{MANY}": 1000 * percentile(many.latencies_s, 0.5)}
        figures |= {f"p99_ms_{MANY}": 1000 * percentile(many.latencies_s, 0.99)}
        figures |= {"per_second_1": len(one) / options.seconds, f"per_second_{MANY}": many.calls_per_second}
        batches = run_clients(server.port, whole, clients=FEW, seconds=options.seconds)
        figures[f"rows_per_second_{BATCH}"] = BATCH * batches.calls_per_second
        alone = run_clients(server.port, whole, clients=1, seconds=options.seconds).latencies_s
        figures[f"p50_ms_of_{BATCH}_rows"] = 1000 * percentile(alone, 0.5)
    return figures


def cpu_seconds(server):
    """What the processes of a server have used so far: those that answer calls, and those that hold models."""
    used = {"answering": 0.0, "models": 0.0, "clients": sum(os.times()[:2])}
    for process in server.processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            part = "models" if any("fork_server" in word for word in process.cmdline()) else "answering"
            times = process.cpu_times()
            used[part] += times.user + times.system
    return used


def cpu_per_call(before, after, calls):
    """Milliseconds of processor time per call, by what used it."""
    return {f"cpu_ms_{part}": 1000 * (after[part] - used) / calls for part, used in before.items()}


def wait_until_it_predicts(server, request):
    """After a start a deployed model may still be on its way."""
    ends_at = time.monotonic() + serving_models.WITHIN_S
    while True:
        try:
            return serving_peers.check_answers(server, request)
        except ConnectionError:
            if time.monotonic() > ends_at:
                raise
            time.sleep(0.5)


def figures_of(found, prepared):
    """Medians of the rounds and ratios."""
    medians = {
        name: {key: median([round_[key] for round_ in rounds]) for key in rounds[0]} for name, rounds in found.items()
    }
    figures = {f"{name}_{key}": value for name, values in medians.items() for key, value in values.items()}
    ours = medians.get("studio")
    if ours is None:
        return figures
    for name in medians.keys() - {"studio"}:
        figures[f"throughput_ratio_{name}"] = ratio(ours[f"per_second_{MANY}"], medians[name][f"per_second_{MANY}"])
        figures[f"p50_ratio_{name}"] = ratio(ours["p50_ms_1"], medians[name]["p50_ms_1"])
        figures[f"rows_ratio_{name}"] = ratio(
            ours[f"rows_per_second_{BATCH}"], medians[name][f"rows_per_second_{BATCH}"]
        )
    if "mlflow" in medians:
        figures["p99_to_mlflow_p50"] = ratio(ours[f"p99_ms_{MANY}"], medians["mlflow"][f"p50_ms_{MANY}"])
    figures["pipeline_ms"] = pipeline_ms(prepared)
    figures["overhead_ms"] = ours[f"p50_ms_of_{BATCH}_rows"] - figures["pipeline_ms"]
    return figures


def pipeline_ms(prepared):
    """Median milliseconds that the pipeline itself takes for the batch."""
    from studio.backends.mlflow.hosted_model import HostedModel
    from studio.backends.mlflow.model_files import schema_of

    folder = prepared["folder"]
    pipeline = load_estimator(folder)
    frame = HostedModel(pipeline, schema_of((folder / "MLmodel").read_bytes()).inputs).input_frame(
        prepared["rows"][:BATCH]
    )
    taken = []
    for _ in range(20):
        started = time.perf_counter()
        with threadpool_limits(1):
            pipeline.predict(frame)
            pipeline.predict_proba(frame)
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken)


def switch(server, prepared, options):
    """Calls from many clients while the version is switched, to and fro."""
    client = serving_models.Client(f"http://127.0.0.1:{server.port}", prepared["token"])
    model, deployment = prepared["model"], prepared["deployment"]
    path = f"/api/v1/models/{model}/predict"
    header = {"Authorization": f"Bearer {prepared['token']}"}
    request = serving_peers.post_request(server.port, path, {"inputs": prepared["rows"][:1]}, **header)
    wait_until_it_predicts(server, request)
    calls, stop = [], threading.Event()

    def work():
        connection = Connection(server.port)
        while not stop.is_set():
            before = time.perf_counter()
            try:
                version = json.loads(connection.call(request))["version_id"]
            except OSError:
                version = None
                connection.close()
            calls.append((before, time.perf_counter() - before, version))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(MANY)]
    for thread in threads:
        thread.start()
    time.sleep(2 * options.seconds)
    switches = []
    for version in ("ver-002", "ver-001"):
        switches.append(time.perf_counter())
        client.json("PATCH", f"/api/v1/models/{model}/deployments/{deployment}", json={"version_id": version})
        ends_at = time.monotonic() + serving_models.WITHIN_S
        while calls[-1][2] != version and time.monotonic() < ends_at:
            time.sleep(0.05)
        time.sleep(options.seconds)
    stop.set()
    for thread in threads:
        thread.join()
    before = [taken for at, taken, _ in calls if at < switches[0]]
    after = [call for call in calls if call[0] >= switches[0]]
    seconds = {}
    for at, taken, _ in after:
        seconds.setdefault(int(at - switches[0]), []).append(taken)
    worst = max(percentile(taken, 0.99) for taken in seconds.values())
    slow = sum(percentile(taken, 0.99) > 2 * percentile(before, 0.99) for taken in seconds.values())
    return {
        "failed_on_switch": sum(version is None for _, _, version in calls), "switch_calls": len(calls),
        "switch_versions": len({version for _, _, version in calls if version}), "switch_slow_seconds": slow,
        "switch_p99_ratio": ratio(worst, percentile(before, 0.99)),
    }  # fmt: skip


if __name__ == "__main__":
    main()
