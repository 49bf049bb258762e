"""The demo, step by step."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from studio.config import Config, child_environment
from studio.demo.client import MODELS, CallFailed, StudioClient, is_ready
from studio.demo.live import Training, follow_training
from studio.demo.table import BadTable, DemoTable, load_table

READY_WITHIN_S = 60.0
STOPS_WITHIN_S = 20.0
ROWS = 5


class DemoFailed(Exception):
    """A step did not work; the message says which and why."""


def tell(*, data: Path | None, target: str | None, budget_s: int, exit_at_end: bool) -> int:
    """Go the whole way, then leave the service running until Ctrl-C.

    Args:
        data: The user's own table, None for the one that ships with scikit-learn.
        target: Column of it to predict.
        budget_s: Seconds the training may take.
        exit_at_end: Stop the service at the end instead of waiting.

    Returns:
        Exit status: 0 when every step worked.
    """
    console = Console(soft_wrap=not sys.stdout.isatty())
    try:
        table = load_table(data, target)
        with running_service(console) as (address, environment):
            client = StudioClient(address, _token(environment))
            _go(console, client, table, budget_s)
            if not exit_at_end:
                _say_where(console, client)
                _wait(console, client)
        _say_how_again(console, environment["STUDIO_DATA_FOLDER"])
    except (BadTable, DemoFailed, CallFailed) as error:
        console.print(f"[red]The demo stopped:[/red] {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


@contextlib.contextmanager
def running_service(console: Console) -> Iterator[tuple[str, dict[str, str]]]:
    """``studio up`` on a free port with a data folder of the demo's own, stopped at the end."""
    console.rule("1  The service")
    config = Config.load()
    folder, port = config.data_folder / "demo", _free_port(config.host, config.port)
    environment = child_environment(STUDIO_DATA_FOLDER=str(folder), STUDIO_PORT=str(port))
    address = f"http://{config.host}:{port}"
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "studio.cli", "up"], env=environment, stdout=subprocess.DEVNULL)
    try:
        while not is_ready(address):
            if process.poll() is not None:
                raise DemoFailed(f"the service ended with status {process.returncode}; see {folder}/logs")
            if time.monotonic() - started > READY_WITHIN_S:
                raise DemoFailed(f"the service was not ready within {READY_WITHIN_S:.0f} s; see {folder}/logs")
            time.sleep(0.1)
        console.print(f"ready at {address} after {time.monotonic() - started:.1f} s, everything in {folder}")
        yield address, environment
    finally:
        _stop(process)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOPS_WITHIN_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.kill()  # what it started dies with it
        process.wait()


def _go(console: Console, client: StudioClient, table: DemoTable, budget_s: int) -> None:
    dataset = _upload(console, client, table)
    task = _profile(console, client, dataset, table)
    model = _create_model(console, client, table, dataset, task, budget_s)
    training = _train(console, client, model["id"])
    _show_candidates(console, client, model["id"], training)
    version_id = training.end["version_id"]
    _show_performance(console, client, model["id"], version_id)
    _promote(console, client, model["id"], version_id)
    _predict(console, client, model, dataset, table)
    _show_audit(console, client, model["id"])


def _upload(console: Console, client: StudioClient, table: DemoTable) -> dict[str, Any]:
    console.rule("2  Upload a table")
    files = {"file": (table.filename, table.content)}
    dataset: dict[str, Any] = client.json("POST", f"{MODELS}/datasets", files=files, data={"name": table.name})
    console.print(
        f"{dataset['id']} {dataset['name']!r}: {dataset['rows']} rows, {len(dataset['columns'])} columns, "
        f"{dataset['size_bytes']} bytes, sha256 {dataset['fingerprint'][:12]}…"
    )
    if table.target not in [column["name"] for column in dataset["columns"]]:
        names = ", ".join(column["name"] for column in dataset["columns"][:30])
        raise DemoFailed(f"the table has no column {table.target!r}; it has {names}")
    return dataset


def _profile(console: Console, client: StudioClient, dataset: dict[str, Any], table: DemoTable) -> str:
    console.rule("3  Profile it")
    profile = client.json("GET", f"{MODELS}/datasets/{dataset['id']}/profile", params={"target_column": table.target})
    shown = Table("column", "type", "missing", "distinct", "mean or most frequent")
    for column in profile["column_profiles"][:12]:
        top = column.get("top_values") or [{"value": "", "count": 0}]
        typical = f"{column['mean']:.4g}" if column.get("mean") is not None else str(top[0]["value"])
        shown.add_row(column["name"], column["type"], str(column["missing"]), str(column["distinct"]), typical)
    console.print(shown)
    for warning in profile["warnings"]:
        console.print(f"[yellow]{warning['code']}[/yellow] {warning['column'] or ''}: {warning['message']}")
    by_name = {column["name"]: column for column in profile["column_profiles"]}
    target = by_name[table.target]
    return "regression" if target["type"] == "number" and target["distinct"] > 20 else "classification"


def _create_model(
    console: Console,
    client: StudioClient,
    table: DemoTable,
    dataset: dict[str, Any],
    task: str,
    budget_s: int,
) -> dict[str, Any]:
    console.rule("4  Create a model")
    name = f"{table.name.replace('/', ' ').replace(':', ' ')} {time.strftime('%Y-%m-%d %H.%M.%S')}"
    body = {
        "name": name, "model_type": "auto", "task_type": task, "dataset_id": dataset["id"], "tags": ["demo"],
        "config": {"target_column": table.target, "search": {"time_budget_seconds": budget_s}},
    }  # fmt: skip
    model: dict[str, Any] = client.json("POST", MODELS, json=body, headers={"Idempotency-Key": str(uuid.uuid4())})
    console.print(f"{model['id']} {model['name']!r}, a {task} model of {table.target!r}")
    return model


def _train(console: Console, client: StudioClient, model_id: str) -> Training:
    console.rule("5  Train it")
    run = client.json("POST", f"{MODELS}/{model_id}/train", json={"run_label": "demo"})
    started = time.monotonic()
    training = follow_training(console, client.address, client.token, model_id, run["run_id"])
    end = training.end
    if end.get("type") != "completed":
        raise DemoFailed(f"the training ended {end.get('type', 'without a word')}: {end.get('message', '')}")
    console.print(f"{end['version_id']} made by {end['algorithm']} in {time.monotonic() - started:.1f} s")
    return training


def _show_candidates(console: Console, client: StudioClient, model_id: str, training: Training) -> None:
    console.rule("6  The candidates")
    shown = Table("algorithm", "finished trials", "best validation score")
    for algorithm, trials, best in training.candidates():
        shown.add_row(algorithm, str(trials), f"{best:.5f}")
    details = client.json("GET", f"{MODELS}/{model_id}/training-metrics/details")
    stages = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in details["pipeline_stages"].items() if seconds)
    console.print(shown, f"{stages}; at most {details['resource_usage']['peak_memory_mb']} MB of memory")


def _show_performance(console: Console, client: StudioClient, model_id: str, version_id: str) -> None:
    console.rule("7  The new version on the test split")
    at = f"{MODELS}/{model_id}/performance"
    summary = client.json("GET", f"{at}/summary", params={"version_id": version_id})
    shown = Table("metric", "value", "95 % interval")
    for name, value in summary["metrics"].items():
        low_high = summary["confidence_intervals"].get(name)
        interval = f"{low_high[0]:.4f} to {low_high[1]:.4f}" if low_high else ""
        shown.add_row(name, "-" if value is None else f"{value:.4f}", interval)
    console.print(shown, f"{summary['sample_count']} rows nobody had seen before")
    if summary["task_type"] == "classification":
        picture = Path("roc-curve.png").resolve()
        picture.write_bytes(client.get_bytes(f"{at}/roc-curve?version_id={version_id}", "image/png"))
        console.print(f"ROC curve: {picture}")


def _promote(console: Console, client: StudioClient, model_id: str, version_id: str) -> None:
    console.rule("8  Promote it")
    promoted = client.json(
        "POST", f"{MODELS}/{model_id}/versions/{version_id}/promote", json={"reason": "the demo likes it"}
    )
    console.print(f"{promoted['version_id']} is in production since {promoted['promoted_at']}")


def _predict(
    console: Console, client: StudioClient, model: dict[str, Any], dataset: dict[str, Any], table: DemoTable
) -> None:
    console.rule("9  Predict five rows")
    preview = client.json("GET", f"{MODELS}/datasets/{dataset['id']}/preview", params={"limit": ROWS})
    shown = Table("row", "truth", "prediction", "probability", "ms")
    for number, row in enumerate(preview["rows"], 1):
        truth = row.pop(table.target)
        answer = client.json("POST", f"{MODELS}/{model['id']}/test", json={"inputs": row})
        likely = max(answer["probabilities"].values()) if answer["probabilities"] else None
        shown.add_row(
            str(number), str(truth), str(answer["prediction"]), "" if likely is None else f"{likely:.3f}",
            f"{answer['latency_ms']:.0f}",
        )  # fmt: skip
    console.print(shown)


def _show_audit(console: Console, client: StudioClient, model_id: str) -> None:
    console.rule("10  The audit trail")
    trail = client.json("GET", f"{MODELS}/{model_id}/audit-logs", params={"sort_order": "asc"})
    for entry in trail["results"]:
        who = entry["actor"]["email"] or entry["actor"]["user_id"] or entry["actor"]["type"]
        console.print(f"{entry['entry_id']} {entry['timestamp']} {who} {entry['action']} {entry['hash'][:12]}…")
    verdict = client.json("GET", f"{MODELS}/audit-logs/verify")
    console.print(f"the chain of {verdict['entries']} entries is {'whole' if verdict['valid'] else 'BROKEN'}")


def _say_where(console: Console, client: StudioClient) -> None:
    console.rule("Have a look")
    console.print(f"API documentation   {client.address}/api/v1/docs")
    console.print(f"token to try it     {client.token}")
    _print_link(console, client)


def _say_how_again(console: Console, folder: str) -> None:
    console.rule("Done")
    console.print(f"The service is stopped. What it made is in {folder}; this runs it again:")
    console.print(f".venv/bin/studio up --data {folder}")


def _print_link(console: Console, client: StudioClient) -> None:
    ticket = client.json("POST", f"{MODELS}/stream-tickets", json={})["ticket"]
    console.print(f"MLflow, signed in   {client.address}/mlflow/?ticket={ticket}   (opens once, within 30 s)")


def _wait(console: Console, client: StudioClient) -> None:
    console.print("The service is running. Enter prints a fresh sign-in link, Ctrl-C stops it.")
    while True:
        if sys.stdin.readline():
            _print_link(console, client)
        else:  # no terminal to press a key on
            signal.pause()


def _token(environment: dict[str, str]) -> str:
    command = [
        sys.executable,
        "-m",
        "studio.cli",
        "token",
        "create",
        "--user",
        "ana",
        "--email",
        "ana@example.org",
    ]
    command += ["--role", "organization:admin", "--lifetime", "28800"]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


def _free_port(host: str, wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as trial, contextlib.suppress(OSError):
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((host, port))
            return int(trial.getsockname()[1])
    raise DemoFailed(f"no port is free on {host}")
