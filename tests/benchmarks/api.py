"""One model and a page of 20, of 10,000, from our API beside the same from MLflow's own server.

Compared: GET one (ours: /api/v1/models/{id}; MLflow's: registered-models/get) and the first page of a list (ours:
GET /api/v1/models?page_size=20; MLflow's: registered-models/search?max_results=20), by closed-loop clients with kept
connections. Ours is the whole service with a token checked on every call and the rate limit out of the way. MLflow's
is ``mlflow server`` on a copy of the same rows, in two settings: its defaults, and as ``mlflow_tuned`` with gunicorn,
as many workers and threads as ours, and its job queue off, the fastest of the seven settings tried (uvicorn with 1, 2
and 4 workers, gunicorn with and without threads). Each server runs alone; they take turns by rounds, the defaults in
the first round alone: several uvicorn workers wait some 40 ms in every answer on a kept connection. Figures are
medians of the rounds' percentiles. A ratio is ours over the faster of the two settings, the worse of the client
counts; below 1 ours is faster.

Not compared: the answers' content. Ours holds the effective configuration; MLflow's has no roles to check. The models
have no versions, which spares MLflow the reading of them. Rows are inserted with SQL, not over HTTP.
"""

import argparse
import json
from urllib.parse import urlencode

import httpx

from tests.benchmarks.figures import emit, median, percentile, ratio, show
from tests.benchmarks.load import Connection, get_request, run_clients
from tests.benchmarks.many_models import clone_models, copy_for_mlflow
from tests.benchmarks.service import mlflow_server, studio_server, temporary_folder

CLIENTS = (1, 16)
PAGE = 20
ASKED = 500  # models the clients choose among
WARM_UP_S = 1.5
MLFLOW = "/api/2.0/mlflow/registered-models"
TUNED = ("--workers", "2", "--gunicorn-opts", "--worker-class gthread --threads 64 --keep-alive 30")
TEMPLATE = {
    "name": "model-00000", "model_type": "auto", "task_type": "classification", "tags": ["demo"],
    "config": {"target_column": "late", "search": {"time_budget_seconds": 60}},
}  # fmt: skip


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3, help="of each server, taking turns")
    parser.add_argument("--seconds", type=float, default=3, help="of every measurement")
    options = parser.parse_args()
    with temporary_folder() as folder:
        peers = make_peers(folder, options.models)
        found = {name: [] for name in peers}
        for number in range(options.rounds):
            turn = [name for name in peers if number == 0 or name != "mlflow"]
            for name in turn if number % 2 == 0 else reversed(turn):
                found[name].append(measure(*peers[name], options))
                show({"server": name, **found[name][-1]})
    emit("api", {"models": options.models, **figures_of(found)})


def make_peers(folder, count):
    """Servers by name, each with the requests that are made of it."""
    ours = studio_server(folder, rate_limit_per_minute=100_000_000)
    with ours.running():
        token = ours.run("token", "create", "--lifetime", "86400")
        header = {"Authorization": f"Bearer {token}"}
        answer = httpx.post(
            f"http://127.0.0.1:{ours.port}/api/v1/models", json=TEMPLATE, headers=header, timeout=60, trust_env=False
        )
        template = answer.raise_for_status().json()
    models = clone_models(folder / "data", template, count)
    asked = models[:: max(1, count // ASKED)]
    own = folder / "mlflow"
    own.mkdir()
    copy_for_mlflow(folder / "data" / "mlflow.db", own / "mlflow.db")
    theirs = {
        "get": [f"{MLFLOW}/get?{urlencode({'name': name})}" for _, name in asked],
        "list": [f"{MLFLOW}/search?max_results={PAGE}"],
    }
    mine = {
        "get": [f"/api/v1/models/{model_id}" for model_id, _ in asked],
        "list": [f"/api/v1/models?page_size={PAGE}"],
    }
    tuned = mlflow_server(own, *TUNED, name="mlflow_tuned", MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    return {
        "studio": (ours, mine, header),
        "mlflow": (mlflow_server(own), theirs, {}),
        "mlflow_tuned": (tuned, theirs, {}),
    }


def measure(server, paths, headers, options):
    """One round of one server: figures by name."""
    requests = {what: [get_request(server.port, path, **headers) for path in given] for what, given in paths.items()}
    figures = {}
    with server.running():
        check_answers(server, requests, options.models)
        for what in requests:
            run_clients(server.port, requests[what], clients=max(CLIENTS), seconds=WARM_UP_S)
        for what in requests:
            for clients in CLIENTS:
                sample = run_clients(server.port, requests[what], clients=clients, seconds=options.seconds)
                for share, name in ((0.5, "p50"), (0.99, "p99")):
                    figures[f"{what}_{name}_ms_{clients}"] = 1000 * percentile(sample.latencies_s, share)
                figures[f"{what}_per_second_{clients}"] = sample.calls_per_second
    return figures


def check_answers(server, requests, count):
    """Raises SystemExit unless the server answers what is to be measured."""
    connection = Connection(server.port)
    one, many = (json.loads(connection.call(requests[what][-1])) for what in ("get", "list"))
    connection.close()
    items = many.get("results") or many.get("registered_models") or []
    name = one.get("name") or one["registered_model"]["name"]
    if len(items) != min(PAGE, count) or many.get("total", count) != count or not name.startswith("model-"):
        raise SystemExit(f"{server.name} answers something else: {str(one)[:300]} {str(many)[:300]}")


def figures_of(found):
    """Medians of the rounds and ratios."""
    medians = {
        name: {key: median([round_[key] for round_ in rounds]) for key in rounds[0]} for name, rounds in found.items()
    }
    ours = medians["studio"]
    figures = {**ours}
    for what in ("get", "list"):
        for percent in ("p50", "p99"):
            keys = [f"{what}_{percent}_ms_{clients}" for clients in CLIENTS]
            best = [min(medians["mlflow"][key], medians["mlflow_tuned"][key]) for key in keys]
            ratios = [ratio(ours[key], other) for key, other in zip(keys, best, strict=True)]
            figures[f"{what}_{percent}_ms"] = ours[keys[0]]
            figures[f"mlflow_{what}_{percent}_ms"] = best[0]
            figures[f"{what}_{percent}_ratio"] = max(ratios)
            figures |= {f"{key.replace('_ms_', '_ratio_')}": found for key, found in zip(keys, ratios, strict=True)}
    for name in ("mlflow", "mlflow_tuned"):
        figures |= {f"{name}_{key}": value for key, value in medians[name].items()}
    return figures


if __name__ == "__main__":
    main()
