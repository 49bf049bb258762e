"""Trials per minute of a training through the service, beside the same trials in bare Optuna.

Compared: a real run (upload, queue, run process, events, MLflow child runs) of a fixed number of trials, without a
time budget and one trial at a time, from the start of its first trial to the end of its last, as its child runs in
MLflow tell; and exactly the configurations it tried, read from its events, in one plain process with Optuna's ask and
tell in memory: same table, folds, encodings, estimators, pruner, cores and threads, without service, processes,
MLflow and events. Runs and bare repeats take turns; the service is stopped while a bare repeat runs.
``trials_ratio`` is ours over bare, above 1 being better; ``same_states`` and ``largest_score_difference`` show that
both did the same work, ``share_in_trials`` is how much of our time went by inside trials. Not compared: upload, start
of the run, final fit and evaluation, which bare Optuna has not; events and child runs that are still being written
when the last trial ends do not count against ours (``run_seconds`` holds all).
"""

import argparse
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import httpx

from studio.backends.execution.local_processes import THREAD_VARIABLES
from studio.demo.table import load_table
from tests.benchmarks.figures import emit, median, ratio, show
from tests.benchmarks.service import plain_environment, studio_server, temporary_folder

ROOT = Path(__file__).resolve().parents[2]
TELCO = ROOT.parent / "shared" / "data" / "telco.csv"
FINISHED = ("completed", "failed", "cancelled")
TIMEOUT_S = 1800


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=2, help="runs and bare repeats, taking turns")
    parser.add_argument("--within", type=float, default=300, help="seconds; no round is begun that would end later")
    parser.add_argument(
        "--data", type=Path, help="CSV to train on; else telco.csv beside the project, or breast cancer"
    )
    parser.add_argument("--target", help="column of it to predict")
    options = parser.parse_args()
    table = choose_table(options)
    found, started = [], time.monotonic()
    for done in range(options.rounds):
        if done and (time.monotonic() - started) * (done + 1) / done > options.within:
            break
        found.append(compare(table, options.trials))
        show({key: value for key, value in found[-1].items() if not isinstance(value, list)})
    keys = [key for key in found[0] if key != "same_states"]
    figures = {key: median([round_[key] for round_ in found]) for key in keys}
    figures["same_states"] = min(round_["same_states"] for round_ in found)
    figures["rounds"] = len(found)
    figures["all_trials_ratios"] = [round_["trials_ratio"] for round_ in found]
    emit("search_overhead", {"data": table.name, **figures})


def choose_table(options):
    """The table to train on, as the demo takes one."""
    if options.data is None and TELCO.exists():
        return load_table(TELCO, "Churn")
    return load_table(options.data, options.target)


def compare(table, n_trials):
    """One run of the service and its bare repeat."""
    threads = len(os.sched_getaffinity(0))
    with temporary_folder() as folder:
        server = studio_server(folder, run_threads=threads)
        with server.running():
            dataset, model, run = train(server, table, n_trials)
        trials, seconds = read_trials(folder / "data", run)
        job = {
            "table": str(next((folder / "data").rglob("table.parquet"))),
            "plan": plan_values(dataset, model),
            "threads": threads,
            "trials": trials,
        }
        bare = repeat_bare(folder, job)
    return {
        "trials": len(trials),
        "trials_ratio": ratio(bare["seconds"], seconds),
        "trials_per_minute": 60 * len(trials) / seconds,
        "bare_trials_per_minute": 60 * len(trials) / bare["seconds"],
        "run_seconds": float(run["duration_seconds"]),
        "share_in_trials": sum(trial["duration_seconds"] for trial in trials) / seconds,
        **differences(trials, bare["outcomes"]),
    }


def train(server, table, n_trials):
    """Dataset, model and ended run, through the API alone."""
    header = {"Authorization": f"Bearer {server.run('token', 'create', '--lifetime', '86400')}"}
    address = f"http://127.0.0.1:{server.port}/api/v1/models"
    search = {"max_trials": n_trials, "time_budget_seconds": None, "parallel_trials": 1}
    with httpx.Client(headers=header, timeout=120, trust_env=False) as client:

        def call(method, path, **more):
            answer = client.request(method, address + path, **more)
            if answer.is_error:
                raise SystemExit(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
            return answer.json()

        files = {"file": (table.filename, table.content)}
        dataset = call("POST", "/datasets", files=files, data={"name": table.name})
        config = {"target_column": table.target, "search": search, "keep_best_on_timeout": False}
        body = {"name": "bench", "model_type": "auto", "task_type": "classification", "dataset_id": dataset["id"]}
        model = call("POST", "", json={**body, "config": config})
        run = call("POST", f"/{model['id']}/train", json={"timeout_seconds": TIMEOUT_S})
        while run["status"] not in FINISHED:
            time.sleep(1)
            run = call("GET", f"/{model['id']}/training-runs/{run['run_id']}")
    if run["status"] != "completed":
        raise SystemExit(f"the run {run['status']}: {run}")
    return dataset, model, run


def read_trials(data_folder, run):
    """The trials a run told of, by number, and the seconds from the first one's start to the last one's end."""
    with contextlib.closing(sqlite3.connect(data_folder / "studio.db")) as db:
        query = "SELECT payload FROM run_events WHERE run_id = ? AND type = 'trial' ORDER BY seq"
        trials = [json.loads(payload) for (payload,) in db.execute(query, [run["run_id"]])]
    with contextlib.closing(sqlite3.connect(data_folder / "mlflow.db")) as db:
        children = "SELECT run_uuid FROM tags WHERE key = 'mlflow.parentRunId'"
        query = f"SELECT count(*), min(start_time), max(end_time) FROM runs WHERE run_uuid IN ({children})"
        count, first_ms, last_ms = db.execute(query).fetchone()
    if not trials or count != len(trials):
        raise SystemExit(f"{len(trials)} trials in the run's events, {count} in MLflow")
    return sorted(trials, key=lambda trial: trial["number"]), (last_ms - first_ms) / 1000


def plan_values(dataset, model):
    """The values of the run's plan, as JSON can hold them."""
    config = model["config"]
    return {
        "task": model["task_type"],
        "target": config["target_column"],
        "column_types": {column["name"]: column["type"] for column in dataset["columns"]},
        "features": config["feature_columns"],
        "hyperparameters": config["hyperparameters"],
        "algorithm": config["algorithm"],
        "preprocessing": config["preprocessing"],
        "validation": config["validation"],
        "metric": config["search"]["metric"],
        "pruner": config["search"]["pruner"],
        "imbalance": config["imbalance"],
    }


def repeat_bare(folder, job):
    """What the bare process measured."""
    path = folder / "job.json"
    path.write_text(json.dumps(job))
    threads = dict.fromkeys(THREAD_VARIABLES, str(job["threads"]))
    command = [sys.executable, "-m", "tests.benchmarks.bare_trials", str(path)]
    environment = {**plain_environment(), **threads}
    output = subprocess.run(command, env=environment, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


def differences(trials, outcomes):
    """Share of trials that ended alike, and how far the scores of those that completed are apart at most."""
    pairs = list(zip(trials, outcomes, strict=True))
    apart = [abs(trial["score"] - score) for trial, (state, score) in pairs if trial["state"] == state == "complete"]
    return {
        "same_states": sum(trial["state"] == state for trial, (state, _) in pairs) / len(pairs),
        "largest_score_difference": max(apart, default=0.0),
    }


if __name__ == "__main__":
    main()
